//! A rule over the local workspace: which alerts and incidents it would raise.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use huntbook_kql::{Engine as KqlEngine, QueryError, Stopped};

use super::alert::{self, Alert, Run};
use super::columns::query_source;
use super::incident::{Incident, Incidents};
use super::problems::Problem;
use super::rule::{Rule, RuleFile};
use crate::{Engine, Error, Result};

/// More runs than that are a slip: two weeks of a rule that runs every 5 minutes are 4032.
const MAX_RUNS: i64 = 10_000;

/// When a rule is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Times {
    /// Once
    At(DateTime<Utc>),
    /// At the first moment, then every `queryFrequency`, the second moment included
    Between(DateTime<Utc>, DateTime<Utc>),
    /// Every `queryFrequency` over the rows that the query's tables have
    OverData,
}

/// What a rule would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// First and last run
    pub times: (DateTime<Utc>, DateTime<Utc>),
    pub runs: usize,
    /// Runs whose rows met the threshold
    pub met: usize,
    /// Runs left out because the rule rested after an alert
    pub suppressed: usize,
    pub alerts: Vec<Alert>,
    /// Those that alerts of this trial have made or joined, oldest first
    pub incidents: Vec<Incident>,
    /// Alerts that the workspace had already
    pub known: usize,
}

/// What the workspace knows of a rule before it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) alerts: HashSet<String>,
    pub(crate) incidents: Vec<Incident>,
}

impl Engine {
    /// Runs a rule over the workspace and says what it would raise. Nothing is written.
    ///
    /// Errors: a rule that is not right, with all its problems; a query that fails; more than 10,000 runs; an interrupt.
    pub fn test_rule(&self, file: &RuleFile, times: Times) -> Result<Trial> {
        self.run_rule(file, times, Known::default())
    }

    pub(crate) fn run_rule(&self, file: &RuleFile, times: Times, known: Known) -> Result<Trial> {
        let problems: Vec<Problem> =
            self.rule_problems(file)?.into_iter().filter(|problem| !problem.is_warning).collect();
        if !problems.is_empty() {
            return Err(Error::new("RuleError", listed(&file.name, &problems)));
        }
        let engine = self.kql_engine_of_tables()?;
        let runs = self.runs(&file.rule, times, &engine)?;
        let file = file.clone();
        self.cancel.run(move |token| {
            let engine = engine.with_cancel_token(token);
            let mut trial = Running { file: &file, known, resting_until: None, trial: Trial::over(&runs) };
            let incidents = std::mem::take(&mut trial.known.incidents);
            let mut incidents = Incidents::new(&file.rule, incidents);
            for run in runs {
                trial.run(run, &engine, &mut incidents)?;
            }
            let touched = incidents.all.into_iter().filter(|incident| incident.joined > 0);
            Ok(Trial { incidents: touched.collect(), ..trial.trial })
        })
    }

    fn runs(&self, rule: &Rule, times: Times, engine: &KqlEngine) -> Result<Vec<Run>> {
        let seconds =
            |duration: &Option<super::duration::RuleDuration>| duration.as_ref().map_or(0, |own| own.seconds());
        let (frequency, period) =
            (seconds(&rule.query_frequency).max(1), TimeDelta::seconds(seconds(&rule.query_period)));
        let (first, last) = match times {
            Times::At(at) => (at, at),
            Times::Between(from, to) if from <= to => (from, to),
            Times::Between(from, to) => {
                let message = format!("the first run ({}) is after the last ({})", from.to_rfc3339(), to.to_rfc3339());
                return Err(Error::new("RuleError", message));
            }
            Times::OverData => match data_span(&rule.query, engine) {
                Some((first, last)) => (behind(first, frequency), behind(last, frequency)),
                None => {
                    let now = Utc::now();
                    (now, now)
                }
            },
        };
        let count = (last - first).num_seconds() / frequency + 1;
        if count > MAX_RUNS {
            let message = format!(
                "the rule would run {count} times from {} to {}: give a shorter time (--from, --to) or one run (--at)",
                first.to_rfc3339(),
                last.to_rfc3339()
            );
            return Err(Error::new("RuleError", message));
        }
        let at = |number: i64| first + TimeDelta::seconds(number * frequency);
        Ok((0..count).map(|number| Run { from: at(number) - period, at: at(number) }).collect())
    }
}

