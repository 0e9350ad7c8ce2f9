//! Bookmarks: rows of a hunt, kept with the query that finds them again.

use chrono::{DateTime, Utc};
use huntbook_kql::{KqlTable, KqlType, batch};
use polars::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::incidents::DRY_RUN;
use super::place::Place;
use super::problems::{filled, placeholders};
use super::record::LATEST;
use super::store::{HUNTING_BOOKMARK, Row, SECURITY_INCIDENT, time};
use super::{in_kql_types, sentinel_error};
use crate::{Engine, Error, Result};

/// A bookmark keeps one row, so that a frame of thousands is a slip.
const MAX_ROWS: usize = 100;
const TIME: &str = "TimeGenerated";

/// What a bookmark says besides its row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewBookmark {
    /// `{{Column}}` stands for the value of the row
    pub title: String,
    pub notes: String,
    pub labels: Vec<String>,
    /// The query that found the row; a `print` of the row where there is none
    pub query: Option<String>,
    /// Number or name of an incident that the bookmarks go into
    pub incident: Option<String>,
}

/// A bookmark of one row.
struct Bookmark {
    id: String,
    title: String,
    query: String,
    row: Map<String, Json>,
    event_time: Option<DateTime<Utc>>,
}

impl Engine {
    /// Bookmarks the rows of a frame, one bookmark each, or with `commit` false only says so.
    pub fn bookmark(&self, place: &Place, frame: &DataFrame, new: &NewBookmark, commit: bool) -> Result<String> {
        if frame.height() == 0 {
            return Err(sentinel_error("the frame has no rows: there is nothing to bookmark"));
        }
        if frame.height() > MAX_ROWS {
            return Err(sentinel_error(format!(
                "the frame has {} rows, and each would be a bookmark of its own: keep the {MAX_ROWS} that matter, as in `%kql top << hits | top 5 by score`",
                frame.height()
            )));
        }
        if new.title.trim().is_empty() {
            return Err(sentinel_error("a bookmark needs a title: --title \"...\""));
        }
        let rows = in_kql_types(frame)?;
        let bookmarks = (0..frame.height()).map(|row| bookmark(&rows, row, new)).collect::<Result<Vec<_>>>()?;
        let incident = new.incident.as_deref().map(|id| self.incident(place, id)).transpose()?;
        let mut lines = vec![format!("{} bookmark(s) in the {place}:", bookmarks.len())];
        lines.extend(bookmarks.iter().map(|bookmark| format!("  + {}", bookmark.title)));
        if let Some(incident) = &incident {
            lines.push(format!("in incident {} \"{}\"", incident.number, incident.title));
        }
        if !commit {
            lines.push(DRY_RUN.to_owned());
            return Ok(lines.join("\n"));
        }
        match place {
            Place::Local => {
                let now = Utc::now();
                let rows: Vec<Row> = bookmarks.iter().map(|bookmark| row_of(bookmark, new, now)).collect();
                self.log(&HUNTING_BOOKMARK, &rows)?;
                if let Some(incident) = &incident {
                    self.add_to_incident(&incident.name, &bookmarks, now)?;
                }
            }
            Place::Service(service) => {
                for bookmark in &bookmarks {
                    let path = format!("bookmarks/{}", bookmark.id);
                    service.put(&path, &json!({"properties": properties(bookmark, new)}))?;
                    if let Some(incident) = &incident {
                        let relation = format!("incidents/{}/relations/{}", incident.name, uuid::Uuid::new_v4());
                        service.put(&relation, &json!({"properties": {"relatedResourceId": service.id(&path)}}))?;
                    }
                }
            }
        }
        lines.push("Done.".to_owned());
        Ok(lines.join("\n"))
    }

