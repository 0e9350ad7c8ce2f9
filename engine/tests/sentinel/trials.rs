//! Rules over data: which alerts and incidents come of it.

use chrono::{DateTime, Utc};
use huntbook_engine::Engine;
use huntbook_engine::sentinel::{RuleFile, Severity, Status, Times, Trial, moment_of};

use crate::{RULE, engine, engine_with_accesses, fill, rule};

fn at(text: &str) -> DateTime<Utc> {
    moment_of(&format!("2026-03-01T{text}Z")).unwrap()
}

fn tried(engine: &Engine, file: &RuleFile, times: Times) -> Trial {
    engine.test_rule(file, times).unwrap_or_else(|error| panic!("{error}"))
}

/// Over the day of the accesses.
fn over_day(engine: &Engine, file: &RuleFile) -> Trial {
    tried(engine, file, Times::Between(at("09:00"), at("12:00")))
}

/// Time, rows and entities of the alerts.
fn alerts(trial: &Trial) -> Vec<(String, usize, String)> {
    let entities = |alert: &huntbook_engine::sentinel::Alert| {
        alert.entities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    trial.alerts.iter().map(|alert| (alert.time.format("%H:%M").to_string(), alert.rows, entities(alert))).collect()
}

fn expected(alerts: &[(&str, usize, &str)]) -> Vec<(String, usize, String)> {
    alerts.iter().map(|(time, rows, entities)| ((*time).to_owned(), *rows, (*entities).to_owned())).collect()
}

#[test]
fn each_run_sees_its_own_window() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let trial = over_day(&engine, &rule(""));
    assert_eq!(
        alerts(&trial),
        expected(&[("09:00", 2, "Account ann"), ("10:00", 1, "Account bob"), ("11:00", 1, "Account ann")])
    );
    assert_eq!((trial.runs, trial.met, trial.suppressed, trial.incidents.len()), (4, 3, 0, 3));
    // Without times: on round times, until the last row has been seen.
    let all = tried(&engine, &rule(""), Times::OverData);
    assert_eq!(all.times, (at("09:00"), at("11:00")));
    assert_eq!(alerts(&all), alerts(&trial));
    // One run, between the two rows of ann.
    let one = tried(&engine, &rule(""), Times::At(at("08:40")));
    assert_eq!(alerts(&one), expected(&[("08:40", 1, "Account ann")]));
    // What lies on the end of a window belongs to the next one.
    assert_eq!(one.alerts[0].activity, (at("08:10"), at("08:10")));
    // A longer period sees rows again.
    let longer = RuleFile::read("rule.yaml", &RULE.replace("queryPeriod: 1h", "queryPeriod: 2h")).unwrap();
    assert_eq!(over_day(&engine, &longer).alerts.iter().map(|alert| alert.rows).collect::<Vec<_>>(), [2, 3, 2, 1]);
}

#[test]
fn queries_know_the_time_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let text = RULE.replace("| where score > 2", "| where TimeGenerated > ago(25m) and score > 2");
    let file = RuleFile::read("rule.yaml", &text).unwrap();
    assert_eq!(alerts(&over_day(&engine, &file)), expected(&[("09:00", 1, "Account ann")]));
}

#[test]
fn the_threshold_decides() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let met = |operator: &str, threshold: i64| {
        let trigger = format!("triggerOperator: {operator}\ntriggerThreshold: {threshold}");
        let text = RULE.replace("triggerOperator: gt\ntriggerThreshold: 0", &trigger);
        let trial = over_day(&engine, &RuleFile::read("rule.yaml", &text).unwrap());
        trial.alerts.iter().map(|alert| alert.time.format("%H").to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(met("gt", 1), "09");
    assert_eq!(met("eq", 1), "10 11");
    assert_eq!(met("ne", 1), "09 12");
    // A rule that waits for silence raises an alert about nobody.
    assert_eq!(met("lt", 1), "12");
}

#[test]
fn an_alert_per_row_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let per_row = "eventGroupingSettings:\n  aggregationKind: AlertPerResult\n";
    let trial = over_day(&engine, &rule(per_row));
    let expected = expected(&[
        ("09:00", 1, "Account ann"),
        ("09:00", 1, "Account ann"),
        ("10:00", 1, "Account bob"),
        ("11:00", 1, "Account ann"),
    ]);
    assert_eq!(alerts(&trial), expected);
    let ids: std::collections::HashSet<&str> = trial.alerts.iter().map(|alert| alert.id.as_str()).collect();
    assert_eq!(ids.len(), 4, "alerts of one run are told apart");
    fill(
        &engine,
        "Access",
        "range n from 1 to 200 step 1 | project TimeGenerated = datetime(2026-03-02T08:30:00Z), user = strcat('u', n), share = 'x', score = 9.0, ip = ''",
    );
    let many = tried(&engine, &rule(per_row), Times::At(moment_of("2026-03-02T09:00Z").unwrap()));
    assert_eq!(many.alerts.len(), 150);
    assert_eq!((many.alerts[148].rows, many.alerts[149].rows), (1, 200));
    assert_eq!(many.alerts[149].entities.len(), 200, "the last alert stands for all rows");
}

