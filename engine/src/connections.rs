//! Connections: where queries go besides the local workspace.
//!
//! A connection is a [`Definition`] (from a cell or a configuration file) and, once it is used, a client. The one that
//! `%connect` named last is current: queries without a connection of their own go there. At first it is the local
//! workspace.

mod asking;
pub(crate) mod cache;
pub(crate) mod columns;
pub(crate) mod config;
pub(crate) mod definition;
mod lists;
pub(crate) mod mistake;
pub(crate) mod remote;
pub(crate) mod request;
pub(crate) mod run;
pub(crate) mod slices;
pub(crate) mod split;
pub(crate) mod string;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use huntbook_kql::SchemaCatalog;

use self::config::{Config, Places};
use self::definition::{Definition, Kind, Origin, connection_error};
use self::remote::Client;
use crate::{Engine, Result};

/// A connection in use.
pub(crate) struct Connection {
    pub(crate) definition: Definition,
    /// `None` for folders of this machine
    pub(crate) client: Option<Client>,
    pub(crate) schema: Mutex<Option<Arc<SchemaCatalog>>>,
}

impl Connection {
    pub(crate) fn schema(&self) -> Option<Arc<SchemaCatalog>> {
        self.schema.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }
}

/// The connections of this session, the last used one last.
#[derive(Default)]
pub(crate) struct Connections {
    known: Vec<Arc<Connection>>,
    /// `None`: the local workspace
    current: Option<Arc<Connection>>,
}

/// Where a query goes.
#[derive(Clone)]
pub(crate) enum Place {
    Remote(Arc<Connection>),
    /// The workspace of this engine, with its frames
    Workspace,
    /// Another workspace folder, with this engine's frames
    OtherWorkspace(PathBuf),
    /// A folder of data files, with this engine's frames
    Files(PathBuf),
}

impl Engine {
    /// Where a query goes that names this place; without a name, the current one.
    ///
    /// Errors: a name that nothing has, a connection string that is not right, a configuration file that is not.
    pub(crate) fn place(&self, named: Option<&str>) -> Result<Place> {
        let connection = match named {
            None => self.state().connections.current.clone(),
            Some(name) => self.connection(name)?,
        };
        let Some(connection) = connection else { return Ok(Place::Workspace) };
        let folder = || connection.definition.get("folder").map(|folder| self.settings().base.join(folder));
        Ok(match (connection.definition.kind, folder()) {
            (Kind::Local, None) => Place::Workspace,
            (Kind::Local, Some(folder)) => Place::OtherWorkspace(folder),
            (Kind::Files, folder) => Place::Files(folder.unwrap_or_else(|| self.settings().base.clone())),
            _ => Place::Remote(connection),
        })
    }

    /// `None`: the local workspace of this engine.
    pub(crate) fn connection(&self, name: &str) -> Result<Option<Arc<Connection>>> {
        let name = name.trim();
        if matches!(name.trim_end_matches("://"), "local" | "@local" | "local@local") {
            return Ok(None);
        }
        if name.contains("://") {
            let mut definition = string::parse(name)?;
            self.fill_in(&mut definition);
            return self.opened(definition).map(Some);
        }
        let known = |name: &str, kind: Option<Kind>| {
            let state = self.state();
            let fits = |connection: &&Arc<Connection>| {
                connection.name() == name && kind.is_none_or(|kind| connection.definition.kind == kind)
            };
            state.connections.known.iter().rev().find(fits).cloned()
        };
        if let Some(found) = known(name, None) {
            return Ok(Some(found));
        }
        let config = self.config()?;
        let (alias, place) = name.split_once('@').unwrap_or((name, ""));
        let alias = if alias.is_empty() { place } else { alias };
        let kind = Kind::named(place);
        if let Some(found) = known(alias, kind).filter(|_| kind.is_some() || place.is_empty() || name.starts_with('@'))
        {
            return Ok(Some(found));
        }
        let configured = config.named(name).or_else(|| {
            config.named(alias).filter(|found| {
                name.starts_with('@') || place.is_empty() || kind.is_some_and(|kind| found.kind == kind)
            })
        });
        if let Some(definition) = configured {
            return self.opened(definition.clone()).map(Some);
        }
        if !place.is_empty() && !name.starts_with('@') && kind.is_none() {
            return self.sibling(name, alias, place, &config).map(Some);
        }
        let names = self.connection_names();
        Err(connection_error(format!(
            "no connection is called `{name}`; there are: {}. Name it in huntbook.toml (`%help connect`), or give a connection string",
            names.join(", ")
        )))
    }

    /// `database@cluster`: a connection to another database of a cluster that is known, or to a cluster by its name.
    fn sibling(&self, name: &str, database: &str, cluster: &str, config: &Config) -> Result<Arc<Connection>> {
        let at_cluster = |definition: &Definition| {
            definition.kind == Kind::Kusto
                && definition
                    .get("cluster")
                    .is_some_and(|at| string::short_cluster(at) == string::short_cluster(cluster))
        };
        let known = self.state().connections.known.iter().rev().map(|known| known.definition.clone()).find(&at_cluster);
        let mut definition = match known.or_else(|| config.connections.iter().find(|known| at_cluster(known)).cloned())
        {
            Some(definition) => definition,
            None => {
                let mut definition = Definition::new(name, Kind::Kusto, Origin::Notebook);
                definition.set("cluster", cluster.to_owned())?;
                definition
            }
        };
        definition.name = name.to_owned();
        definition.set("database", database.to_owned())?;
        self.opened(definition)
    }

    /// Takes what a connection string leaves open from the last connection of its kind.
    fn fill_in(&self, definition: &mut Definition) {
        let last = {
            let state = self.state();
            let same = |known: &&Arc<Connection>| known.definition.kind == definition.kind;
            state.connections.known.iter().rev().find(same).cloned()
        };
        if let Some(last) = last {
            definition.inherit(&last.definition);
        }
    }

    /// A connection of this definition, which takes the place of one of the same name.
    fn opened(&self, definition: Definition) -> Result<Arc<Connection>> {
        definition.complete()?;
        let client = if definition.kind.is_remote() { Some(self.client(&definition)?) } else { None };
        let connection = Arc::new(Connection { definition, client, schema: Mutex::default() });
        let mut state = self.state();
        state.connections.known.retain(|known| known.name() != connection.name());
        state.connections.known.push(connection.clone());
        Ok(connection)
    }

    pub(crate) fn config(&self) -> Result<Config> {
        Config::read(&Places::of_environment(&self.settings().base))
    }

    /// Makes a connection the current one: asks the service once, and reads the schema for completion. Says what was
    /// found.
    ///
    /// Errors: as [`Engine::query`]; the current connection then stays what it was.
    pub fn connect(&self, name: &str) -> Result<String> {
        let connection = self.connection(name)?;
        let text = match &connection {
            None => format!("connected to the local workspace {}", self.workspace().folder().display()),
            Some(connection) => self.probe(connection)?,
        };
        self.state().connections.current = connection;
        Ok(text)
    }
}
