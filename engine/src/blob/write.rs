//! `%blob write`: a frame to files.

use std::collections::HashSet;
use std::io::BufWriter;

use chrono::{DateTime, Utc};
use huntbook_azure::export_layout::{container, time_folder, workspace_folder};
use huntbook_kql::KqlType;
use huntbook_wire::SourceFormat;
use polars::prelude::*;

use super::place::{Place, format_of};
use super::progress::grouped;
use super::sink::{Sink, failed};
use super::stores::{Access, Remote};
use crate::{Engine, Error, Result, query, table};

const TIME: &str = "TimeGenerated";
/// What Hive calls a null in the name of a folder.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// How a frame becomes files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteOptions {
    /// By the ending where it is not given; Parquet in folders
    pub format: Option<SourceFormat>,
    /// One folder `COLUMN=VALUE` for each value of these columns, which the files have, too
    pub partition_by: Vec<String>,
    /// Table and workspace of an export: five-minute folders of JSON lines, by TimeGenerated
    pub export: Option<(String, String)>,
    pub overwrite: bool,
    pub access: Access,
}

impl Engine {
    /// Writes the rows to a file, or to files in a folder where they are to be partitioned. Gives what was written.
    /// Each file is visible when it is whole.
    ///
    /// Errors: files that exist, unless they are to be overwritten; a format that cannot be told; columns that are not
    /// there or cannot be in the format.
    pub fn blob_write(&self, frame: &DataFrame, location: &str, options: &WriteOptions) -> Result<String> {
        let place = self.blob_place(location, &options.access)?;
        let files = match &options.export {
            Some((table, workspace)) => export_files(frame, &place, table, workspace)?,
            None if options.partition_by.is_empty() => {
                let format =
                    told(options.format.or_else(|| format_of(location.split('?').next().unwrap_or_default())))?;
                vec![Target { place, rows: frame.clone(), format }]
            }
            None => partitioned(frame, &place, &options.partition_by, options.format.unwrap_or(SourceFormat::Parquet))?,
        };
        let (count, rows) = (files.len(), frame.height());
        let first = files.first().map(|file| file.place.name()).unwrap_or_default();
        for file in files {
            self.write_file(file, options.overwrite)?;
        }
        let files = if count == 1 { first } else { format!("{} files, the first is {first}", grouped(count as u64)) };
        Ok(format!("{} rows written to {files}", grouped(rows as u64)))
    }

    fn write_file(&self, file: Target, overwrite: bool) -> Result<()> {
        let Target { place, mut rows, format } = file;
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let name = place.name();
        let mut sink = BufWriter::with_capacity(1 << 20, Sink::create(&place, None, overwrite, &self.cancel)?);
        let types = kql_types(&rows);
        let written = match format {
            SourceFormat::Parquet => ParquetWriter::new(&mut sink).finish(&mut rows).map(drop).map_err(Error::from),
            SourceFormat::JsonLines => query::write_json(&rows, &types, &mut sink),
            SourceFormat::Csv => query::write_separated(&rows, &types, b',', &mut sink),
            SourceFormat::Tsv => query::write_separated(&rows, &types, b'\t', &mut sink),
        };
        // An interrupt or a refusal comes through polars as its own kind of error.
        written.map_err(|error| if self.cancel.is_cancelled() { Error::cancelled() } else { error })?;
        let sink = sink.into_inner().map_err(|error| failed(error.into_error(), &name))?;
        sink.finish()
    }
}

struct Target {
    place: Place,
    rows: DataFrame,
    format: SourceFormat,
}

fn told(format: Option<SourceFormat>) -> Result<SourceFormat> {
    format.ok_or_else(|| {
        Error::new("BlobError", "which format? End the name in .parquet, .jsonl, .csv or .tsv, or add --format")
    })
}

fn kql_types(frame: &DataFrame) -> Vec<KqlType> {
    let kql_type = |column: &Column| KqlType::from_name(&table::type_name(column.dtype())).unwrap_or(KqlType::String);
    frame.columns().iter().map(kql_type).collect()
}

fn below(place: &Place, path: &str) -> Place {
    match place {
        Place::Local(folder) => Place::Local(folder.join(path)),
        Place::Remote(remote) => {
            let folder = remote.path.trim_end_matches('/');
            let path = if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
            Place::Remote(Remote { path, ..remote.clone() })
        }
    }
}

