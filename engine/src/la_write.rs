//! Rows into custom tables: of the local workspace, or of Log Analytics.

mod diff;
mod encode;
mod local;
mod report;

use huntbook_azure::custom_table;
use huntbook_azure::data_collector::{DataCollector, LogType, UploadOptions};
use huntbook_azure::ingestion::{LogsIngestion, Target, UploadReport};
use huntbook_azure::run;
use huntbook_wire::WriteOptions;
use polars::prelude::*;

use self::encode::Encoder;
use crate::connections::Place;
use crate::connections::definition::{Definition, Kind, Origin};
use crate::connections::remote::config_error;
use crate::frames::{Tags, column_names};
use crate::{CancelToken, Engine, Error, Result};

/// Where rows go, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteRequest {
    /// With or without `_CL`
    pub table: String,
    /// A connection; `None` with nothing else below: the local workspace
    pub connection: Option<String>,
    /// Data collection endpoint, or the rule's own
    pub dce: Option<String>,
    /// Immutable id of the data collection rule
    pub dcr: Option<String>,
    pub stream: Option<String>,
    /// HTTP Data Collector API
    pub legacy: bool,
    pub dry_run: bool,
    /// A service is written to only so.
    pub confirmed: bool,
}

impl WriteRequest {
    /// Code that calls a function means it: there is nobody to confirm it.
    pub(crate) fn of_cell(table: String, options: WriteOptions) -> WriteRequest {
        let WriteOptions { connection, dce, dcr, stream, legacy, dry_run } = options;
        WriteRequest { table, connection, dce, dcr, stream, legacy, dry_run, confirmed: true }
    }

    fn is_local(&self) -> bool {
        self.connection.as_deref().is_none_or(|name| name == "local")
            && self.dce.is_none()
            && self.dcr.is_none()
            && !self.legacy
    }
}

/// A service that takes the rows.
enum Writer {
    Ingestion { client: LogsIngestion, target: Target },
    Collector { client: DataCollector, log_type: LogType },
}

impl Engine {
    /// Writes the frame bound to a name.
    ///
    /// Errors: as [`Engine::write_frame`], and a name that no frame has.
    pub fn write_named(&self, name: &str, request: &WriteRequest) -> Result<String> {
        let frame = self.named_frame(name)?;
        let tags = self.binding(name).map(|id| self.state().frames.tags(id)).unwrap_or_default();
        self.write_frame(&frame, &tags, request)
    }

    /// Appends rows to a custom table and says what was accepted. A dry run says what would be written.
    ///
    /// Errors: names and types that the service does not take, which are found before anything is written; a service
    /// that is not told to be written to by `confirmed`; rows that were not accepted, with an account of all rows.
    pub(crate) fn write_frame(&self, frame: &DataFrame, tags: &Tags, request: &WriteRequest) -> Result<String> {
        let full_name = custom_table::full_name(&request.table)?;
        custom_table::check_columns(frame.get_column_names().iter().map(|name| name.as_str()))?;
        if frame.width() == 0 {
            return Err(wrong("the frame has no columns: there is nothing to write"));
        }
        if request.is_local() {
            if !request.dry_run {
                return self.append_locally(frame, tags, &full_name);
            }
            let known = self.local_columns(&full_name)?;
            let columns = self.columns_of(frame, tags);
            return diff::report(&columns, Some(&known), &full_name, "the local workspace");
        }
        self.write_to_service(frame, tags, request, &full_name)
    }

    fn write_to_service(&self, frame: &DataFrame, tags: &Tags, request: &WriteRequest, table: &str) -> Result<String> {
        let definition = self.writing(request)?;
        let (writer, place) = self.writer(&definition, request, table)?;
        let rows = local::with_time(frame)?;
        let rows = match writer {
            Writer::Collector { .. } => local::with_time_renamed(rows)?,
            Writer::Ingestion { .. } => rows,
        };
        let columns = self.columns_of(&rows, tags);
        // The collector makes columns of its own, with the type in their name.
        let known = if request.legacy { None } else { self.remote_columns(&definition, table) };
        let mut plan = diff::report(&columns, known.as_deref(), table, &place)?;
        let types: Vec<_> = columns.iter().map(|(_, kind)| *kind).collect();
        let encoder = Encoder::new(&rows, &types)?;
        let would = match writer {
            Writer::Ingestion { .. } => LogsIngestion::dry_run(encoder.lines()),
            Writer::Collector { .. } => DataCollector::dry_run(encoder.lines()),
        };
        plan.push_str(&report::plan(&would, &encoder.lost_reals, request.legacy));
        if request.dry_run {
            return Ok(format!("{plan}\nNothing was written: this is a dry run."));
        }
        if !request.confirmed {
            return Err(wrong(format!("{plan}\nNothing was written: add --yes to write, or --dry-run to only look")));
        }
        let done = upload(&writer, &encoder, &self.cancel_token())?;
        report::outcome(&done, &plan, &place)
    }

