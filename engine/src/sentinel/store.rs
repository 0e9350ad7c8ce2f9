//! The tables of the service that the workspace keeps itself: `SecurityAlert`, `SecurityIncident`, `HuntingBookmark`.
//!
//! As in the service they are logs: a change of an incident is another row, and the latest row is its state. Columns are those
//! of the Azure Monitor table reference.

use chrono::{DateTime, SecondsFormat, Utc};
use huntbook_kql::{Engine as KqlEngine, batch};
use huntbook_workspace::{ColumnSchema, ColumnType};
use polars::prelude::*;
use serde_json::{Map, Value as Json};

use crate::catalog::Stored;
use crate::{Engine, Error, Result};

/// A row by the names of its columns; times are ISO 8601 text.
pub(crate) type Row = Map<String, Json>;

pub(crate) struct ServiceTable {
    pub(crate) name: &'static str,
    columns: &'static [(&'static str, ColumnType)],
}

use ColumnType::{Bool, Datetime, Dynamic, Int, Real, String as Text};

pub(crate) const SECURITY_ALERT: ServiceTable = ServiceTable {
    name: "SecurityAlert",
    columns: &[
        ("TimeGenerated", Datetime),
        ("DisplayName", Text),
        ("AlertName", Text),
        ("AlertSeverity", Text),
        ("Description", Text),
        ("ProviderName", Text),
        ("VendorName", Text),
        ("VendorOriginalId", Text),
        ("SystemAlertId", Text),
        ("AlertType", Text),
        ("IsIncident", Bool),
        ("StartTime", Datetime),
        ("EndTime", Datetime),
        ("ProcessingEndTime", Datetime),
        ("RemediationSteps", Text),
        ("ExtendedProperties", Text),
        ("Entities", Text),
        ("ExtendedLinks", Text),
        ("ProductName", Text),
        ("ProductComponentName", Text),
        ("ConfidenceLevel", Text),
        ("ConfidenceScore", Real),
        ("AlertLink", Text),
        ("Status", Text),
        ("Tactics", Text),
        ("Techniques", Text),
        ("SourceSystem", Text),
        ("Type", Text),
    ],
};

pub(crate) const SECURITY_INCIDENT: ServiceTable = ServiceTable {
    name: "SecurityIncident",
    columns: &[
        ("TimeGenerated", Datetime),
        ("IncidentName", Text),
        ("Title", Text),
        ("Description", Text),
        ("Severity", Text),
        ("Status", Text),
        ("Classification", Text),
        ("ClassificationComment", Text),
        ("ClassificationReason", Text),
        ("Owner", Dynamic),
        ("ProviderName", Text),
        ("ProviderIncidentId", Text),
        ("FirstActivityTime", Datetime),
        ("LastActivityTime", Datetime),
        ("FirstModifiedTime", Datetime),
        ("LastModifiedTime", Datetime),
        ("CreatedTime", Datetime),
        ("ClosedTime", Datetime),
        ("IncidentNumber", Int),
        ("RelatedAnalyticRuleIds", Dynamic),
        ("AlertIds", Dynamic),
        ("BookmarkIds", Dynamic),
        ("Comments", Dynamic),
        ("Tasks", Dynamic),
        ("Labels", Dynamic),
        ("IncidentUrl", Text),
        ("AdditionalData", Dynamic),
        ("ModifiedBy", Text),
        ("SourceSystem", Text),
        ("Type", Text),
    ],
};

pub(crate) const HUNTING_BOOKMARK: ServiceTable = ServiceTable {
    name: "HuntingBookmark",
    columns: &[
        ("TimeGenerated", Datetime),
        ("BookmarkId", Text),
        ("BookmarkName", Text),
        ("BookmarkType", Text),
        ("CreatedBy", Text),
        ("UpdatedBy", Text),
        ("CreatedTime", Datetime),
        ("LastUpdatedTime", Datetime),
        ("EventTime", Datetime),
        ("QueryText", Text),
        ("QueryResultRow", Text),
        ("QueryStartTime", Datetime),
        ("QueryEndTime", Datetime),
        ("Notes", Text),
        ("Tags", Text),
        ("Entities", Text),
        ("SoftDeleted", Bool),
        ("SourceSystem", Text),
        ("Type", Text),
    ],
};

