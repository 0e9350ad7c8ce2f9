//! Kusto's management commands over the workspace.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Shared;
use super::answers::v1_table;
use super::auth::Caller;
use super::commands::{self, Command, Misread};
use super::kusto::{Asked, check_database};
use super::records;
use super::reply::{Dialect, Refusal, Reply, failed_query};
use super::service::{Mistake, QueryFailure};
use crate::{ColumnSchema, ColumnType, TableSchema, WorkspaceError};

/// `POST /v1/rest/mgmt`
pub(crate) async fn command(shared: &Arc<Shared>, caller: Caller, body: &[u8]) -> Result<Reply, Refusal> {
    let (_, text) = Asked::read(shared, body)?;
    let command = commands::parse(&text).map_err(|misread| syntax(&text, misread))?;
    if command.writes() && caller == Caller::Anonymous {
        return Err(super::auth::Stranger::Missing.kusto());
    }
    let table = run(shared, command).await?;
    Ok(Reply::json(axum::http::StatusCode::OK, &json!({"Tables": [table]})))
}

async fn run(shared: &Arc<Shared>, command: Command) -> Result<Value, Refusal> {
    let database = shared.database.as_str();
    Ok(match command {
        Command::ShowDatabases => v1_table(
            0,
            &[
                ("DatabaseName", "string"),
                ("PersistentStorage", "string"),
                ("Version", "string"),
                ("IsCurrent", "bool"),
                ("DatabaseAccessMode", "string"),
                ("PrettyName", "string"),
                ("ReservedSlot1", "bool"),
                ("DatabaseId", "guid"),
                ("InTransitionTo", "string"),
            ],
            vec![json!([database, "", "v1.0", false, "ReadWrite", database, null, shared.workspace_id, ""])],
        ),
        Command::ShowTables { details: false } => {
            let columns =
                [("TableName", "string"), ("DatabaseName", "string"), ("Folder", "string"), ("DocString", "string")];
            let rows = names(shared)?.iter().map(|name| json!([name, database, "", ""])).collect();
            v1_table(0, &columns, rows)
        }
        Command::ShowTables { details: true } => table_details(shared)?,
        Command::ShowTableSchema { table, json } => {
            let schema = existing(shared, &table)?;
            let columns = [
                ("TableName", "string"),
                ("Schema", "string"),
                ("DatabaseName", "string"),
                ("Folder", "string"),
                ("DocString", "string"),
            ];
            let text = if json { table_json(&table, &schema).to_string() } else { csl(&schema) };
            v1_table(0, &columns, vec![json!([table, text, database, "", ""])])
        }
        Command::ShowSchema { database: asked, json } => {
            check_database(shared, asked.as_deref().unwrap_or_default())?;
            if json { schema_json(shared)? } else { schema_rows(shared)? }
        }
        Command::ShowVersion => v1_table(
            0,
            &[
                ("BuildVersion", "string"),
                ("BuildTime", "datetime"),
                ("ServiceType", "string"),
                ("ProductVersion", "string"),
                ("ServiceOffering", "string"),
            ],
            vec![json!([
                env!("CARGO_PKG_VERSION"),
                "2026-01-01T00:00:00.0000000Z",
                "Engine",
                concat!("huntbook ", env!("CARGO_PKG_VERSION")),
                "{\"Type\":\"Local\"}"
            ])],
        ),
        Command::ShowFunctions => {
            let columns = [
                ("Name", "string"),
                ("Parameters", "string"),
                ("Body", "string"),
                ("Folder", "string"),
                ("DocString", "string"),
            ];
            let rows = shared.service.functions().into_iter().map(|(name, text)| json!([name, "", text, "", ""]));
            v1_table(0, &columns, rows.collect())
        }
        Command::ShowCluster => v1_table(
            0,
            &[
                ("NodeId", "string"),
                ("Address", "string"),
                ("Name", "string"),
                ("StartTime", "datetime"),
                ("IsAdmin", "bool"),
                ("MachineTotalMemory", "long"),
                ("MachineAvailableMemory", "long"),
                ("ProcessorCount", "int"),
            ],
            vec![json!([
                "local",
                shared.url,
                "huntbook",
                shared.started,
                true,
                null,
                null,
                std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
            ])],
        ),
        Command::CreateTable { table, columns, merge } => create(shared, table, columns, merge).await?,
        Command::DropTable { table, if_exists } => {
            let (workspace, name) = (shared.workspace.clone(), table.clone());
            let dropped = blocking(move || workspace.drop_table(&name)).await?;
            if !dropped && !if_exists {
                return Err(no_table(&table));
            }
            let rows = names(shared)?.iter().map(|name| json!([name, database, "", ""])).collect();
            let columns =
                [("TableName", "string"), ("DatabaseName", "string"), ("Folder", "string"), ("DocString", "string")];
            v1_table(0, &columns, rows)
        }
        Command::IngestInline { table, data } => {
            let schema = existing(shared, &table)?;
            let records = records::of_csv(&data, &schema.columns).map_err(Refusal::bad_argument)?;
            let rows = records.frame.height();
            super::ingestion::store(shared, &table, records)
                .await
                .map_err(|refusal| Refusal { code: "BadArgumentError", ..refusal })?;
            v1_table(
                0,
                &[
                    ("ExtentId", "guid"),
                    ("ItemLoaded", "string"),
                    ("Duration", "timespan"),
                    ("HasErrors", "bool"),
                    ("OperationId", "guid"),
                    ("RowCount", "long"),
                ],
                vec![json!([uuid::Uuid::new_v4(), "inproc:inline", "00:00:00", false, uuid::Uuid::new_v4(), rows])],
            )
        }
    })
}

