//! What a KQL query can name: frames first, then attached files, then what the workspace folder holds.
//!
//! ```text
//! WORKSPACE/tables/T/             tables
//! WORKSPACE/functions/**/*.kql    functions, ASIM parsers as YAML among them
//! WORKSPACE/watchlists/x.csv      _GetWatchlist('x')
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use huntbook_kql::catalogs::{FileFormat, Files, Layered, Watchlists};
use huntbook_kql::{Catalog, Engine as KqlEngine, KqlType, Limits, Literal as KqlLiteral, QueryError, Stopped};
use huntbook_workspace::{ColumnType, TableSchema, Workspace};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame};

use crate::connections::Place;
use crate::connections::cache::{Cache, Cached};
use crate::connections::request::Provenance;
use crate::frames::{self, Tags};
use crate::functions::Functions;
use crate::in_range::InRange;
use crate::time_range::TimeRange;
use crate::{Engine, Error, QueryAnswer, Result};

/// What queries can name besides frames and the workspace's tables.
#[derive(Default)]
pub(crate) struct Attached {
    files: Files,
    functions: Vec<Arc<Functions>>,
    watchlists: Vec<PathBuf>,
    parameters: Vec<(String, KqlLiteral)>,
    limits: Limits,
}

impl Engine {
    /// Runs a query over everything a query on this machine can name.
    pub(crate) fn kql_on(&self, query: &str, piped_input: Option<LazyFrame>) -> Result<QueryAnswer> {
        let mut engine = self.kql_engine()?;
        if let Some(frame) = piped_input {
            engine = engine.with_piped_input(frame);
        }
        self.run_local(engine, query.to_owned())
    }

    pub(crate) fn run_local(&self, engine: KqlEngine, query: String) -> Result<QueryAnswer> {
        let workspace = self.workspace.clone();
        self.cancel.run(move |token| {
            let result = engine.with_cancel_token(token).run(&query).map_err(|error| match error {
                // A query that was right but could not read its rows: say which file is damaged.
                QueryError::Execution(_) => damage(&workspace, &query).unwrap_or_else(|| kql_error(&error, &query)),
                _ => kql_error(&error, &query),
            })?;
            let provenance = Provenance {
                connection: "local workspace".to_owned(),
                is_local: true,
                rows: result.frame.height(),
                ..Provenance::default()
            };
            Ok(QueryAnswer {
                frame: Arc::new(result.frame),
                types: result.schema.iter().map(|column| column.kql_type.to_string()).collect(),
                render: result.render,
                earlier_results: result.earlier_results,
                warnings: Vec::new(),
                provenance,
            })
        })
    }

    /// KQL over everything a query can name now.
    ///
    /// Errors: a functions folder that cannot be read.
    pub fn kql_engine(&self) -> Result<KqlEngine> {
        self.engine_at(&Place::Workspace, None)
    }

    /// KQL over the frames of this session and what a place on this machine has. With a range, only rows of tables
    /// whose time column is in it.
    ///
    /// Errors: a functions folder that cannot be read, a folder that is not there.
    pub(crate) fn engine_at(&self, place: &Place, range: Option<(TimeRange, Option<String>)>) -> Result<KqlEngine> {
        let catalog = self.catalog_at(place)?;
        Ok(self.with_settings(match range {
            Some((range, column)) => KqlEngine::new(InRange::new(catalog, range, column)),
            None => KqlEngine::new(catalog),
        }))
    }

    /// KQL without what only the session knows, its frames and values: for queries that will run elsewhere.
    pub(crate) fn kql_engine_of_tables(&self) -> Result<KqlEngine> {
        let catalog = self.catalog_below(Named::nothing(self), &Place::Workspace)?;
        Ok(self.with_settings(KqlEngine::new(catalog)))
    }

    fn with_settings(&self, engine: KqlEngine) -> KqlEngine {
        let (parameters, limits) = {
            let state = self.state();
            (state.attached.parameters.clone(), state.attached.limits)
        };
        let engine = engine.with_limits(limits);
        parameters.into_iter().fold(engine, |engine, (name, value)| engine.with_parameter(name, value))
    }

    /// What a query can name now.
    pub(crate) fn kql_catalog(&self) -> Result<Layered> {
        self.catalog_at(&Place::Workspace)
    }

    /// The frames and scalars of this session.
    pub(crate) fn frames_catalog(&self) -> impl Catalog + use<> {
        Named::snapshot(self)
    }

    /// What a query can name at a place on this machine.
    pub(crate) fn catalog_at(&self, place: &Place) -> Result<Layered> {
        self.catalog_below(Named::snapshot(self), place)
    }