#[test]
fn a_rule_rests_after_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let trial = over_day(&engine, &rule("suppressionEnabled: true\nsuppressionDuration: 2h\n"));
    assert_eq!(alerts(&trial), expected(&[("09:00", 2, "Account ann"), ("11:00", 1, "Account ann")]));
    assert_eq!(trial.suppressed, 2, "the runs at 10:00 and 12:00");
    let off = over_day(&engine, &rule("suppressionEnabled: false\nsuppressionDuration: 2h\n"));
    assert_eq!(off.alerts.len(), 3);
}

#[test]
fn entities_are_what_the_rows_name() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let ip = "  - entityType: IP\n    fieldMappings:\n      - identifier: Address\n        columnName: ip\nversion";
    let file = RuleFile::read("rule.yaml", &RULE.replace("version", ip)).unwrap();
    // bob's row has no address: it names no IP.
    let found: Vec<String> = alerts(&over_day(&engine, &file)).into_iter().map(|(_, _, entities)| entities).collect();
    assert_eq!(found, ["Account ann, IP 10.0.0.1", "Account bob", "Account ann, IP 10.0.0.9"]);
}

#[test]
fn details_come_from_the_first_row() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let text = RULE.replace(
        "| sort by",
        "| extend level = iff(score > 4, 'high', 'nonsense'), tactic = iff(score > 4, 'Collection, Nothing', '')\n  | sort by",
    );
    let text = format!(
        "{text}alertDetailsOverride:\n  alertDisplayNameFormat: '{{{{user}}}} opened {{{{ share }}}}'\n  alertDescriptionFormat: Score {{{{score}}}}\n  alertSeverityColumnName: level\n  alertTacticsColumnName: tactic\n  alertDynamicProperties:\n    - alertProperty: ProductName\n      value: share\ncustomDetails:\n  Share: share\n"
    );
    let trial = over_day(&engine, &RuleFile::read("rule.yaml", &text).unwrap());
    let (ann, bob) = (&trial.alerts[0], &trial.alerts[1]);
    assert_eq!((ann.name.as_str(), ann.description.as_str()), ("ann opened payroll", "Score 3.5"));
    assert_eq!((ann.severity, ann.tactics.as_slice()), (Severity::Medium, &["Discovery".to_owned()][..]));
    assert_eq!(ann.custom_details, [("Share".to_owned(), vec!["payroll".to_owned(), "board".to_owned()])]);
    assert_eq!(ann.properties, [("ProductName".to_owned(), "payroll".to_owned())]);
    assert_eq!((bob.severity, bob.tactics.as_slice()), (Severity::High, &["Collection".to_owned()][..]));
    assert_eq!(trial.incidents[1].title, "bob opened payroll");
}

fn grouping(method: &str, more: &str) -> String {
    format!(
        "incidentConfiguration:\n  createIncident: true\n  groupingConfiguration:\n    enabled: true\n    reopenClosedIncident: true\n    lookbackDuration: 5h\n    matchingMethod: {method}\n{more}"
    )
}

/// Alerts of the incidents.
fn sizes(trial: &Trial) -> Vec<usize> {
    trial.incidents.iter().map(|incident| incident.alerts.len()).collect()
}

#[test]
fn alerts_meet_in_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let group = |more: &str| sizes(&over_day(&engine, &rule(more)));
    assert_eq!(group(""), [1, 1, 1]);
    assert_eq!(group(&grouping("AllEntities", "")), [2, 1], "ann at 9 and 11, bob at 10");
    assert_eq!(group(&grouping("AnyAlert", "")), [3]);
    assert_eq!(group(&grouping("Selected", "    groupByEntities: [Account]\n")), [2, 1]);
    assert_eq!(group(&grouping("Selected", "    groupByAlertDetails: [DisplayName, Severity]\n")), [3]);
    let by_detail = format!("customDetails:\n  Ip: ip\n{}", grouping("Selected", "    groupByCustomDetails: [Ip]\n"));
    assert_eq!(group(&by_detail), [1, 1, 1], "three addresses");
    // The second alert of ann comes two hours later.
    assert_eq!(group(&grouping("AllEntities", "").replace("5h", "2h")), [1, 1, 1]);
    assert_eq!(group(&grouping("AllEntities", "").replace("enabled: true", "enabled: false")), [1, 1, 1]);
    assert_eq!(group("incidentConfiguration:\n  createIncident: false\n"), [0; 0]);
    // An IP that changes makes other entities.
    let ip = "  - entityType: IP\n    fieldMappings:\n      - identifier: Address\n        columnName: ip\nversion";
    let text = format!("{}{}", RULE.replace("version", ip), grouping("AllEntities", ""));
    assert_eq!(sizes(&over_day(&engine, &RuleFile::read("rule.yaml", &text).unwrap())), [1, 1, 1]);
}