async fn create(
    shared: &Arc<Shared>,
    table: String,
    columns: Vec<(String, ColumnType)>,
    merge: bool,
) -> Result<Value, Refusal> {
    let known = shared.workspace.schema(&table).map_err(wrong_table)?.is_some();
    if known && !merge {
        return Err(Refusal::bad_argument(format!("Entity '{table}' of kind 'Table' already exists.")));
    }
    let columns = columns.into_iter().map(|(name, column_type)| ColumnSchema { name, column_type }).collect();
    let (workspace, name) = (shared.workspace.clone(), table.clone());
    blocking(move || workspace.declare(&name, columns)).await?;
    let schema = existing(shared, &table)?;
    let heads = [
        ("TableName", "string"),
        ("Schema", "string"),
        ("DatabaseName", "string"),
        ("Folder", "string"),
        ("DocString", "string"),
    ];
    Ok(v1_table(0, &heads, vec![json!([table, table_json(&table, &schema).to_string(), shared.database, "", ""])]))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(wrong_table),
        Err(_) => Err(Refusal::crashed()),
    }
}

fn wrong_table(error: WorkspaceError) -> Refusal {
    match error {
        WorkspaceError::Name { .. } | WorkspaceError::ColumnType { .. } => Refusal::bad_argument(error.to_string()),
        _ => Refusal::storage(error.to_string()),
    }
}

fn names(shared: &Shared) -> Result<Vec<String>, Refusal> {
    shared.workspace.table_names().map_err(wrong_table)
}

pub(crate) fn existing(shared: &Shared, table: &str) -> Result<TableSchema, Refusal> {
    shared.workspace.schema(table).map_err(wrong_table)?.ok_or_else(|| no_table(table))
}

fn no_table(table: &str) -> Refusal {
    let message = format!("Entity ID '{table}' of kind 'Table' was not found.");
    Refusal::new(axum::http::StatusCode::BAD_REQUEST, "BadRequest_EntityNotFound", message)
}