    fn catalog_below(&self, named: Named, place: &Place) -> Result<Layered> {
        let mut catalog = Layered::new().with(named);
        let state = self.state();
        catalog = catalog.with(state.attached.files.clone());
        let own = [self.workspace.folder().join("watchlists")];
        let watchlists: Vec<PathBuf> = state.attached.watchlists.iter().chain(&own).cloned().collect();
        let functions = state.attached.functions.clone();
        drop(state);
        catalog = match place {
            Place::Workspace | Place::Remote(_) => catalog.with(Stored::new(self, self.workspace.clone())),
            Place::OtherWorkspace(folder) => {
                let folder = self.existing_folder(folder)?;
                catalog.with(Stored::new(self, Workspace::open(folder)?))
            }
            Place::Files(folder) => catalog.with(files_of(&self.existing_folder(folder)?)?),
        };
        catalog = catalog.with(Cached::new(Cache::of_workspace(self.workspace.folder())));
        for folder in watchlists {
            catalog = catalog.with(Watchlists::new(folder));
        }
        for folder in functions.iter().chain([&self.functions]) {
            catalog = catalog.with_shared(folder.current().map_err(|problem| Error::new("KqlError", problem))?);
        }
        Ok(catalog)
    }

    /// Makes a file, a folder of files of one format, or the files of a pattern (`logs/*.jsonl`) a table. It is
    /// scanned by each query that names it.
    ///
    /// Errors: there is no such file.
    pub fn attach_file(&self, name: &str, path: &Path) -> Result<()> {
        let path = self.resolve(path);
        Files::find(&path).map_err(|error| Error::io("read", &path, &error))?;
        let mut state = self.state();
        state.attached.files = state.attached.files.clone().with(name, path);
        Ok(())
    }

    /// Makes the functions below a folder known; see [`huntbook_kql::catalogs::FunctionFolder`].
    ///
    /// Errors: there is no such folder.
    pub fn attach_functions(&self, folder: &Path) -> Result<()> {
        let folder = self.existing_folder(folder)?;
        self.state().attached.functions.push(Arc::new(Functions::new(folder)));
        Ok(())
    }

    /// Makes the watchlists of a folder known; see [`Watchlists`].
    ///
    /// Errors: there is no such folder.
    pub fn attach_watchlists(&self, folder: &Path) -> Result<()> {
        let folder = self.existing_folder(folder)?;
        self.state().attached.watchlists.push(folder);
        Ok(())
    }

    /// Gives later queries a typed value for `declare query_parameters` and `${name}`.
    pub fn bind_parameter(&self, name: &str, value: KqlLiteral) {
        self.state().attached.parameters.push((name.to_owned(), value));
    }

    /// What later queries may take.
    pub fn limit_queries(&self, limits: Limits) {
        self.state().attached.limits = limits;
    }

    fn existing_folder(&self, folder: &Path) -> Result<PathBuf> {
        let folder = self.resolve(folder);
        std::fs::read_dir(&folder).map_err(|error| Error::io("read the folder", &folder, &error))?;
        Ok(folder)
    }

    /// The value that `${name}` has now.
    pub(crate) fn scalar(&self, name: &str) -> Option<KqlLiteral> {
        let state = self.state();
        let bound = state.attached.parameters.iter().rev().find(|(known, _)| known == name);
        bound.map(|(_, value)| value.clone()).or_else(|| kql_literal(state.scalars.get(name)?))
    }

    /// The text that `name` holds, if it is a text.
    pub fn scalar_text(&self, name: &str) -> Option<String> {
        match self.scalar(name)? {
            KqlLiteral::String(text) => Some(text),
            _ => None,
        }
    }

    /// Gives a scalar to later queries, as `${name}`.
    pub fn bind_scalar(&self, name: &str, value: huntbook_wire::Literal) {
        self.state().scalars.insert(name.to_owned(), value);
    }

