//! The local workspace server: the Azure protocols that hunters' tools speak, over the tables of a workspace folder.
//!
//! ```text
//! Log Analytics    /v1/workspaces/{id}/query, /metadata, /v1/$batch      log_analytics.rs
//! Kusto            /v2/rest/query, /v1/rest/query|mgmt|ingest            kusto.rs, management.rs
//! Logs Ingestion   /dataCollectionRules/{rule}/streams/{stream}          ingestion.rs, rules.rs
//! Data Collector   /api/logs                                             collector.rs
//! ```
//!
//! A request passes `handler.rs`: host, route, caller, media type, size; queries wait for a place (`slots.rs`) and run
//! on a thread of their own (`runner.rs`); rows go to the one thread that writes (`writer.rs`).

mod answers;
mod auth;
mod body;
mod clock;
mod collector;
mod collector_rows;
mod commands;
mod connections;
mod handler;
mod ingestion;
mod kusto;
mod log_analytics;
mod management;
mod records;
mod reply;
mod route;
mod rows_json;
mod rules;
mod runner;
mod service;
mod slots;
mod startup;
mod timespan;
mod writer;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpListener;

pub use service::{
    Cancel, Mistake, QueryAnswer, QueryFailure, QueryRequest, QueryService, Rendering, ResultColumn, ResultTable,
    TimeScope,
};

use crate::{TableSchema, Workspace, WorkspaceError};
use auth::{Caller, Secret, SharedKey};
use rules::Rules;
use runner::Running;
use slots::Slots;
use writer::Writer;

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port 0 is any free one.
    pub listen: SocketAddr,
    /// The workspace's id; without one, the id that the folder was given when it was first served.
    pub workspace_id: Option<uuid::Uuid>,
    /// What Kusto's clients call the database.
    pub database: String,
    /// A file with the token, or where to write one.
    pub token_file: Option<PathBuf>,
    /// A file with the data collector's key (base64), or where to write one.
    pub shared_key_file: Option<PathBuf>,
    /// Files of data collection rules.
    pub rules: Vec<PathBuf>,
    /// Ingestion makes tables and columns that are not there.
    pub auto_create: bool,
    /// Requests without credentials are served.
    pub anonymous: bool,
    /// Certificate chain and private key, in PEM
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(
        "{address} can be reached from other machines: serve it with --tls-cert and --tls-key and without --anonymous, or listen on 127.0.0.1"
    )]
    Exposed { address: SocketAddr },
    #[error("another server ({holder}) serves {}: end it first, or serve another folder with --data", folder.display())]
    Taken { folder: PathBuf, holder: String },
    #[error("others can read the secret in {} (mode {mode:o}): run `chmod 600 {}` and start again", path.display(), path.display())]
    OpenSecret { path: PathBuf, mode: u32 },
    #[error("the secret file {} is empty", path.display())]
    EmptySecret { path: PathBuf },
    #[error("the shared key in {} is not base64", path.display())]
    NotBase64 { path: PathBuf },
    #[error("the system gives no random numbers for a token")]
    NoRandomness,
    #[error("the data collection rule {} cannot be used: {why}", path.display())]
    Rule { path: PathBuf, why: String },
    #[error("transformKql of the stream `{stream}` is not right: {why}")]
    Transform { stream: String, why: String },
    #[error("the certificate {} or its key cannot be used: {why}", path.display())]
    Certificate { path: PathBuf, why: String },
    #[error("the database name `{0}` is not one: letters, digits, `_`, `-`, `.` and blanks, no more than 260")]
    Database(String),
    #[error("{0}")]
    Workspace(#[from] WorkspaceError),
}

impl ServeError {
    fn io(action: &'static str, path: &Path, source: std::io::Error) -> ServeError {
        ServeError::Io { action, path: path.to_owned(), source }
    }
}

/// What every request is served from.
pub(crate) struct Shared {
    service: Arc<dyn QueryService>,
    workspace: Workspace,
    workspace_id: String,
    database: String,
    url: String,
    /// As the services print it
    started: String,
    /// Where it listens, if other machines reach it by that
    exposed: Option<std::net::IpAddr>,
    token: Secret,
    key: SharedKey,
    anonymous: bool,
    rules: Rules,
    writer: Writer,
    running: Arc<Running>,
    known: Slots,
    unknown: Slots,
}

impl Shared {
    /// The places of this caller's token.
    fn slots(&self, caller: Caller) -> &Slots {
        match caller {
            Caller::Known => &self.known,
            Caller::Anonymous => &self.unknown,
        }
    }