/// `COLUMN=VALUE/.../part-0.parquet`
fn partitioned(frame: &DataFrame, place: &Place, by: &[String], format: SourceFormat) -> Result<Vec<Target>> {
    let names: HashSet<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
    if let Some(missing) = by.iter().find(|name| !names.contains(name.as_str())) {
        return Err(Error::new("BlobError", format!("the frame has no column `{missing}` to partition by")));
    }
    let ending = match format {
        SourceFormat::Parquet => "parquet",
        SourceFormat::JsonLines => "jsonl",
        SourceFormat::Csv => "csv",
        SourceFormat::Tsv => "tsv",
    };
    let parts = frame.partition_by_stable(by.iter().map(String::as_str), true)?;
    let types = kql_types(frame);
    parts
        .into_iter()
        .map(|part| {
            let mut path = String::new();
            for name in by {
                let at = frame.try_get_column_index(name)?;
                let value = huntbook_kql::batch::text(&part.column(name)?.get(0)?, types[at]);
                let value = value.map_or(NULL_FOLDER.to_owned(), |value| folder_text(&value));
                path.push_str(&format!("{}={value}/", folder_text(name)));
            }
            Ok(Target { place: below(place, &format!("{path}part-0.{ending}")), rows: part, format })
        })
        .collect()
}

/// As Hive and Spark write values into names of folders: what a path cannot hold is percent-encoded.
fn folder_text(text: &str) -> String {
    let plain =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | ' ' | ':' | '@' | ',' | '+');
    let mut out = String::new();
    for letter in text.chars() {
        if plain(letter) {
            out.push(letter);
        } else {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        }
    }
    // A segment of dots would be another folder.
    if out.bytes().all(|byte| byte == b'.') { out.replace('.', "%2E") } else { out }
}

/// `WorkspaceResourceId=/.../y=2026/m=11/d=20/h=23/m=55/PT05M.json`, in the container of the table.
fn export_files(frame: &DataFrame, place: &Place, table: &str, workspace: &str) -> Result<Vec<Target>> {
    if !workspace.contains('/') {
        return Err(Error::new(
            "BlobError",
            "--workspace needs the resource id, /subscriptions/.../workspaces/NAME: it is the folder of the export",
        ));
    }
    let times = frame.column(TIME).ok().filter(|column| column.dtype().is_datetime()).ok_or_else(|| {
        Error::new("BlobError", format!("an export is laid out by {TIME}: the frame needs that column, as datetime"))
    })?;
    let times = times.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
    let folders = times.datetime()?.physical().iter().enumerate().map(|(row, micros)| {
        let time = micros.and_then(DateTime::<Utc>::from_timestamp_micros);
        time.map(time_folder).ok_or_else(|| Error::new("BlobError", format!("row {} has no {TIME}", row + 1)))
    });
    let folders = folders.collect::<Result<Vec<String>>>()?;
    let root = match place {
        Place::Remote(remote) if remote.container.is_empty() => {
            Place::Remote(Remote { container: container(table), ..remote.clone() })
        }
        Place::Remote(remote) => Place::Remote(remote.clone()),
        Place::Local(folder) => Place::Local(folder.join(container(table))),
    };
    let mut by_folder = frame.clone();
    by_folder.with_column(Column::new("$folder".into(), folders))?;
    let parts = by_folder.partition_by_stable(["$folder"], true)?;
    parts
        .into_iter()
        .map(|part| {
            let folder = part.column("$folder")?.str()?.get(0).unwrap_or_default().to_owned();
            let path = format!("{}{folder}PT05M.json", workspace_folder(workspace));
            let rows = part.drop("$folder")?;
            Ok(Target { place: below(&root, &path), rows, format: SourceFormat::JsonLines })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_names_of_folders_that_stay_where_they_are() {
        for (value, wanted) in
            [("a b", "a b"), ("../x", "..%2Fx"), ("..", "%2E%2E"), ("CORP\\é", "CORP%5Cé"), ("a=b", "a%3Db"), ("", "")]
        {
            assert_eq!(folder_text(value), wanted, "{value}");
        }
    }
}