    /// What cells have told last of the values of their variables, in the order asked for.
    pub fn take_values(&self) -> Vec<String> {
        match self.state().scalars.remove(huntbook_wire::VALUES) {
            Some(huntbook_wire::Literal::String(list)) => serde_json::from_str(&list).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Is there a frame or a table of this name?
    pub fn has_table(&self, name: &str) -> bool {
        self.binding(name).is_some() || self.workspace.schema(name).is_ok_and(|schema| schema.is_some())
    }
}

fn kql_error(error: &QueryError, query: &str) -> Error {
    match error {
        QueryError::Stopped(Stopped::Cancelled) => Error::cancelled(),
        _ => Error::new("KqlError", error.render(query)),
    }
}

/// The damaged segment among the tables that a query reads.
pub(crate) fn damage(workspace: &Workspace, query: &str) -> Option<Error> {
    let tables = huntbook_kql::tables_mentioned(query);
    let stored = |table: &&String| workspace.schema(table).is_ok_and(|schema| schema.is_some());
    tables.iter().filter(stored).find_map(|table| workspace.verify(table).err()).map(Error::from)
}

/// Frames and scalars as they are when the query starts: a query on another thread must not hold the engine's lock.
struct Named {
    /// Of the workspace
    folder: PathBuf,
    frames: Vec<(String, Arc<DataFrame>, Tags)>,
    scalars: Vec<(String, huntbook_wire::Literal)>,
}

impl Named {
    fn nothing(engine: &Engine) -> Named {
        Named { folder: engine.settings.workspace.clone(), frames: Vec::new(), scalars: Vec::new() }
    }

    fn snapshot(engine: &Engine) -> Named {
        let state = engine.state();
        let frame = |name: String| {
            let id = state.frames.by_name(&name)?;
            Some((name, state.frames.get(id)?, state.frames.tags(id)))
        };
        let names = state.frames.names().into_iter().map(|(name, _, _)| name);
        Named {
            folder: engine.settings.workspace.clone(),
            frames: names.chain(frames::LAST.map(str::to_owned)).filter_map(frame).collect(),
            scalars: state.scalars.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }
}

impl Catalog for Named {
    fn table_names(&self) -> Vec<String> {
        let is_last = |name: &str| frames::LAST.contains(&name);
        self.frames.iter().map(|(name, _, _)| name.clone()).filter(|name| !is_last(name)).collect()
    }

    fn table(&self, name: &str) -> std::result::Result<Option<LazyFrame>, String> {
        let found = self.frames.iter().find(|(bound, _, _)| bound == name);
        Ok(found.map(|(_, frame, _)| frame.as_ref().clone().lazy()))
    }

    fn geo_database(&self) -> std::result::Result<Arc<dyn huntbook_kql::GeoDatabase>, String> {
        crate::geo::database(&self.folder)
    }

    fn scalar(&self, name: &str) -> Option<KqlLiteral> {
        kql_literal(&self.scalars.iter().find(|(bound, _)| bound == name)?.1)
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        let (_, _, tags) = self.frames.iter().find(|(bound, _, _)| bound == table)?;
        tags.iter().find(|(name, _)| name == column).map(|(_, kind)| *kind)
    }
}

fn kql_literal(value: &huntbook_wire::Literal) -> Option<KqlLiteral> {
    Some(match value {
        huntbook_wire::Literal::Null => return None,
        huntbook_wire::Literal::Bool(value) => KqlLiteral::Bool(Some(*value)),
        huntbook_wire::Literal::Int(value) => KqlLiteral::Long(Some(*value)),
        huntbook_wire::Literal::Float(value) => KqlLiteral::Real(Some(*value)),
        huntbook_wire::Literal::String(value) => KqlLiteral::String(value.clone()),
    })
}

/// The data files of a folder, each of them a table by the name of its file.
fn files_of(folder: &Path) -> Result<Files> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io("list", folder, &error))?;
    let mut files = Files::new();
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| FileFormat::of(path).is_some()) {
        let stem = path.file_name().and_then(|name| name.to_str()?.split('.').next()).unwrap_or_default();
        let name: String = stem.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        files = files.with(name, path);
    }
    Ok(files)
}

/// The workspace's tables, and local files for `externaldata`.
pub(crate) struct Stored {
    base: PathBuf,
    workspace: Workspace,
    /// Read once per query
    schemas: Mutex<HashMap<String, Option<TableSchema>>>,
}

impl Stored {
    pub(crate) fn new(engine: &Engine, workspace: Workspace) -> Stored {
        Stored { base: engine.settings.base.clone(), workspace, schemas: Mutex::default() }
    }
}

impl Catalog for Stored {
    fn table_names(&self) -> Vec<String> {
        self.workspace.table_names().unwrap_or_default()
    }

    fn table(&self, name: &str) -> std::result::Result<Option<LazyFrame>, String> {
        // A name that cannot be a table's is no table, not an error of its own: the query's author is told so.
        if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
            return Ok(None);
        }
        self.workspace.scan(name).map_err(|error| error.to_string())
    }

    /// Local files only: a query opens no connection.
    fn external_data(&self, address: &str) -> std::result::Result<Vec<u8>, String> {
        let path = match address.split_once("://") {
            Some(("file", path)) => Path::new(path),
            Some((scheme, _)) => {
                return Err(format!(
                    "huntbook opens no `{scheme}://` connection for a query: download the file and name its path, or keep it as a watchlist in {}",
                    self.workspace.folder().join("watchlists").display()
                ));
            }
            None => Path::new(address),
        };
        std::fs::read(self.base.join(path)).map_err(|error| error.to_string())
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        let mut schemas = self.schemas.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let read = || self.workspace.schema(table).ok().flatten();
        let schema = schemas.entry(table.to_owned()).or_insert_with(read);
        match schema.as_ref()?.column(column)?.column_type {
            ColumnType::Dynamic => Some(KqlType::Dynamic),
            ColumnType::Guid => Some(KqlType::Guid),
            _ => None,
        }
    }
}