impl Engine {
    /// Appends rows to a table of the service, which is made when it is not there. `SourceSystem` and `Type` are filled in;
    /// columns that a row has not are null.
    pub(crate) fn log(&self, table: &ServiceTable, rows: &[Row]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let declared = table.columns.iter();
        let declared = declared.map(|(name, kind)| ColumnSchema { name: (*name).to_owned(), column_type: *kind });
        self.workspace.declare(table.name, declared.collect())?;
        let columns = table.columns.iter().map(|(name, kind)| {
            let cells = rows.iter().map(|row| match *name {
                "SourceSystem" => Some(Json::from("huntbook")),
                "Type" => Some(Json::from(table.name)),
                _ => row.get(*name).filter(|value| !value.is_null()).cloned(),
            });
            column(name, *kind, cells.collect())
        });
        let frame = DataFrame::new(rows.len(), columns.collect::<Result<Vec<Column>>>()?)?;
        self.workspace.append(table.name, frame)?;
        Ok(())
    }

    /// The rows of a query over the workspace's own tables, whatever frames are called. No rows where a table that the query
    /// begins with is not there yet.
    pub(crate) fn logged(&self, table: &ServiceTable, query: &str) -> Result<Vec<Row>> {
        if self.workspace.schema(table.name)?.is_none() {
            return Ok(Vec::new());
        }
        let engine = KqlEngine::new(Stored::new(self, self.workspace.clone()));
        let query = format!("{}\n{query}", table.name);
        let answer = engine.run(&query).map_err(|error| Error::new("SentinelError", error.render(&query)))?;
        let row = |at: usize| -> Result<Row> {
            let cells = answer.frame.columns().iter().zip(&answer.schema);
            cells
                .map(|(cells, column)| Ok((column.name.clone(), batch::cell(&cells.get(at)?, column.kql_type))))
                .collect()
        };
        (0..answer.frame.height()).map(row).collect()
    }
}

fn column(name: &str, kind: ColumnType, cells: Vec<Option<Json>>) -> Result<Column> {
    let name = PlSmallStr::from_str(name);
    let text = |value: Json| match value {
        Json::String(text) => text,
        other => other.to_string(),
    };
    Ok(match kind {
        ColumnType::Bool => Column::new(name, cells.iter().map(|cell| cell.as_ref()?.as_bool()).collect::<Vec<_>>()),
        ColumnType::Int => {
            let numbers =
                cells.iter().map(|cell| cell.as_ref()?.as_i64().and_then(|number| i32::try_from(number).ok()));
            Column::new(name, numbers.collect::<Vec<Option<i32>>>())
        }
        ColumnType::Real => {
            // Overrides of a rule give every value as text.
            let number = |cell: &Json| cell.as_f64().or_else(|| cell.as_str()?.trim().parse().ok());
            Column::new(name, cells.iter().map(|cell| number(cell.as_ref()?)).collect::<Vec<Option<f64>>>())
        }
        ColumnType::Datetime => {
            let times = cells.iter().map(|cell| moment(cell.as_ref()?)?.timestamp_nanos_opt());
            let times = Column::new(name, times.collect::<Vec<Option<i64>>>());
            times.cast(&DataType::Datetime(TimeUnit::Nanoseconds, None))?
        }
        ColumnType::Dynamic => {
            Column::new(name, cells.into_iter().map(|cell| cell.map(|value| value.to_string())).collect::<Vec<_>>())
        }
        _ => Column::new(name, cells.into_iter().map(|cell| cell.map(text)).collect::<Vec<_>>()),
    })
}

/// A time as rows have it.
pub(crate) fn time(moment: DateTime<Utc>) -> Json {
    Json::from(moment.to_rfc3339_opts(SecondsFormat::Nanos, true))
}

pub(crate) fn moment(value: &Json) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.to_utc())
}