fn table_details(shared: &Shared) -> Result<Value, Refusal> {
    let columns = [
        ("TableName", "string"),
        ("DatabaseName", "string"),
        ("Folder", "string"),
        ("DocString", "string"),
        ("TotalExtents", "long"),
        ("TotalExtentSize", "real"),
        ("TotalRowCount", "long"),
    ];
    let mut rows = Vec::new();
    for name in names(shared)? {
        let size = shared.workspace.size(&name).map_err(wrong_table)?;
        rows.push(json!([name, shared.database, "", "", size.segments, size.bytes as f64, size.rows]));
    }
    Ok(v1_table(0, &columns, rows))
}

/// `a:string,b:long`
fn csl(schema: &TableSchema) -> String {
    let column = |column: &ColumnSchema| format!("{}:{}", column.name, column.column_type.name());
    schema.columns.iter().map(column).collect::<Vec<_>>().join(",")
}

fn table_json(name: &str, schema: &TableSchema) -> Value {
    let column = |column: &ColumnSchema| json!({"Name": column.name, "Type": dotnet(column.column_type), "CslType": column.column_type.name()});
    let columns: Vec<Value> = schema.columns.iter().map(column).collect();
    json!({"Name": name, "Folder": "", "DocString": "", "OrderedColumns": columns})
}

fn schema_rows(shared: &Shared) -> Result<Value, Refusal> {
    let database = shared.database.as_str();
    let mut rows = vec![json!([database, "", "", "", false, false, database, "v1.0", "", ""])];
    for (table, schema) in shared.schemas().map_err(wrong_table)? {
        rows.push(json!([database, table, "", "", false, false, "", "", "", ""]));
        for column in &schema.columns {
            let kind = dotnet(column.column_type);
            rows.push(json!([database, table, column.name, kind, false, false, "", "", "", ""]));
        }
    }
    let columns = [
        ("DatabaseName", "string"),
        ("TableName", "string"),
        ("ColumnName", "string"),
        ("ColumnType", "string"),
        ("IsDefaultTable", "bool"),
        ("IsDefaultColumn", "bool"),
        ("PrettyName", "string"),
        ("Version", "string"),
        ("Folder", "string"),
        ("DocString", "string"),
    ];
    Ok(v1_table(0, &columns, rows))
}

fn schema_json(shared: &Shared) -> Result<Value, Refusal> {
    let tables: serde_json::Map<String, Value> = shared
        .schemas()
        .map_err(wrong_table)?
        .iter()
        .map(|(name, schema)| (name.clone(), table_json(name, schema)))
        .collect();
    let function = |(name, text): (String, String)| {
        let function = json!({"Name": name, "InputParameters": [], "Body": text, "Folder": "", "DocString": ""});
        (name, function)
    };
    let functions: serde_json::Map<String, Value> = shared.service.functions().into_iter().map(function).collect();
    let database = json!({
        "Name": shared.database,
        "Tables": tables,
        "ExternalTables": {},
        "MaterializedViews": {},
        "EntityGroups": {},
        "MajorVersion": 1,
        "MinorVersion": 0,
        "Functions": functions,
        "DatabaseAccessMode": "ReadWrite",
        "PrettyName": shared.database,
    });
    let mut databases = serde_json::Map::new();
    databases.insert(shared.database.clone(), database);
    let text = json!({"Plugins": [], "Databases": databases}).to_string();
    Ok(v1_table(0, &[("DatabaseSchema", "string")], vec![json!([text])]))
}

fn dotnet(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bool => "System.SByte",
        ColumnType::Int => "System.Int32",
        ColumnType::Long => "System.Int64",
        ColumnType::Real => "System.Double",
        ColumnType::String => "System.String",
        ColumnType::Datetime => "System.DateTime",
        ColumnType::Timespan => "System.TimeSpan",
        ColumnType::Dynamic => "System.Object",
        ColumnType::Guid => "System.Guid",
    }
}

fn syntax(text: &str, misread: Misread) -> Refusal {
    let before = &text[..misread.at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let position = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let message = format!("Query could not be parsed at '{}' on line [{line},{position}]", misread.token);
    let mistake = Mistake { code: "SYN0002".to_owned(), message, line, position, token: misread.token };
    failed_query(Dialect::Kusto, QueryFailure::Syntax(mistake))
}
