//! Results of queries as the bodies of answers: Log Analytics, Kusto v1, Kusto v2.

use serde_json::{Value, json};

use super::clock;
use super::rows_json::{Bounds, Cut, Dynamics, push_rows};
use super::service::{QueryAnswer, QueryFailure, Rendering, ResultColumn, ResultTable};

/// What the `Prefer` header asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) statistics: bool,
    pub(crate) render: bool,
    /// Kusto's v1 instead of the thinned answer
    pub(crate) full: bool,
}

/// The body of a Log Analytics query.
pub(crate) fn log_analytics(answer: &QueryAnswer, wants: Wants, bounds: Bounds) -> Result<Vec<u8>, QueryFailure> {
    if wants.full {
        return kusto_v1(answer, Some(bounds));
    }
    let mut out = b"{\"tables\":[".to_vec();
    let mut budget = Budget::new(Some(bounds));
    for (at, table) in answer.tables.iter().enumerate() {
        let columns: Vec<Value> =
            table.columns.iter().map(|column| json!({"name": column.name, "type": column.kql_type})).collect();
        push(&mut out, at, &format!("{{\"name\":\"PrimaryResult\",\"columns\":{},\"rows\":[", Value::from(columns)));
        budget.rows(&mut out, table, Dynamics::Text)?;
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    if wants.statistics {
        let statistics = json!({"query": statistics(answer, &budget.sizes)});
        out.extend_from_slice(format!(",\"statistics\":{statistics}").as_bytes());
    }
    if wants.render {
        out.extend_from_slice(format!(",\"render\":{}", camel_case(answer.render.as_ref())).as_bytes());
    }
    if let Some(cut) = budget.cut {
        out.extend_from_slice(format!(",\"error\":{}", partial_error(cut)).as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

/// The body of a Kusto v1 query: tables, their properties, the status, and a table of contents last.
pub(crate) fn kusto_v1(answer: &QueryAnswer, bounds: Option<Bounds>) -> Result<Vec<u8>, QueryFailure> {
    let mut out = b"{\"Tables\":[".to_vec();
    let mut budget = Budget::new(bounds);
    for (at, table) in answer.tables.iter().enumerate() {
        let columns: Vec<Value> = table.columns.iter().map(v1_column).collect();
        let start = format!("{{\"TableName\":\"Table_{at}\",\"Columns\":{},\"Rows\":[", Value::from(columns));
        push(&mut out, at, &start);
        budget.rows(&mut out, table, Dynamics::Text)?;
        out.extend_from_slice(b"]}");
    }
    let results = answer.tables.len();
    let activity = uuid::Uuid::new_v4().to_string();
    let status = |severity: i32, name: &str, text: String| {
        json!([clock::now(), severity, name, 0, text, 1, activity, activity, activity, activity])
    };
    let contents = (0..results)
        .map(|at| json!([at, "QueryResult", "PrimaryResult", uuid::Uuid::new_v4().to_string(), ""]))
        .chain([
            json!([results, "QueryProperties", "@ExtendedProperties", uuid::Uuid::new_v4().to_string(), ""]),
            json!([results + 1, "QueryStatus", "QueryStatus", uuid::Uuid::nil().to_string(), ""]),
        ]);
    let others = [
        v1_table(results, &[("Value", "string")], vec![json!([pascal_case(answer.render.as_ref()).to_string()])]),
        v1_table(
            results + 1,
            &[
                ("Timestamp", "datetime"),
                ("Severity", "int"),
                ("SeverityName", "string"),
                ("StatusCode", "int"),
                ("StatusDescription", "string"),
                ("Count", "int"),
                ("RequestId", "guid"),
                ("ActivityId", "guid"),
                ("SubActivityId", "guid"),
                ("ClientActivityId", "string"),
            ],
            vec![
                status(4, "Info", "Query completed successfully".to_owned()),
                status(6, "Stats", statistics(answer, &budget.sizes).to_string()),
            ],
        ),
        v1_table(
            results + 2,
            &[("Ordinal", "long"), ("Kind", "string"), ("Name", "string"), ("Id", "string"), ("PrettyName", "string")],
            contents.collect(),
        ),
    ];
    for other in others {
        out.extend_from_slice(format!(",{other}").as_bytes());
    }
    out.push(b']');
    if let Some(cut) = budget.cut {
        out.extend_from_slice(format!(",\"Exceptions\":{}", json!([limits_exceeded(cut)])).as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

/// One table in Kusto's v1 form; `columns` are names and KQL types.
pub(crate) fn v1_table(at: usize, columns: &[(&str, &str)], rows: Vec<Value>) -> Value {
    let columns: Vec<Value> = columns
        .iter()
        .map(|(name, kind)| v1_column(&ResultColumn { name: (*name).to_owned(), kql_type: (*kind).to_owned() }))
        .collect();
    json!({"TableName": format!("Table_{at}"), "Columns": columns, "Rows": rows})
}

fn v1_column(column: &ResultColumn) -> Value {
    let data_type = match column.kql_type.as_str() {
        "bool" => "SByte",
        "datetime" => "DateTime",
        "decimal" => "SqlDecimal",
        "dynamic" => "Object",
        "guid" => "Guid",
        "int" => "Int32",
        "long" => "Int64",
        "real" => "Double",
        "timespan" => "TimeSpan",
        _ => "String",
    };
    json!({"ColumnName": column.name, "DataType": data_type, "ColumnType": column.kql_type})
}

/// The body of a Kusto v2 query: frames whose members stand in the order that the streaming reader expects.
pub(crate) fn kusto_v2(
    answer: &QueryAnswer,
    bounds: Option<Bounds>,
    client_request_id: &str,
) -> Result<Vec<u8>, QueryFailure> {
    let mut out = b"[{\"FrameType\":\"DataSetHeader\",\"IsProgressive\":false,\"Version\":\"v2.0\"}".to_vec();
    let render = pascal_case(answer.render.as_ref()).to_string();
    let properties: Vec<Value> = (1..=answer.tables.len()).map(|id| json!([id, "Visualization", render])).collect();
    let kinds = [("TableId", "int"), ("Key", "string"), ("Value", "dynamic")];
    push_v2_table(&mut out, 0, "QueryProperties", "@ExtendedProperties", &kinds, &properties);
    let mut budget = Budget::new(bounds);
    for (at, table) in answer.tables.iter().enumerate() {
        let columns: Vec<(&str, &str)> =
            table.columns.iter().map(|column| (column.name.as_str(), column.kql_type.as_str())).collect();
        push_v2_start(&mut out, at + 1, "PrimaryResult", "PrimaryResult", &columns);
        let written = budget.rows(&mut out, table, Dynamics::Native)?;
        if let Some(cut) = budget.cut {
            let comma = if written > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}{}", json!({"OneApiErrors": [one_api_error(cut)]})).as_bytes());
        }
        out.extend_from_slice(b"]}");
        if budget.cut.is_some() {
            break;
        }
    }
    let columns = [
        ("Timestamp", "datetime"),
        ("ClientRequestId", "string"),
        ("ActivityId", "guid"),
        ("SubActivityId", "guid"),
        ("ParentActivityId", "guid"),
        ("Level", "int"),
        ("LevelName", "string"),
        ("StatusCode", "int"),
        ("StatusCodeName", "string"),
        ("EventType", "int"),
        ("EventTypeName", "string"),
        ("Payload", "string"),
    ];
    let activity = uuid::Uuid::new_v4().to_string();
    let event = |level: i32, level_name: &str, kind: i32, kind_name: &str, payload: Value| {
        let ids = json!([clock::now(), client_request_id, activity, activity, activity]);
        let rest = json!([level, level_name, 0, "S_OK (0)", kind, kind_name, payload.to_string()]);
        Value::from([ids, rest].iter().filter_map(Value::as_array).flatten().cloned().collect::<Vec<_>>())
    };
    let completed = json!({"Count": 1, "Text": "Query completed successfully"});
    let events = [
        event(4, "Info", 4, "QueryInfo", completed),
        event(6, "Stats", 0, "QueryResourceConsumption", statistics(answer, &budget.sizes)),
    ];
    push_v2_table(
        &mut out,
        answer.tables.len() + 1,
        "QueryCompletionInformation",
        "QueryCompletionInformation",
        &columns,
        &events,
    );
    let completion = match budget.cut {
        None => json!({"FrameType": "DataSetCompletion", "HasErrors": false, "Cancelled": false}),
        Some(cut) => json!({
            "FrameType": "DataSetCompletion", "HasErrors": true, "Cancelled": false, "OneApiErrors": [one_api_error(cut)],
        }),
    };
    out.extend_from_slice(format!(",{completion}]").as_bytes());
    Ok(out)
}

fn push_v2_start(out: &mut Vec<u8>, id: usize, kind: &str, name: &str, columns: &[(&str, &str)]) {
    let columns: Vec<Value> =
        columns.iter().map(|(name, kind)| json!({"ColumnName": name, "ColumnType": kind})).collect();
    let start = format!(
        ",{{\"FrameType\":\"DataTable\",\"TableId\":{id},\"TableKind\":\"{kind}\",\"TableName\":\"{name}\",\"Columns\":{},\"Rows\":[",
        Value::from(columns)
    );
    out.extend_from_slice(start.as_bytes());
}

fn push_v2_table(out: &mut Vec<u8>, id: usize, kind: &str, name: &str, columns: &[(&str, &str)], rows: &[Value]) {
    push_v2_start(out, id, kind, name, columns);
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    out.extend_from_slice(rows.join(",").as_bytes());
    out.extend_from_slice(b"]}");
}

fn push(out: &mut Vec<u8>, at: usize, text: &str) {
    if at > 0 {
        out.push(b',');
    }
    out.extend_from_slice(text.as_bytes());
}

/// What is left of the bounds, and what the tables took.
struct Budget {
    bounds: Bounds,
    cut: Option<Cut>,
    /// Rows and bytes of each table
    sizes: Vec<(usize, usize)>,
}

impl Budget {
    fn new(bounds: Option<Bounds>) -> Budget {
        Budget {
            bounds: bounds.unwrap_or(Bounds { rows: usize::MAX, bytes: usize::MAX }),
            cut: None,
            sizes: Vec::new(),
        }
    }

    fn rows(&mut self, out: &mut Vec<u8>, table: &ResultTable, dynamics: Dynamics) -> Result<usize, QueryFailure> {
        let start = out.len();
        let left = Bounds { rows: self.bounds.rows, bytes: self.bounds.bytes - self.bytes().min(self.bounds.bytes) };
        let (rows, cut) =
            push_rows(out, table, dynamics, left).map_err(|error| QueryFailure::Execution(error.to_string()))?;
        self.sizes.push((rows, out.len() - start));
        // The message names the limit, not what was left of it.
        let named = cut.map(|cut| match cut {
            Cut::Rows(_) => Cut::Rows(self.bounds.rows),
            Cut::Bytes(_) => Cut::Bytes(self.bounds.bytes),
        });
        self.cut = self.cut.or(named);
        Ok(rows)
    }

    fn bytes(&self) -> usize {
        self.sizes.iter().map(|(_, bytes)| bytes).sum()
    }
}

fn statistics(answer: &QueryAnswer, sizes: &[(usize, usize)]) -> Value {
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

/// A property of `render`, which KQL writes in lower case.
fn property<'a>(render: Option<&'a Rendering>, name: &str) -> Option<&'a str> {
    let (_, value) = render?.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value)
}

/// Log Analytics' `render`; `{}` when the query has none.
fn camel_case(render: Option<&Rendering>) -> Value {
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
fn pascal_case(render: Option<&Rendering>) -> Value {
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

fn partial_error(cut: Cut) -> Value {
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

fn limits_exceeded(cut: Cut) -> String {
    let why = match cut {
        Cut::Rows(rows) => format!("The results of this query exceed the set limit of {rows} records"),
        Cut::Bytes(bytes) => format!("The results of this query exceed the set limit of {bytes} bytes"),
    };
    format!(
        "Query execution has exceeded the allowed limits (80DA0003): {why}, so not all records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). See https://aka.ms/kustoquerylimits for more information and possible solutions."
    )
}

fn one_api_error(cut: Cut) -> Value {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polars::prelude::df;

    use super::*;

    const WIDE: Bounds = Bounds { rows: 10, bytes: 1_000 };
    const NARROW: Bounds = Bounds { rows: 1, bytes: 1_000 };

    fn answer() -> QueryAnswer {
        let columns = vec![ResultColumn { name: "n".to_owned(), kql_type: "long".to_owned() }];
        let table = ResultTable { columns, frame: df!("n" => [1i64, 2]).unwrap() };
        let render =
            Rendering { kind: "piechart".to_owned(), properties: vec![("title".to_owned(), "T\"".to_owned())] };
        QueryAnswer { tables: vec![table], render: Some(render), scanned_rows: 2, took: Duration::from_millis(5) }
    }

    fn parsed(body: Result<Vec<u8>, QueryFailure>) -> Value {
        serde_json::from_slice(&body.unwrap()).unwrap()
    }

    #[test]
    fn a_thinned_answer_has_only_what_was_asked_for() {
        let body = parsed(log_analytics(&answer(), Wants::default(), WIDE));
        assert_eq!(
            body,
            json!({"tables": [{"name": "PrimaryResult", "columns": [{"name": "n", "type": "long"}], "rows": [[1], [2]]}]})
        );
        let all = Wants { statistics: true, render: true, full: false };
        let body = parsed(log_analytics(&answer(), all, NARROW));
        assert_eq!(body["tables"][0]["rows"], json!([[1]]));
        assert_eq!(body["error"]["code"], "PartialError");
        assert_eq!(body["render"]["visualization"], "piechart");
        assert_eq!(body["statistics"]["query"]["datasetStatistics"][0]["tableRowCount"], 1);
        let plain = QueryAnswer { render: None, ..answer() };
        assert_eq!(parsed(log_analytics(&plain, all, WIDE))["render"], json!({}));
    }

    #[test]
    fn v1_ends_with_its_table_of_contents() {
        let body = parsed(kusto_v1(&answer(), Some(WIDE)));
        let tables = body["Tables"].as_array().unwrap();
        let kinds: Vec<&Value> = tables[3]["Rows"].as_array().unwrap().iter().map(|row| &row[1]).collect();
        assert_eq!(kinds, ["QueryResult", "QueryProperties", "QueryStatus"]);
        assert_eq!(tables[0]["Columns"][0], json!({"ColumnName": "n", "DataType": "Int64", "ColumnType": "long"}));
        assert!(body.get("Exceptions").is_none());
        assert!(parsed(kusto_v1(&answer(), Some(NARROW)))["Exceptions"][0].as_str().unwrap().contains("80DA0003"));
    }

    #[test]
    fn v2_frames_keep_their_order() {
        let text = String::from_utf8(kusto_v2(&answer(), None, "me").unwrap()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        let kinds: Vec<&Value> = body.as_array().unwrap().iter().map(|frame| &frame["FrameType"]).collect();
        assert_eq!(kinds, ["DataSetHeader", "DataTable", "DataTable", "DataTable", "DataSetCompletion"]);
        for frame in body.as_array().unwrap().iter().filter(|frame| frame["FrameType"] == "DataTable") {
            let members: Vec<&String> = frame.as_object().unwrap().keys().collect();
            assert_eq!((members[0].as_str(), members[5].as_str()), ("FrameType", "Rows"));
        }
        assert_eq!(body[2]["Rows"], json!([[1], [2]]));
        let cut = parsed(kusto_v2(&answer(), Some(NARROW), "me"));
        assert_eq!(cut[2]["Rows"][0], json!([1]));
        assert_eq!(cut[2]["Rows"][1]["OneApiErrors"][0]["error"]["code"], "LimitsExceeded");
        assert_eq!(cut[4]["HasErrors"], true);
    }
}
