//! What stands beside the rows of an answer: statistics, `render`, and errors about results that were cut.

use serde_json::{Value, json};

use super::clock;
use super::rows_json::Cut;
use super::service::{QueryAnswer, Rendering};

/// Log Analytics' statistics; `sizes` are rows and bytes of each table.
pub(super) fn statistics(answer: &QueryAnswer, sizes: &[(usize, usize)]) -> Value {
    let seconds = answer.took.as_secs_f64();
    let tables: Vec<Value> =
        sizes.iter().map(|(rows, bytes)| json!({"tableRowCount": rows, "tableSize": bytes})).collect();
    json!({
        "executionTime": seconds,
        "resourceUsage": {
            "cache": {
                "memory": {"hits": 0, "misses": 0, "total": 0},
                "disk": {"hits": 0, "misses": 0, "total": 0},
            },
            "cpu": {"user": "00:00:00", "kernel": "00:00:00", "totalCpu": "00:00:00"},
            "memory": {"peakPerNode": 0},
        },
        "inputDatasetStatistics": {
            "extents": {"total": 0, "scanned": 0},
            "rows": {"total": answer.scanned_rows, "scanned": answer.scanned_rows},
        },
        "datasetStatistics": tables,
    })
}

/// The same under Kusto's names.
pub(super) fn kusto_statistics(answer: &QueryAnswer, sizes: &[(usize, usize)]) -> Value {
    let tables: Vec<Value> =
        sizes.iter().map(|(rows, bytes)| json!({"table_row_count": rows, "table_size": bytes})).collect();
    json!({
        "ExecutionTime": answer.took.as_secs_f64(),
        "resource_usage": {
            "cache": {
                "memory": {"hits": 0, "misses": 0, "total": 0},
                "disk": {"hits": 0, "misses": 0, "total": 0},
            },
            "cpu": {"user": "00:00:00", "kernel": "00:00:00", "total cpu": "00:00:00"},
            "memory": {"peak_per_node": 0},
        },
        "input_dataset_statistics": {
            "extents": {"total": 0, "scanned": 0},
            "rows": {"total": answer.scanned_rows, "scanned": answer.scanned_rows},
        },
        "dataset_statistics": tables,
    })
}

/// A property of `render`, which KQL writes in lower case.
fn property<'a>(render: Option<&'a Rendering>, name: &str) -> Option<&'a str> {
    let (_, value) = render?.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value)
}

/// Log Analytics' `render`; `{}` when the query has none.
pub(super) fn camel_case(render: Option<&Rendering>) -> Value {
    let Some(asked) = render else { return json!({}) };
    let text = |name: &str| property(render, name);
    let yes = |name: &str| text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    json!({
        "visualization": asked.kind,
        "title": text("title"),
        "accumulate": yes("accumulate"),
        "isQuerySorted": false,
        "kind": text("kind").unwrap_or("default"),
        "annotation": "",
        "by": null,
        "xColumn": text("xcolumn"),
        "yColumns": text("ycolumns"),
        "series": text("series"),
        "xTitle": text("xtitle"),
        "yTitle": text("ytitle"),
        "xAxis": text("xaxis"),
        "yAxis": text("yaxis"),
        "ySplit": text("ysplit"),
        "legend": text("legend"),
    })
}

/// Kusto's `Visualization`.
pub(super) fn pascal_case(render: Option<&Rendering>) -> Value {
    let text = |name: &str| property(render, name);
    let yes = |name: &str| text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    json!({
        "Visualization": render.map(|render| render.kind.as_str()),
        "Title": text("title"),
        "XColumn": text("xcolumn"),
        "Series": text("series"),
        "YColumns": text("ycolumns"),
        "AnomalyColumns": text("anomalycolumns"),
        "XTitle": text("xtitle"),
        "YTitle": text("ytitle"),
        "XAxis": text("xaxis"),
        "YAxis": text("yaxis"),
        "Legend": text("legend"),
        "YSplit": text("ysplit"),
        "Accumulate": yes("accumulate"),
        "IsQuerySorted": false,
        "Kind": text("kind"),
        "Ymin": text("ymin").unwrap_or("NaN"),
        "Ymax": text("ymax").unwrap_or("NaN"),
    })
}

pub(super) fn partial_error(cut: Cut) -> Value {
    let limit = match cut {
        Cut::Rows(rows) => format!("{rows} records"),
        Cut::Bytes(bytes) => format!("{bytes} bytes"),
    };
    let message = format!(
        "The results of this query exceed the set limit of {limit}, so not all records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). See https://aka.ms/kustoquerylimits for more information and possible solutions."
    );
    json!({
        "code": "PartialError",
        "message": "There were some errors when processing your query.",
        "details": [{
            "code": "EngineError",
            "message": "Something went wrong processing your query on the server.",
            "innererror": {"code": "-2133196797", "message": message, "severity": 2, "severityName": "Error"},
        }],
    })
}

pub(super) fn limits_exceeded(cut: Cut) -> String {
    let why = match cut {
        Cut::Rows(rows) => format!("The results of this query exceed the set limit of {rows} records"),
        Cut::Bytes(bytes) => format!("The results of this query exceed the set limit of {bytes} bytes"),
    };
    format!(
        "Query execution has exceeded the allowed limits (80DA0003): {why}, so not all records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). See https://aka.ms/kustoquerylimits for more information and possible solutions."
    )
}

pub(super) fn one_api_error(cut: Cut) -> Value {
    json!({
        "error": {
            "code": "LimitsExceeded",
            "message": "Request is invalid and cannot be executed.",
            "@type": "Kusto.Data.Exceptions.KustoServicePartialQueryFailureLimitsExceededException",
            "@message": limits_exceeded(cut),
            "@context": {"timestamp": clock::now(), "serviceAlias": "HUNTBOOK"},
            "@permanent": true,
        }
    })
}