#[test]
fn an_incident_takes_so_many_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    fill(
        &engine,
        "Access",
        "range n from 0 to 199 step 1 | project TimeGenerated = datetime(2026-03-01T08:00:00Z) + n * 5m, user = 'ann', score = 9.0",
    );
    let text = RULE.replace("queryFrequency: 1h\nqueryPeriod: 1h", "queryFrequency: 5m\nqueryPeriod: 5m");
    let text = format!("{text}{}", grouping("AnyAlert", "").replace("5h", "7d"));
    let trial = tried(&engine, &RuleFile::read("rule.yaml", &text).unwrap(), Times::OverData);
    assert_eq!((trial.runs, trial.alerts.len(), sizes(&trial)), (200, 200, vec![150, 50]));
}

#[test]
fn what_cannot_run_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let failed = |file: &RuleFile, times| engine.test_rule(file, times).unwrap_err().message;
    let broken = RuleFile::read("rule.yaml", &RULE.replace("columnName: user", "columnName: users")).unwrap();
    assert!(failed(&broken, Times::OverData).starts_with("rule.yaml:23: the query gives no column `users`"));
    let years = Times::Between(moment_of("2020-01-01").unwrap(), moment_of("2026-01-01").unwrap());
    assert!(failed(&rule(""), years).contains("--from, --to"));
    assert!(failed(&rule(""), Times::Between(at("10:00"), at("09:00"))).contains("is after the last"));
}

#[test]
fn what_is_recorded_is_not_raised_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let file = rule(&grouping("AllEntities", ""));
    let record = |from: &str, to: &str| engine.record_rule(&file, Times::Between(at(from), at(to))).unwrap();
    let first = record("09:00", "10:00");
    assert_eq!((first.alerts.len(), first.known), (2, 0));
    assert_eq!(first.incidents.iter().map(|incident| incident.number).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let again = record("09:00", "10:00");
    assert_eq!((again.alerts.len(), again.known, again.incidents.len()), (0, 2, 0));
    // ann's alert of 11:00 joins the incident that is there.
    let later = record("09:00", "12:00");
    assert_eq!((later.alerts.len(), later.known, sizes(&later)), (1, 2, vec![2]));
    assert_eq!(later.incidents[0].number, Some(1));
    let cell = |query: &str| engine.kql(query).unwrap().frame.columns()[0].get(0).unwrap().str_value().to_string();
    assert_eq!(cell("SecurityAlert | count"), "3");
    let latest = "SecurityIncident | summarize arg_max(TimeGenerated, *) by IncidentNumber";
    assert_eq!(cell(&format!("{latest} | where IncidentNumber == 1 | project array_length(AlertIds)")), "2");
    // As the service's own tables are joined.
    let joined = format!(
        "{latest} | mv-expand AlertId = AlertIds to typeof(string) | join kind=inner (SecurityAlert | project AlertId = SystemAlertId, Entities) on AlertId | where tostring(parse_json(Entities)[0].Name) == 'ann' | count"
    );
    assert_eq!(cell(&joined), "2");
    assert_eq!(
        cell(
            "SecurityAlert | where ExtendedProperties has 'Odd access' | summarize t = min(StartTime) | project tostring(t)"
        ),
        "2026-03-01T08:10:00.0000000Z"
    );
}

#[test]
fn a_closed_incident_is_opened_again_or_left() {
    use huntbook_engine::sentinel::{IncidentChanges, Place};
    for (reopen, expected) in [(true, vec![(Some(1), Status::Active, 2)]), (false, vec![(Some(3), Status::New, 1)])] {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine_with_accesses(folder.path());
        let text =
            grouping("AllEntities", "").replace("Incident: true\n    look", &format!("Incident: {reopen}\n    look"));
        let file = rule(&text);
        engine.record_rule(&file, Times::Between(at("09:00"), at("10:00"))).unwrap();
        let close = IncidentChanges {
            status: Some(Status::Closed),
            classification: Some("TruePositive".into()),
            ..IncidentChanges::default()
        };
        engine.change_incident(&Place::Local, "1", close, true).unwrap();
        let later = engine.record_rule(&file, Times::At(at("11:00"))).unwrap();
        let found: Vec<_> =
            later.incidents.iter().map(|incident| (incident.number, incident.status, incident.alerts.len())).collect();
        assert_eq!(found, expected, "reopenClosedIncident: {reopen}");
        let kept = engine.incident(&Place::Local, "1").unwrap();
        let state = if reopen { ("Active", "") } else { ("Closed", "TruePositive") };
        assert_eq!((kept.status.as_str(), kept.classification.as_str()), state);
    }
}