    fn add_to_incident(&self, name: &str, bookmarks: &[Bookmark], now: DateTime<Utc>) -> Result<()> {
        let query = format!("{LATEST} | where IncidentName == {}", Json::from(name));
        let Some(mut row) = self.logged(&SECURITY_INCIDENT, &query)?.into_iter().next() else { return Ok(()) };
        let mut ids = row.get("BookmarkIds").and_then(Json::as_array).cloned().unwrap_or_default();
        ids.extend(bookmarks.iter().map(|bookmark| json!(bookmark.id)));
        row.insert("BookmarkIds".into(), Json::Array(ids));
        row.insert("TimeGenerated".into(), time(now));
        row.insert("LastModifiedTime".into(), time(now));
        self.log(&SECURITY_INCIDENT, &[row])
    }
}

fn bookmark(rows: &KqlTable, row: usize, new: &NewBookmark) -> Result<Bookmark> {
    let mut values = Map::new();
    let mut literals = Vec::new();
    let mut event_time = None;
    for (column, known) in rows.frame.columns().iter().zip(&rows.schema) {
        let kql_type = known.kql_type;
        let value = batch::cell(&column.get(row)?, kql_type);
        if column.name() == TIME {
            event_time = super::store::moment(&value);
        }
        literals.push(format!("['{}'] = {}", quoted(column.name()), literal(&value, kql_type)));
        values.insert(column.name().to_string(), value);
    }
    let title = titled(&new.title, &values)?;
    let query = new.query.clone().unwrap_or_else(|| format!("print {}", literals.join(", ")));
    Ok(Bookmark { id: uuid::Uuid::new_v4().to_string(), title, query, row: values, event_time })
}

/// The title with the values of the row.
fn titled(title: &str, row: &Map<String, Json>) -> Result<String> {
    if let Some(column) = placeholders(title).into_iter().find(|column| !row.contains_key(*column)) {
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let message = format!("the title names the column `{column}`; the frame has: {}", names.join(", "));
        return Err(Error::new("ColumnError", message));
    }
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(filled(title, |column| row.get(column).map(text).unwrap_or_default()))
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// A value as a KQL literal of its type.
fn literal(value: &Json, kql_type: KqlType) -> String {
    match (value, kql_type) {
        (Json::Null, KqlType::String) => "''".to_owned(),
        (Json::Null, _) => format!("{kql_type}(null)"),
        (Json::String(text), KqlType::String) => {
            format!("'{}'", quoted(text).replace('\n', "\\n").replace('\r', "\\r"))
        }
        (Json::String(text), KqlType::Datetime | KqlType::Guid | KqlType::Decimal) => format!("{kql_type}({text})"),
        (Json::String(text), KqlType::Timespan) => format!("totimespan('{text}')"),
        // NaN and the infinities are text in JSON.
        (Json::String(text), KqlType::Real) => match text.as_str() {
            "Infinity" => "real(+inf)".to_owned(),
            "-Infinity" => "real(-inf)".to_owned(),
            _ => "real(nan)".to_owned(),
        },
        (Json::Number(number), KqlType::Int | KqlType::Long | KqlType::Real) => format!("{kql_type}({number})"),
        (Json::Bool(flag), _) => flag.to_string(),
        (other, _) => format!("dynamic({other})"),
    }
}

fn row_of(bookmark: &Bookmark, new: &NewBookmark, now: DateTime<Utc>) -> Row {
    let row = json!({
        "TimeGenerated": time(now),
        "BookmarkId": bookmark.id,
        "BookmarkName": bookmark.title,
        "CreatedTime": time(now),
        "LastUpdatedTime": time(now),
        "EventTime": bookmark.event_time.map(time),
        "QueryText": bookmark.query,
        "QueryResultRow": Json::Object(bookmark.row.clone()).to_string(),
        "Notes": new.notes,
        "Tags": json!(new.labels).to_string(),
        "SoftDeleted": false,
    });
    row.as_object().cloned().unwrap_or_default()
}

fn properties(bookmark: &Bookmark, new: &NewBookmark) -> Json {
    let mut properties = json!({
        "displayName": bookmark.title,
        "query": bookmark.query,
        "queryResult": Json::Object(bookmark.row.clone()).to_string(),
        "notes": new.notes,
        "labels": new.labels,
    });
    if let Some(moment) = bookmark.event_time {
        properties["eventTime"] = time(moment);
    }
    properties
}