/// The problems, one per line, as compilers write them.
pub fn listed(file: &str, problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let warning = if problem.is_warning { "warning: " } else { "" };
        format!("{file}:{}: {warning}{}", problem.line, problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Trial {
    fn over(runs: &[Run]) -> Trial {
        let edge = |run: Option<&Run>| run.map_or(DateTime::UNIX_EPOCH, |run| run.at);
        Trial {
            times: (edge(runs.first()), edge(runs.last())),
            runs: runs.len(),
            met: 0,
            suppressed: 0,
            alerts: Vec::new(),
            incidents: Vec::new(),
            known: 0,
        }
    }
}

/// A trial under way.
struct Running<'f> {
    file: &'f RuleFile,
    known: Known,
    /// Set after an alert of a rule that suppresses
    resting_until: Option<DateTime<Utc>>,
    trial: Trial,
}

impl Running<'_> {
    fn run(&mut self, run: Run, engine: &KqlEngine, incidents: &mut Incidents<'_>) -> Result<()> {
        let rule = &self.file.rule;
        if self.resting_until.is_some_and(|until| run.at < until) {
            self.trial.suppressed += 1;
            return Ok(());
        }
        let engine = engine.clone().with_now(run.at).with_timespan(run.from..run.at);
        let result = engine.run(&rule.query).map_err(|error| self.failed(&error, run))?;
        let rows = i64::try_from(result.frame.height()).unwrap_or(i64::MAX);
        let (Some(operator), Some(threshold)) = (rule.trigger_operator, rule.trigger_threshold) else { return Ok(()) };
        if !operator.holds(rows, threshold) {
            return Ok(());
        }
        self.trial.met += 1;
        self.resting_until = rule.suppression().map(|seconds| run.at + TimeDelta::seconds(seconds));
        for alert in alert::alerts(rule, run, &result) {
            if self.known.alerts.contains(&alert.id) {
                self.trial.known += 1;
                continue;
            }
            incidents.take(&alert);
            self.trial.alerts.push(alert);
        }
        Ok(())
    }

    fn failed(&self, error: &QueryError, run: Run) -> Error {
        match error {
            QueryError::Stopped(Stopped::Cancelled) => Error::cancelled(),
            QueryError::Diagnostics(diagnostics) => {
                let source = query_source(self.file);
                let shown: Vec<String> =
                    diagnostics.iter().map(|found| found.clone().within(Some(&source)).render("")).collect();
                Error::new("RuleError", shown.join("\n"))
            }
            other => {
                let message = format!("{}: the run of {} failed: {other}", self.file.name, run.at.to_rfc3339());
                Error::new("RuleError", message)
            }
        }
    }
}

/// First and last `TimeGenerated` of the tables that a query names; `None` if they have no rows or no times.
fn data_span(query: &str, engine: &KqlEngine) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let spans = huntbook_kql::tables_mentioned(query).into_iter().filter_map(|table| {
        let table = table.replace('\\', "\\\\").replace('\'', "\\'");
        let answer = engine.run(&format!("['{table}'] | summarize min(TimeGenerated), max(TimeGenerated)")).ok()?;
        let time = |at: usize| {
            let value = answer.frame.columns().get(at)?.get(0).ok()?;
            let text = huntbook_kql::batch::text(&value, answer.schema.get(at)?.kql_type)?;
            DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc())
        };
        Some((time(0)?, time(1)?))
    });
    spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
}

/// The first multiple of the frequency behind a moment: runs then fall on round times.
fn behind(moment: DateTime<Utc>, frequency: i64) -> DateTime<Utc> {
    let seconds = (moment.timestamp().div_euclid(frequency) + 1).saturating_mul(frequency);
    DateTime::from_timestamp(seconds, 0).unwrap_or(moment)
}
