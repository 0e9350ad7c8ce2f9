//! `huntbook rule`: analytics rules from the command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use huntbook_engine::sentinel::{
    NewRule, RuleDuration, RuleFile, Severity, Times, Trial, file_name, listed, moment_of, rule_files,
};
use huntbook_engine::{Engine, Error, Settings, Value};

use crate::paths;
use crate::terminal::{self, Output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run rules over the local workspace and list the alerts and incidents they would raise.
    ///
    /// Without times a rule runs every queryFrequency over the rows that its tables have. Exit code 1 when a rule is not
    /// right, its query fails, or --expect is not met; 2 when the command line, or a file it names, is at fault.
    Test(Test),
    /// Write a rule from a query, with entities from the columns it gives.
    New(Box<New>),
    /// Show a rule as Azure Resource Manager takes it.
    Show {
        /// A file with a rule
        rule: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Test {
    /// Files with a rule, or folders of them [default: the folder `rules` of the workspace].
    rules: Vec<PathBuf>,
    #[command(flatten)]
    data: Data,
    /// Run once, at this time: 2026-03-01T08:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["from", "to"])]
    at: Option<DateTime<Utc>>,
    /// The first run; later ones follow every queryFrequency.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "to")]
    from: Option<DateTime<Utc>>,
    /// The last run at the latest.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "from")]
    to: Option<DateTime<Utc>>,
    /// Write alerts and incidents to the workspace's tables SecurityAlert and SecurityIncident.
    ///
    /// What is there already is not written again; new alerts join the incidents that are there.
    #[arg(long)]
    record: bool,
    /// Fail if all rules together raise another number of alerts.
    #[arg(long, value_name = "ALERTS")]
    expect: Option<usize>,
    /// One JSON object per rule.
    #[arg(long)]
    json: bool,
    /// Never cut the cells of a table.
    #[arg(long)]
    wide: bool,
}

#[derive(Args)]
pub(crate) struct New {
    /// What alerts are called.
    name: String,
    /// The query.
    #[arg(long, required_unless_present = "file")]
    query: Option<String>,
    /// Read the query from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// Where to write [default: NAME.yaml in this folder]; - is standard output.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    #[arg(long)]
    description: Option<String>,
    /// High, Medium, Low or Informational
    #[arg(long, value_parser = severity)]
    severity: Option<Severity>,
    /// How often it runs: 5m, 1h, 1d
    #[arg(long, value_parser = duration)]
    frequency: Option<RuleDuration>,
    /// How far back it looks
    #[arg(long, value_parser = duration)]
    period: Option<RuleDuration>,
    /// A tactic of MITRE ATT&CK, such as Discovery
    #[arg(long = "tactic", value_name = "TACTIC")]
    tactics: Vec<String>,
    /// A technique, such as T1078 or T1078.004
    #[arg(long = "technique", value_name = "TECHNIQUE")]
    techniques: Vec<String>,
    /// An entity of the alerts: --entity Account.Name=user [default: from columns with well-known names]
    #[arg(long = "entity", value_name = "TYPE.IDENTIFIER=COLUMN")]
    entities: Vec<String>,
    /// A custom detail of the alerts: --detail Score=anomaly_score
    #[arg(long = "detail", value_name = "NAME=COLUMN")]
    details: Vec<String>,
    /// An alert per row, not one per run.
    #[arg(long)]
    alert_per_row: bool,
    #[command(flatten)]
    data: Data,
}

#[derive(Args)]
struct Data {
    /// Folder of the local workspace [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// A file, a folder, or files with * and ? in their name as a table: --table Events=events.parquet
    #[arg(long = "table", value_name = "NAME=PATH")]
    tables: Vec<String>,
    /// Functions in .kql files and ASIM parsers in .yaml files below this folder.
    #[arg(long, value_name = "DIR")]
    functions: Vec<PathBuf>,
}

impl Data {
    fn engine(&self) -> anyhow::Result<Engine> {
        let workspace = self.workspace.clone().unwrap_or_else(paths::default_workspace);
        let transfer = std::env::temp_dir().join(format!("huntbook-rule-{}", std::process::id()));
        let settings = Settings {
            workspace: std::path::absolute(workspace)?,
            base: std::env::current_dir()?,
            transfer: transfer.clone(),
        };
        let engine = Engine::new(settings)?;
        // Rules pass nothing through the folder that cells use.
        std::fs::remove_dir(&transfer).ok();
        for table in &self.tables {
            let Some((name, path)) = table.split_once('=') else { bail!("`{table}` is not NAME=PATH") };
            engine.attach_file(name, Path::new(path)).with_context(|| format!("table {name}"))?;
        }
        self.functions.iter().try_for_each(|folder| engine.attach_functions(folder))?;
        Ok(engine)
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let mut output = Output::new();
    let done = match command {
        Command::Test(arguments) => test(arguments, &mut output),
        Command::New(arguments) => new(arguments, &mut output),
        Command::Show { rule } => show(rule, &mut output),
    };
    match done {
        // `| head` has seen enough.
        Err(_) if output.reader_gone => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
        Ok(passed) => Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

fn test(arguments: &Test, output: &mut Output) -> anyhow::Result<bool> {
    let engine = arguments.data.engine()?;
    let mut paths = Vec::new();
    let own = [engine.rules_folder()];
    for path in if arguments.rules.is_empty() { &own[..] } else { &arguments.rules[..] } {
        paths.extend(rule_files(path)?);
    }
    let times = match (arguments.at, arguments.from, arguments.to) {
        (Some(at), ..) => Times::At(at),
        (None, Some(from), Some(to)) => Times::Between(from, to),
        _ => Times::OverData,
    };
    let mut summary = Summary::default();
    for path in &paths {
        let tried = open(path).and_then(|file| {
            let warnings: Vec<_> =
                engine.rule_problems(&file)?.into_iter().filter(|problem| problem.is_warning).collect();
            if !warnings.is_empty() {
                eprintln!("{}", listed(&file.name, &warnings));
            }
            let trial =
                if arguments.record { engine.record_rule(&file, times) } else { engine.test_rule(&file, times) };
            Ok((trial?, file))
        });
        match tried {
            Ok((trial, file)) => {
                summary.add(&trial);
                if arguments.json {
                    writeln!(output, "{}", trial.to_json(&file))?;
                } else {
                    let line = if arguments.wide { None } else { terminal::columns() };
                    writeln!(output, "{}\n", trial.to_text(&file, line)?)?;
                }
            }
            Err(error) if is_of_rule(&error) => {
                summary.failed += 1;
                eprintln!("{error}");
                if arguments.json {
                    writeln!(output, "{}", failed_json(path, &error))?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    if paths.len() > 1 && !arguments.json {
        writeln!(output, "{}", summary.text(paths.len()))?;
    }
    output.flush()?;
    if let Some(expected) = arguments.expect.filter(|expected| *expected != summary.alerts) {
        eprintln!("{} alert(s) were raised, {expected} were expected", summary.alerts);
        return Ok(false);
    }
    Ok(summary.failed == 0)
}

#[derive(Default)]
struct Summary {
    raising: usize,
    failed: usize,
    alerts: usize,
    incidents: usize,
}

impl Summary {
    fn add(&mut self, trial: &Trial) {
        self.raising += usize::from(!trial.alerts.is_empty());
        self.alerts += trial.alerts.len();
        self.incidents += trial.incidents.len();
    }

    fn text(&self, rules: usize) -> String {
        let Summary { raising, failed, alerts, incidents } = self;
        format!("{rules} rules: {raising} raised {alerts} alert(s) and {incidents} incident(s), {failed} failed")
    }
}

fn failed_json(path: &Path, error: &Error) -> Value {
    let mut object = Value::Object(Default::default());
    object["file"] = path.display().to_string().into();
    object["error"] = error.message.clone().into();
    object
}

/// Is the rule at fault, rather than the workspace or the machine?
fn is_of_rule(error: &Error) -> bool {
    matches!(error.kind.as_str(), "RuleError" | "KqlError")
}

fn open(path: &Path) -> Result<RuleFile, Error> {
    RuleFile::open(path, &path.display().to_string())
}

fn new(arguments: &New, output: &mut Output) -> anyhow::Result<bool> {
    let engine = arguments.data.engine()?;
    let query = match (&arguments.query, &arguments.file) {
        (Some(query), _) => query.clone(),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            text.trim_start_matches('\u{feff}').to_owned()
        }
        (None, None) => bail!("there is no query: --query or --file"),
    };
    let new = NewRule {
        name: arguments.name.clone(),
        query,
        description: arguments.description.clone(),
        severity: arguments.severity,
        frequency: arguments.frequency.clone(),
        period: arguments.period.clone(),
        tactics: arguments.tactics.clone(),
        techniques: arguments.techniques.clone(),
        entities: arguments.entities.clone(),
        details: arguments.details.clone(),
        alert_per_row: arguments.alert_per_row,
    };
    let rule = match engine.new_rule(&new) {
        Ok(rule) => rule,
        Err(error) if is_of_rule(&error) => {
            eprintln!("{error}");
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    let yaml = rule.to_yaml()?;
    let path = arguments.output.clone().unwrap_or_else(|| PathBuf::from(file_name(&arguments.name)));
    // What is wrong with it is said at once, with the lines of the new file.
    let problems = engine.rule_problems(&RuleFile::read(&path.display().to_string(), &yaml)?)?;
    if !problems.is_empty() {
        eprintln!("{}", listed(&path.display().to_string(), &problems));
    }
    if problems.iter().any(|problem| !problem.is_warning) {
        return Ok(false);
    }
    if path.as_os_str() == "-" {
        write!(output, "{yaml}")?;
        output.flush()?;
        return Ok(true);
    }
    if path.exists() && !arguments.force {
        bail!("{} is there already: name another file (-o) or write over it (--force)", path.display());
    }
    std::fs::write(&path, yaml).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(output, "{}: test it with `huntbook rule test {0}`", path.display())?;
    Ok(true)
}

fn show(path: &Path, output: &mut Output) -> anyhow::Result<bool> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if is_of_rule(&error) => {
            eprintln!("{error}");
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    let problems = file.problems();
    if !problems.is_empty() {
        eprintln!("{}", listed(&file.name, &problems));
    }
    writeln!(output, "{:#}", file.rule.to_arm())?;
    Ok(problems.iter().all(|problem| problem.is_warning))
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    moment_of(text)
        .ok_or_else(|| "write a time such as 2026-03-01, 2026-03-01T08:00Z or 2026-03-01T08:00+01:00".to_owned())
}

fn duration(text: &str) -> Result<RuleDuration, String> {
    RuleDuration::parse(text).ok_or_else(|| "write a duration such as 5m, 1h or 14d".to_owned())
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::named(text).ok_or_else(|| "it is High, Medium, Low or Informational".to_owned())
}
