//! What there is to tell about connections: lists, schemas, checks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntbook_kql::catalogs::Layered;
use huntbook_kql::{Catalog, Completions, Engine as KqlEngine, Hover, KqlType, SchemaCatalog};
use serde_json::{Map, Value, json};

use super::cache::Cache;
use super::mistake::error_of;
use super::remote::{Ask, Client};
use super::request::{QueryRequest, span};
use super::{Connection, Place};
use crate::templates::{self, Template};
use crate::{Engine, Error, Result};

/// Tables that a list shows with their columns; beyond it, names only.
const DETAILED: usize = 20;

impl Engine {
    /// Asks the service once and reads its schema; says what was found.
    pub(super) fn probe(&self, connection: &Arc<Connection>) -> Result<String> {
        let definition = &connection.definition;
        let mut text =
            format!("connected to {}: {} ({})", definition.name, definition.target(), definition.kind.name());
        let Some(client) = &connection.client else {
            let tables = self.catalog_at(&self.place(Some(&definition.name))?)?.table_names();
            text.push_str(&format!("\n{} tables", tables.len()));
            return Ok(text);
        };
        const QUERY: &str = "print huntbook = 1";
        let ask =
            Ask { query: QUERY, range: None, time_column: None, properties: &[], timeout: None, allow_partial: false };
        let cancel = self.cancel_token();
        client.ask(&ask, &cancel).map_err(|error| error_of(&error, QUERY, connection.name()))?;
        text.push_str(&format!("\nsigned in with {}", client.signed_in()));
        match self.read_schema(connection, client) {
            Ok(tables) => text.push_str(&format!("\n{tables} tables known for completion")),
            Err(error) if error.kind == "Interrupted" => return Err(error),
            Err(error) => {
                text.push_str(&format!("\nits schema cannot be read, so there is no completion of its tables: {error}"))
            }
        }
        Ok(text)
    }