    /// The connection that says how to write: the named one, the current one, or only what the request says.
    fn writing(&self, request: &WriteRequest) -> Result<Definition> {
        let place = match &request.connection {
            Some(name) => self.place(Some(name))?,
            None => self.place(None)?,
        };
        let mut definition = match place {
            Place::Remote(connection) => connection.definition.clone(),
            _ if request.connection.is_some() => {
                return Err(wrong(
                    "this connection is a folder of this machine: `%la_write` writes to the local workspace without --conn",
                ));
            }
            _ => Definition::new("la_write", Kind::LogAnalytics, Origin::Notebook),
        };
        for (key, value) in [("dce", &request.dce), ("dcr", &request.dcr), ("stream", &request.stream)] {
            if let Some(value) = value {
                definition.set(key, value.clone())?;
                // An address of a cell is no address of the configuration.
                if key == "dce" {
                    definition.origin = Origin::Notebook;
                }
            }
        }
        Ok(definition)
    }

    fn writer(&self, definition: &Definition, request: &WriteRequest, table: &str) -> Result<(Writer, String)> {
        let means = self.means(definition)?;
        let missing = |what: &str| wrong(format!("writing to `{}` needs {what}", definition.name));
        if request.legacy {
            let workspace = definition.get("workspace").ok_or_else(|| missing("`workspace` in its connection"))?;
            let key = definition
                .secret("shared_key")
                .ok_or_else(|| missing("`shared_key` in its connection: the workspace's primary key"))?;
            let key = self.resolved(key, &means.transport, means.cloud, definition)?;
            let client = match definition.get("collector_endpoint") {
                Some(address) => {
                    DataCollector::at(means.transport.clone(), means.endpoint(definition, address)?, workspace, key)
                }
                None => DataCollector::new(means.transport.clone(), means.cloud, workspace, key),
            };
            let name = table.trim_end_matches(custom_table::SUFFIX);
            let log_type = LogType::new(name, Some(local::RENAMED_TIME)).map_err(config_error)?;
            let place = format!("workspace {workspace} by the Data Collector API");
            return Ok((Writer::Collector { client: client.map_err(config_error)?, log_type }, place));
        }
        let dce = definition
            .get("dce")
            .ok_or_else(|| missing("a data collection endpoint: --dce URL, or `dce` in its connection"))?;
        let dcr = definition
            .get("dcr")
            .ok_or_else(|| missing("a data collection rule: --dcr dcr-..., or `dcr` in its connection"))?;
        let usual = format!("Custom-{table}");
        let stream = definition.get("stream").unwrap_or(&usual);
        let endpoint = means.endpoint(definition, dce)?;
        let place = format!("stream {stream} of {dcr} at {}", endpoint.host());
        let client = LogsIngestion::new(means.transport.clone(), endpoint, means.cloud, means.auth.clone());
        let target = Target::new(dcr, stream).map_err(config_error)?;
        Ok((Writer::Ingestion { client, target }, place))
    }

    /// The columns of the table, if the connection can also be asked for them.
    fn remote_columns(&self, definition: &Definition, table: &str) -> Option<diff::Columns> {
        if definition.kind != Kind::LogAnalytics || definition.complete().is_err() {
            return None;
        }
        let connection = self.connection(&definition.name).ok().flatten()?;
        // Read anew: the last write may have changed it.
        self.read_schema(&connection, connection.client.as_ref()?).ok()?;
        let schema = connection.schema()?;
        let columns = huntbook_kql::Catalog::schema(schema.as_ref(), table);
        let column = |column: &huntbook_kql::Column| (column.name.clone(), column.kql_type);
        Some(columns.iter().flat_map(|columns| columns.iter()).map(column).collect())
    }

    fn local_columns(&self, table: &str) -> Result<diff::Columns> {
        let schema = self.workspace().schema(table)?;
        let kind = |column: &huntbook_workspace::ColumnSchema| {
            huntbook_kql::KqlType::from_name(column.column_type.name()).unwrap_or(huntbook_kql::KqlType::String)
        };
        let columns = schema.iter().flat_map(|schema| &schema.columns);
        Ok(columns.map(|column| (column.name.clone(), kind(column))).collect())
    }

    fn columns_of(&self, frame: &DataFrame, tags: &Tags) -> diff::Columns {
        let names = column_names(frame).map(str::to_owned);
        names.zip(self.kql_types(frame, tags)).collect()
    }
}

/// Sends all rows. An interrupt lets what is on its way arrive, so that the account is exact.
fn upload(writer: &Writer, encoder: &Encoder<'_>, cancel: &CancelToken) -> Result<UploadReport> {
    let stop = || cancel.is_cancelled();
    let options = UploadOptions { stop: &stop, ..UploadOptions::default() };
    let never = || false;
    let report = match writer {
        Writer::Ingestion { client, target } => {
            run(&never, async { Ok(client.upload(target, encoder.lines(), &options).await) })
        }
        Writer::Collector { client, log_type } => {
            run(&never, async { Ok(client.upload(log_type, encoder.lines(), &options).await) })
        }
    };
    report.map_err(config_error)
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new("LaWriteError", message)
}
