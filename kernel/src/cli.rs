//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::session::Options;
use crate::{install, jupyter, kql, paths, rule, run, sample_data, serve};

#[derive(Parser)]
#[command(name = "huntbook", version, about = "Rust and KQL notebooks for security hunting")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a notebook without a browser and save it with its outputs.
    ///
    /// Exit code 1 when a cell fails; the cells after it do not run.
    Run {
        notebook: PathBuf,
        /// Where to save; NOTEBOOK.out.ipynb beside the notebook by default.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Set a variable of the cell tagged `parameters`, keeping its type: -p threshold=2.5
        #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
        parameters: Vec<String>,
        #[command(flatten)]
        workspace: Workspace,
    },
    /// The Jupyter kernel.
    Kernel {
        #[command(subcommand)]
        command: KernelCommand,
    },
    /// Run a KQL query over local tables, or check queries without running them.
    ///
    /// Exit code 1 when the query is not right or fails, or when a line of --jsonl is no query; 2 when the command line,
    /// or a file it names, is at fault.
    Kql(kql::Arguments),
    /// Serve the local workspace to Azure's clients: Log Analytics, Kusto, Logs Ingestion and Data Collector, on loopback.
    ///
    /// Prints one line of JSON when it listens: {"url", "workspace", "database", "token_file", "shared_key_file", "dcr",
    /// "pid"}. Ctrl-C or SIGTERM ends it.
    Serve(serve::Arguments),
    /// Analytics rules of Microsoft Sentinel: test them over local data, make them from queries.
    Rule {
        #[command(subcommand)]
        command: rule::Command,
    },
    /// Write generated access data with planted anomalies.
    SampleData(sample_data::Arguments),
}

#[derive(Subcommand)]
enum KernelCommand {
    /// Tell Jupyter about the kernel.
    Install {
        /// For this user (the default).
        #[arg(long, conflicts_with = "prefix")]
        user: bool,
        /// Below this folder, such as a virtual environment.
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
    },
    /// Start a kernel; Jupyter does this.
    Start {
        #[arg(short = 'f', long)]
        connection_file: PathBuf,
        #[command(flatten)]
        workspace: Workspace,
    },
    /// Build what cells need ahead of the first start, in an image for example.
    Prepare,
    #[command(hide = true)]
    BuildTemplate,
}

#[derive(Args)]
struct Workspace {
    /// Folder of the local workspace [default: the user's data folder].
    #[arg(long = "workspace", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Workspace {
    fn folder(self) -> PathBuf {
        self.folder.unwrap_or_else(paths::default_workspace)
    }
}

pub fn main() -> ExitCode {
    // rust-analyzer's own warnings are not for hunters.
    let filter = std::env::var("HUNTBOOK_LOG").unwrap_or_else(|_| "warn,ra_ap_project_model=off".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("huntbook: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { notebook, output, parameters, workspace } => {
            let passed = run::run(&run::Run { notebook, output, parameters, workspace: workspace.folder() })?;
            return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Kernel { command: KernelCommand::Install { prefix, user: _ } } => {
            let folder = install::install(prefix.as_deref())?;
            println!("installed the kernel `huntbook` in {}", folder.display());
        }
        Command::Kernel { command: KernelCommand::Start { connection_file, workspace } } => {
            let options =
                Options { workspace: std::path::absolute(workspace.folder())?, folder: std::env::current_dir()? };
            jupyter::serve(&connection_file, &options)?;
        }
        Command::Kernel { command: KernelCommand::Prepare } => {
            let template = crate::cells::Template::locate()?;
            template.make_ready()?;
            println!("cells are ready to start");
        }
        Command::Kernel { command: KernelCommand::BuildTemplate } => crate::cells::RustCells::build_template()?,
        Command::Kql(arguments) => return kql::run(&arguments),
        Command::Serve(arguments) => serve::serve(arguments)?,
        Command::Rule { command } => return rule::run(&command),
        Command::SampleData(arguments) => sample_data::write(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