    /// Reads the schema of a service; says how many tables it has.
    pub(crate) fn read_schema(&self, connection: &Connection, client: &Client) -> Result<usize> {
        let tables = client.tables(&self.cancel_token()).map_err(|error| error_of(&error, "", connection.name()))?;
        let mut schemas = Map::new();
        for table in &tables {
            let kind = |name: &str| KqlType::from_name(name).unwrap_or(KqlType::Dynamic).name();
            let columns: Map<String, Value> =
                table.columns.iter().map(|(name, of)| (name.clone(), json!(kind(of)))).collect();
            schemas.insert(table.name.clone(), json!({"columns": columns}));
        }
        let catalog = SchemaCatalog::from_json(&json!({"tables": schemas}).to_string())
            .map_err(|why| Error::new("ConnectionError", format!("the schema of {}: {why}", connection.name())))?;
        *connection.schema.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Arc::new(catalog));
        Ok(tables.len())
    }

    /// The schema of a service, read now if it is not known yet.
    pub(crate) fn schema_of(&self, connection: &Connection) -> Result<Arc<SchemaCatalog>> {
        if let (None, Some(client)) = (connection.schema(), &connection.client) {
            self.read_schema(connection, client)?;
        }
        connection
            .schema()
            .ok_or_else(|| Error::new("ConnectionError", format!("`{}` has no schema", connection.name())))
    }

    /// Names for completion: those in use, then those of configuration files.
    pub fn connection_names(&self) -> Vec<String> {
        let mut names = vec!["local".to_owned()];
        names.extend(self.state().connections.known.iter().map(|known| known.name().to_owned()));
        // A file that is not right is an error where a connection is made.
        names.extend(self.config().unwrap_or_default().connections.into_iter().map(|definition| definition.name));
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// All connections, the current one marked.
    pub fn connections_text(&self) -> Result<String> {
        let config = self.config()?;
        let (known, current) = {
            let state = self.state();
            (
                state.connections.known.clone(),
                state.connections.current.as_ref().map(|current| current.name().to_owned()),
            )
        };
        let mark = |name: &str| if current.as_deref() == Some(name) { "*" } else { " " };
        let local = if current.is_none() { "*" } else { " " };
        let mut lines = vec![format!("{local} local: local workspace {}", self.workspace().folder().display())];
        for connection in &known {
            let definition = &connection.definition;
            let name = connection.name();
            let signed =
                connection.client.as_ref().map_or_else(String::new, |client| format!(", {}", client.signed_in()));
            lines.push(format!("{} {name}: {} ({}{signed})", mark(name), definition.target(), definition.kind.name()));
        }
        for definition in
            config.connections.iter().filter(|found| !known.iter().any(|known| known.name() == found.name))
        {
            let from = match &definition.origin {
                super::definition::Origin::File { path, .. } => path.display().to_string(),
                super::definition::Origin::Notebook => "a cell".to_owned(),
            };
            lines.push(format!(
                "  {}: {} ({}), in {from}",
                definition.name,
                definition.target(),
                definition.kind.name()
            ));
        }
        Ok(lines.join("\n"))
    }

    /// Tables and columns of a place; `words` narrow the list to tables that contain one of them.
    pub fn schema_text(&self, place: Option<&str>, words: &str) -> Result<String> {
        let place = self.place(place)?;
        let (engine, names) = match &place {
            Place::Remote(connection) => {
                let schema = self.schema_of(connection)?;
                let names = schema.table_names();
                (KqlEngine::new(Shared(schema)), names)
            }
            local => {
                let names = self.catalog_at(local)?.table_names();
                (self.engine_at(local, None)?, names)
            }
        };
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let wanted = |name: &&String| words.is_empty() || words.iter().any(|word| name.to_lowercase().contains(word));
        let names: Vec<&String> = names.iter().filter(wanted).collect();
        let mut lines = Vec::new();
        for name in names.iter().take(DETAILED) {
            let columns = engine.check(&format!("['{name}']")).columns.unwrap_or_default();
            let column = |column: &huntbook_kql::CheckedColumn| {
                format!("{}:{}", column.name, column.kql_type.map_or("dynamic", KqlType::name))
            };
            lines.push(format!("{name} ({})", columns.iter().map(column).collect::<Vec<_>>().join(", ")));
        }
        if names.len() > DETAILED {
            let rest: Vec<&str> = names[DETAILED..].iter().map(|name| name.as_str()).collect();
            lines.push(format!("and {} more: {}", rest.len(), rest.join(", ")));
        }
        Ok(if lines.is_empty() { "no such table".to_owned() } else { lines.join("\n") })
    }

    /// The query as it would be sent, with values for its parameters.
    pub fn final_query(&self, request: &QueryRequest) -> Result<String> {
        crate::parameters::substituted(&request.query, |name| self.value_for(request, name))
    }

    /// Checks a query without running it: by the local parser, and by the tables that are known.
    ///
    /// Errors: mistakes in the query.
    pub fn dry_run(&self, request: &QueryRequest) -> Result<String> {
        let query = self.final_query(request)?;
        let place = self.place(request.connection.as_deref())?;
        let (engine, note) = match &place {
            Place::Remote(connection) => {
                let schema = self.schema_of(connection)?;
                let note = format!("\nChecked with the schema of {}; nothing was asked.", connection.name());
                (KqlEngine::new(Shared(schema)), note)
            }
            local => (self.engine_at(local, None)?, String::new()),
        };
        let report = crate::check_report(&engine, &query).map_err(|mistakes| Error::new("KqlError", mistakes))?;
        Ok(format!("{report}{note}"))
    }

    /// What may stand at `cursor`, a byte of the query, where it would run. Reads schemas that are known, never rows.
    pub fn kql_completions(&self, place: Option<&str>, query: &str, cursor: usize) -> Completions {
        match self.language_engine(place) {
            Some(engine) => engine.complete(query, cursor),
            // A place that cannot be read has no names to offer; running the query says why.
            None => Completions { replace: cursor..cursor, items: Vec::new() },
        }
    }

    /// What is known about the word at `cursor`, a byte of the query.
    pub fn kql_hover(&self, place: Option<&str>, query: &str, cursor: usize) -> Option<Hover> {
        self.language_engine(place)?.hover(query, cursor)
    }

    /// Never asks a service: that is what running does.
    fn language_engine(&self, place: Option<&str>) -> Option<KqlEngine> {
        let known = match place {
            None => self.place(None).ok()?,
            // Making a connection reads files; a name that is in use already does not.
            Some(name) => match self.state().connections.known.iter().find(|known| known.name() == name) {
                Some(found) => Place::Remote(found.clone()),
                None => Place::Workspace,
            },
        };
        match known {
            // A query that names frames only runs here: they are offered too.
            Place::Remote(connection) if connection.client.is_some() => {
                let schema = connection.schema().unwrap_or_default();
                Some(KqlEngine::new(Layered::new().with(self.frames_catalog()).with(Shared(schema))))
            }
            Place::Remote(_) => self.kql_engine().ok(),
            local => self.engine_at(&local, None).ok(),
        }
    }

    /// The text of a query file, relative to the notebook's folder.
    pub fn query_file(&self, path: &str) -> Result<String> {
        let path = self.resolve(Path::new(path));
        std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))
    }

    /// A query of a YAML file, by its name or the file's path.
    pub fn template(&self, name: &str) -> Result<Template> {
        let path = self.resolve(Path::new(name));
        if path.is_file() {
            let mut found = templates::read(&path)?;
            if found.len() != 1 {
                let names: Vec<&str> = found.iter().map(|template| template.name.as_str()).collect();
                return Err(Error::new(
                    "MagicError",
                    format!("{} has several queries: {}", path.display(), names.join(", ")),
                ));
            }
            return Ok(found.remove(0));
        }
        templates::named(&self.template_places()?, name)
    }

    /// The queries that `--run` knows.
    pub fn templates_text(&self, words: &str) -> Result<String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let places = self.template_places()?;
        let about = |template: &Template| format!("{} {}", template.name, template.description).to_lowercase();
        let wanted = |template: &Template| words.iter().all(|word| about(template).contains(word));
        let line = |template: Template| {
            let first = template.description.lines().next().unwrap_or_default().to_owned();
            format!("{}  {first}", template.name)
        };
        let lines: Vec<String> = templates::list(&places).into_iter().filter(wanted).map(line).collect();
        if lines.is_empty() {
            let folders: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
            return Ok(format!(
                "no such queries in {}; `queries = [...]` in huntbook.toml names more folders",
                folders.join(", ")
            ));
        }
        Ok(lines.join("\n"))
    }

    fn template_places(&self) -> Result<Vec<PathBuf>> {
        let mut places = vec![self.settings().base.join("queries")];
        places.extend(self.config()?.queries);
        Ok(places)
    }

    /// The answers that are kept.
    pub fn cache_text(&self) -> String {
        let now = chrono::Utc::now().timestamp();
        let mut lines = Vec::new();
        for (name, entries) in Cache::of_workspace(self.workspace().folder()).list() {
            lines.push(name);
            for entry in entries {
                let query: String =
                    entry.query.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect();
                lines.push(format!(
                    "  {} rows, {} ago, {}: {query}",
                    entry.rows,
                    span(now - entry.fetched),
                    entry.connection
                ));
            }
        }
        if lines.is_empty() {
            "no kept answers: `%kql --cache NAME QUERY` keeps one".to_owned()
        } else {
            lines.join("\n")
        }
    }

    pub fn cache_remove(&self, name: &str) -> Result<usize> {
        Cache::of_workspace(self.workspace().folder()).remove(name)
    }
}

/// A schema that is shared with the connection it belongs to.
struct Shared(Arc<SchemaCatalog>);

impl Catalog for Shared {
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }

    fn table(&self, name: &str) -> std::result::Result<Option<polars::prelude::LazyFrame>, String> {
        self.0.table(name)
    }

    fn schema(&self, table: &str) -> Option<Arc<[huntbook_kql::Column]>> {
        self.0.schema(table)
    }
}
