//! `huntbook serve`: the local workspace for Azure's clients.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use huntbook_engine::server::{Options, Server};
use huntbook_engine::{Engine, Settings, WorkspaceQueries};

use crate::paths;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Address to listen on; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    listen: SocketAddr,
    /// Folder of the local workspace [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The workspace's id [default: the one that the folder has had since it was first served].
    #[arg(long, value_name = "GUID")]
    workspace: Option<uuid::Uuid>,
    /// What Kusto's clients call the database.
    #[arg(long, value_name = "NAME", default_value = "hunt")]
    database: String,
    /// File with the token, for you alone (mode 0600); made with a random token if it is not there.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the data collector's key in base64, for you alone; made with a random key if it is not there.
    #[arg(long, value_name = "FILE")]
    shared_key_file: Option<PathBuf>,
    /// A data collection rule: JSON with immutableId, streamDeclarations and dataFlows. May be given several times.
    #[arg(long = "dcr", value_name = "FILE.json")]
    rules: Vec<PathBuf>,
    /// Ingestion makes tables and columns that are not there.
    #[arg(long)]
    auto_create: bool,
    /// Serve requests without a token; every program and user of this machine can then read the workspace.
    #[arg(long)]
    anonymous: bool,
    /// Certificate chain in PEM, for https.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the server")?;
    let served = runtime.block_on(run(arguments));
    // A query whose client has gone may still be on its way out.
    runtime.shutdown_background();
    served
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let data = std::path::absolute(arguments.data.unwrap_or_else(paths::default_workspace))?;
    let transfer = std::env::temp_dir().join(format!("huntbook-serve-{}", std::process::id()));
    let settings = Settings { workspace: data.clone(), base: data, transfer: transfer.clone() };
    let engine = Arc::new(Engine::new(settings)?);
    // Queries pass nothing through the folder that cells use.
    std::fs::remove_dir(&transfer).ok();
    let workspace = engine.workspace().clone();
    if arguments.anonymous {
        eprintln!("huntbook: --anonymous: every program and user of this machine can read the workspace and add rows");
    }
    let options = Options {
        listen: arguments.listen,
        workspace_id: arguments.workspace,
        database: arguments.database,
        token_file: arguments.token_file,
        shared_key_file: arguments.shared_key_file,
        rules: arguments.rules,
        auto_create: arguments.auto_create,
        anonymous: arguments.anonymous,
        tls: arguments.tls_cert.zip(arguments.tls_key),
    };
    let end = interrupted()?;
    let server = Server::start(options, workspace, Arc::new(WorkspaceQueries::new(engine))).await?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", server.announcement())
        .and_then(|()| output.flush())
        .context("cannot say where it listens")?;
    drop(output);
    server.run(end).await;
    Ok(())
}

/// Ends with Ctrl-C or SIGTERM. They are heeded from here on, not from the first wait.
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// `127.0.0.1:8799`, `[::1]:0`, `localhost:8799`, `127.0.0.1`
fn address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some(("localhost", port)) => ("127.0.0.1", port),
        _ if text == "localhost" => ("127.0.0.1", "0"),
        _ if text.parse::<IpAddr>().is_ok() => (text, "0"),
        _ => return text.parse().map_err(|_| "write an address and a port: 127.0.0.1:8799".to_owned()),
    };
    let host: IpAddr = host.parse().map_err(|_| format!("`{host}` is no address"))?;
    let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        for (text, expected) in [
            ("127.0.0.1:8799", "127.0.0.1:8799"),
            ("localhost:0", "127.0.0.1:0"),
            ("localhost", "127.0.0.1:0"),
            ("::1", "[::1]:0"),
            ("[::1]:5", "[::1]:5"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["", "example.com:80", "localhost:99999", "127.0.0.1:x"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