    fn is_workspace(&self, id: &str) -> bool {
        uuid::Uuid::parse_str(id).is_ok_and(|id| id.to_string() == self.workspace_id)
    }

    fn schemas(&self) -> Result<Vec<(String, TableSchema)>, WorkspaceError> {
        let mut schemas = Vec::new();
        for name in self.workspace.table_names()? {
            // A table that was dropped meanwhile is not listed.
            if let Some(schema) = self.workspace.schema(&name)? {
                schemas.push((name, schema));
            }
        }
        Ok(schemas)
    }
}

/// A server that listens, before it answers.
pub struct Server {
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    announcement: Value,
    _only: startup::OnlyServer,
}

impl Server {
    /// Takes the folder, the secrets and the port.
    ///
    /// Errors: another server has the folder, an address that others reach without TLS, files that cannot be used.
    pub async fn start(
        options: Options,
        workspace: Workspace,
        service: Arc<dyn QueryService>,
    ) -> Result<Server, ServeError> {
        let address = options.listen;
        let exposed = !address.ip().is_loopback();
        if exposed && (options.tls.is_none() || options.anonymous) {
            return Err(ServeError::Exposed { address });
        }
        let database = checked_database(options.database)?;
        let own = startup::own_folder(workspace.folder())?;
        let only = startup::OnlyServer::take(&own, workspace.folder())?;
        let workspace_id = startup::workspace_id(options.workspace_id, &own)?;
        let rules = Rules::read(&options.rules, options.auto_create, &workspace_id)?;
        check_transforms(&rules, service.as_ref())?;
        let tls = options.tls.as_ref().map(|(chain, key)| connections::tls(chain, key)).transpose()?;
        let (token, token_file) = startup::token(options.token_file.as_deref(), &own)?;
        let (key, shared_key_file) = startup::shared_key(options.shared_key_file.as_deref(), &own)?;
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let bound = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        let url = format!("{}://{bound}", if tls.is_some() { "https" } else { "http" });
        let rule = match rules.ids().as_slice() {
            [one] => json!(one),
            several => json!(several),
        };
        let announcement = json!({
            "url": url,
            "workspace": workspace_id,
            "database": database,
            "token_file": token_file,
            "shared_key_file": shared_key_file,
            "dcr": rule,
            "pid": std::process::id(),
        });
        let running = Arc::new(Running::default());
        let writer = Writer::start(workspace.clone(), running.clone())
            .map_err(|source| ServeError::io("start a thread for", workspace.folder(), source))?;
        let shared = Arc::new(Shared {
            service,
            workspace,
            workspace_id,
            database,
            url,
            started: clock::now(),
            exposed: exposed.then_some(bound.ip()),
            token,
            key,
            anonymous: options.anonymous,
            rules,
            writer,
            running,
            known: Slots::new(),
            unknown: Slots::new(),
        });
        Ok(Server { shared, listener, tls, announcement, _only: only })
    }

    /// Where it is and where its secrets are: `{"url", "workspace", "database", "token_file", "shared_key_file", "dcr",
    /// "pid"}`. `dcr` is the id of the data collection rule, or a list of them.
    pub fn announcement(&self) -> &Value {
        &self.announcement
    }

    /// Answers until `end` is there. Requests under way are finished, within a few seconds.
    pub async fn run(self, end: impl Future<Output = ()>) {
        connections::accept(self.shared, self.listener, self.tls, end).await;
    }
}

/// Kusto's rule for names.
fn checked_database(name: String) -> Result<String, ServeError> {
    let allowed = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | ' ');
    let right = !name.trim().is_empty() && name.len() <= 260 && name.chars().all(allowed);
    if right { Ok(name) } else { Err(ServeError::Database(name)) }
}

/// A transformation that is not right is found at the start, not with the first rows.
fn check_transforms(rules: &Rules, service: &dyn QueryService) -> Result<(), ServeError> {
    for (name, declared) in rules.declared() {
        let Some(query) = &declared.transform else { continue };
        let none = records::Records { frame: polars::prelude::DataFrame::empty(), columns: Vec::new() };
        let ran = ingestion::completed(none, &declared.columns)
            .and_then(|source| service.transform(query, source, &declared.columns));
        if let Err(failure) = ran {
            let why = match failure {
                QueryFailure::Syntax(mistake) | QueryFailure::Semantic(mistake) => mistake.message,
                QueryFailure::Execution(message) => message,
                QueryFailure::Cancelled => "it was cancelled".to_owned(),
            };
            return Err(ServeError::Transform { stream: name.to_owned(), why });
        }
    }
    Ok(())
}
