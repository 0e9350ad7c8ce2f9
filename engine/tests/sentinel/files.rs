//! Rules in files: read, checked, written, turned into requests.

use huntbook_engine::sentinel::{NewRule, RuleFile, Severity, file_name, rule_files};
use serde_json::json;

use crate::{RULE, engine, engine_with_accesses, rule};

const SIGN_INS: &str = "\
id: 7d0f6f0b-0c1e-4f57-9d0e-a4a2c3b5d6e7
name: 'Sign-ins: many failures, then a success'
description: |
  Counts failed sign-ins of an account from one address.
  'More than ten' and a success are reported.
severity: High
status: Available
requiredDataConnectors:
  - connectorId: AzureActiveDirectory
    dataTypes:
      - SigninLogs
queryFrequency: 1h
queryPeriod: 24h
triggerOperator: gt
triggerThreshold: 0
tactics:
  - CredentialAccess
  - InitialAccess
relevantTechniques:
  - T1110
  - T1078.004
tags:
  - Rare: yes it is
query: |
  let threshold = 10;
  SigninLogs
  | summarize failures = countif(ResultType != \"0\"), successes = countif(ResultType == \"0\")
      by UserPrincipalName, IPAddress

  | where failures > threshold and successes > 0
entityMappings:
  - entityType: Account
    fieldMappings:
      - identifier: FullName
        columnName: UserPrincipalName
  - entityType: IP
    fieldMappings:
      - {identifier: Address, columnName: IPAddress}
customDetails:
  Failures: failures
alertDetailsOverride:
  alertDisplayNameFormat: Many failures of {{UserPrincipalName}}
  alertDescriptionFormat: '{{failures}} failures from {{IPAddress}}'
eventGroupingSettings:
  aggregationKind: AlertPerResult
incidentConfiguration:
  createIncident: true
  groupingConfiguration:
    enabled: true
    reopenClosedIncident: true
    lookbackDuration: PT5H
    matchingMethod: Selected
    groupByEntities:
      - Account
    groupByAlertDetails: []
    groupByCustomDetails:
      - Failures
suppressionEnabled: false
suppressionDuration: 5h
version: 1.2.3
kind: Scheduled
";

const MINIMAL: &str = "\
id: 5f171045-88ab-4634-baae-a7b6509f483b
name: Audit log cleared
description: Event 1102
severity: Low
queryFrequency: 1d
queryPeriod: 14d
triggerOperator: ne
triggerThreshold: 3
query: \"SecurityEvent | where EventID == 1102\"
";

#[test]
fn rules_come_back_as_they_were_read() {
    for text in [RULE, SIGN_INS, MINIMAL] {
        let first = RuleFile::read("a.yaml", text).unwrap();
        assert_eq!(first.problems(), [], "{text}");
        let written = first.rule.to_yaml().unwrap();
        let second = RuleFile::read("b.yaml", &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(first.rule, second.rule);
        assert_eq!(second.rule.to_yaml().unwrap(), written);
        // Spelling survives too, and what only the repository knows.
        let value = |text: &str| serde_yaml_ng::from_str::<serde_yaml_ng::Value>(text).unwrap();
        assert_eq!(value(text), value(&written), "{written}");
    }
    let written = RuleFile::read("a.yaml", SIGN_INS).unwrap().rule.to_yaml().unwrap();
    assert!(written.contains("queryPeriod: 24h") && written.contains("lookbackDuration: PT5H"), "{written}");
    assert!(written.contains("query: |\n  let threshold = 10;\n  SigninLogs\n"), "{written}");
    assert!(written.ends_with("version: 1.2.3\nkind: Scheduled\n"), "{written}");
}

#[test]
fn the_request_has_what_the_service_wants() {
    let rule = RuleFile::read("a.yaml", SIGN_INS).unwrap().rule;
    let query = rule.query.clone();
    assert_eq!(
        rule.to_arm(),
        json!({"kind": "Scheduled", "properties": {
            "displayName": "Sign-ins: many failures, then a success",
            "description": "Counts failed sign-ins of an account from one address.\n'More than ten' and a success are reported.",
            "enabled": true,
            "severity": "High",
            "query": query,
            "queryFrequency": "PT1H",
            "queryPeriod": "P1D",
            "triggerOperator": "GreaterThan",
            "triggerThreshold": 0,
            "suppressionDuration": "PT5H",
            "suppressionEnabled": false,
            "tactics": ["CredentialAccess", "InitialAccess"],
            "techniques": ["T1110", "T1078"],
            "entityMappings": [
                {"entityType": "Account", "fieldMappings": [{"identifier": "FullName", "columnName": "UserPrincipalName"}]},
                {"entityType": "IP", "fieldMappings": [{"identifier": "Address", "columnName": "IPAddress"}]},
            ],
            "customDetails": {"Failures": "failures"},
            "alertDetailsOverride": {
                "alertDisplayNameFormat": "Many failures of {{UserPrincipalName}}",
                "alertDescriptionFormat": "{{failures}} failures from {{IPAddress}}",
            },
            "eventGroupingSettings": {"aggregationKind": "AlertPerResult"},
            "incidentConfiguration": {"createIncident": true, "groupingConfiguration": {
                "enabled": true,
                "reopenClosedIncident": true,
                "lookbackDuration": "PT5H",
                "matchingMethod": "Selected",
                "groupByEntities": ["Account"],
                "groupByAlertDetails": [],
                "groupByCustomDetails": ["Failures"],
            }},
        }})
    );
    let minimal = RuleFile::read("a.yaml", MINIMAL).unwrap().rule.to_arm();
    assert_eq!(minimal["properties"]["triggerOperator"], "NotEqual");
    assert_eq!(minimal["properties"]["queryPeriod"], "P14D");
    assert!(minimal["properties"].get("entityMappings").is_none());
}

/// The problems of a rule after one replacement in its text, as `line: message`.
fn problems(old: &str, new: &str) -> Vec<String> {
    assert!(SIGN_INS.contains(old), "{old}");
    let file = RuleFile::read("a.yaml", &SIGN_INS.replacen(old, new, 1)).unwrap_or_else(|error| panic!("{error}"));
    file.problems().iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
}

#[test]
fn problems_name_their_line() {
    let cases = [
        ("id: 7d0f6f0b-0c1e-4f57-9d0e-a4a2c3b5d6e7", "id: rule-1", "1: `id` must be a GUID"),
        ("queryPeriod: 24h", "queryPeriod: 30m", "13: `queryPeriod: 30m` is shorter"),
        ("queryPeriod: 24h", "queryPeriod: 15d", "13: `queryPeriod: 15d` must be from 5m to 14d"),
        ("queryFrequency: 1h", "queryFrequency: 1m", "12: `queryFrequency: 1m` must be from 5m to 14d"),
        (
            "queryFrequency: 1h\nqueryPeriod: 24h",
            "queryFrequency: 5m\nqueryPeriod: 2d",
            "12: `queryFrequency: 5m` must be 1h or more",
        ),
        ("queryFrequency: 1h\n", "", "1: `queryFrequency` is missing"),
        ("queryFrequency: 1h", "queryfrequency: 1h", "12: `queryfrequency` is written `queryFrequency`"),
        ("triggerThreshold: 0", "triggerThreshold: 10001", "15: `triggerThreshold: 10001` must be"),
        ("  - InitialAccess", "  - Intrusion", "18: there is no tactic `Intrusion`"),
        ("  - T1078.004", "  - T1078.4", "21: `T1078.4` is no technique"),
        ("entityType: IP", "entityType: Address", "36: there is no entity type `Address`"),
        ("identifier: FullName", "identifier: Login", "34: Account has no identifier `Login`"),
        ("identifier: FullName", "identifier: NTDomain", "32: Account needs FullName, Sid, Name"),
        ("  Failures: failures", "  Failed-Logins: failures", "40: `Failed-Logins` cannot name a detail"),
        (
            "Many failures of {{UserPrincipalName}}",
            "'{{a}} {{b}} {{c}} {{d}}'",
            "42: `alertDisplayNameFormat` names 4 columns",
        ),
        ("Many failures of {{UserPrincipalName}}", "'{{UserPrincipalName'", "42: `alertDisplayNameFormat` opens"),
        ("lookbackDuration: PT5H", "lookbackDuration: 8d", "51: `lookbackDuration: 8d` must be from 5m to 7d"),
        ("      - Account\n", "      - Host\n", "54: `Host` is nothing to group by; the rule has: Account, IP"),
        ("      - Failures\n", "      - Fails\n", "57: `Fails` is nothing to group by; the rule has: Failures"),
        (
            "suppressionDuration: 5h",
            "suppressionDuration: 25h",
            "59: `suppressionDuration: 25h` must be from 5m to 24h",
        ),
        ("kind: Scheduled", "kind: NRT", "61: `kind: NRT` is not tested"),
        ("status: Available", "stage: Available", "7: `stage` is no key of a rule"),
    ];
    for (old, new, expected) in cases {
        let found = problems(old, new);
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{new}: {found:?}");
    }
    let missing = RuleFile::read("a.yaml", "query: T\n").unwrap().problems();
    for key in [
        "id",
        "name",
        "description",
        "severity",
        "queryFrequency",
        "queryPeriod",
        "triggerOperator",
        "triggerThreshold",
    ] {
        assert!(missing.iter().any(|problem| problem.message.starts_with(&format!("`{key}` is missing"))), "{key}");
    }
}

#[test]
fn what_is_no_rule_is_said_with_its_line() {
    let message = |text: &str| RuleFile::read("a.yaml", text).unwrap_err().message;
    let wrong = message(&SIGN_INS.replace("severity: High", "severity: Critical"));
    assert!(wrong.starts_with("a.yaml:6:") && wrong.contains("Critical") && wrong.contains("Informational"), "{wrong}");
    let wrong = message(&SIGN_INS.replace("queryPeriod: 24h", "queryPeriod: a day"));
    assert!(wrong.starts_with("a.yaml:13:") && wrong.contains("`a day` is not a duration"), "{wrong}");
    assert!(message("id: [1\nname: x\n").starts_with("a.yaml:"));
    assert!(message("just text").starts_with("a.yaml:1:"));
    // An empty file is a rule of which everything is missing.
    assert!(RuleFile::read("a.yaml", "").unwrap().problems().len() >= 8);
}

#[test]
fn the_query_and_its_columns_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let found = |file: &RuleFile| -> Vec<String> {
        let problems = engine.rule_problems(file).unwrap();
        problems.iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(found(&rule("")), none);
    let changed = |old: &str, new: &str| RuleFile::read("rule.yaml", &RULE.replacen(old, new, 1)).unwrap();
    let problems = found(&changed("where score > 2", "where scores > 2"));
    assert!(problems[0].starts_with("17: KQL error KH0102 in rule.yaml at line 17, column 11"), "{problems:?}");
    assert!(
        problems[0].contains(" 17 | | where scores > 2\n    |         ^^^^^^ did you mean `score`?"),
        "{problems:?}"
    );
    let problems = found(&changed("columnName: user", "columnName: User"));
    assert_eq!(problems, ["23: the query gives no column `User`; it is written `user`"]);
    let more = "alertDetailsOverride:\n  alertDisplayNameFormat: By {{who}}\n  alertSeverityColumnName: level\ncustomDetails:\n  Share: shares\n";
    let problems = found(&rule(more));
    assert_eq!(problems.len(), 3, "{problems:?}");
    for (problem, expected) in problems.iter().zip([
        "27: the query gives no column `who`",
        "28: the query gives no column `level`",
        "30: the query gives no column `shares`",
    ]) {
        assert!(problem.starts_with(expected), "{problem}");
    }
    // A rule runs where no notebook is: frames and Rust values are nothing to it.
    let rows = engine.kql("Access_CL | take 1").unwrap();
    engine.keep(rows.frame, Some("hits"));
    let problems = found(&changed("Access_CL", "hits"));
    assert!(problems[0].contains("unknown table `hits`"), "{problems:?}");
    let problems = found(&changed("Access_CL", "Accesses_CL"));
    assert!(problems[0].starts_with("16: ") && problems[0].contains("did you mean `Access_CL`?"), "{problems:?}");
}

#[test]
fn a_rule_is_made_of_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let new = NewRule {
        name: "Odd access".into(),
        query: "Access_CL | where score > 2".into(),
        severity: Some(Severity::High),
        tactics: vec!["Discovery".into()],
        details: vec!["Score=score".into()],
        ..NewRule::default()
    };
    let yaml = engine.new_rule(&new).unwrap().to_yaml().unwrap();
    let file = RuleFile::read("new.yaml", &yaml).unwrap();
    assert_eq!(engine.rule_problems(&file).unwrap(), [], "{yaml}");
    let mapping = &file.rule.entity_mappings.as_ref().unwrap()[0];
    assert_eq!((mapping.entity_type.as_str(), mapping.field_mappings[0].column_name.as_str()), ("Account", "user"));
    let asked = NewRule { entities: vec!["Account.Name=user".into(), "IP.Address=ip".into()], ..new.clone() };
    assert_eq!(engine.new_rule(&asked).unwrap().entity_mappings.unwrap().len(), 2);
    let message = |new: NewRule| engine.new_rule(&new).unwrap_err().message;
    assert!(message(NewRule { entities: vec!["user".into()], ..new.clone() }).contains("Account.Name=user"));
    assert!(
        message(NewRule { entities: vec!["Person.Name=user".into()], ..new.clone() })
            .contains("there is no entity type")
    );
    assert!(message(NewRule { query: "Access_CL | where scre > 2".into(), ..new }).contains("did you mean `score`"));
    assert_eq!(file_name("Rare: share access, 2nd"), "RareShareAccess2nd.yaml");
}

#[test]
fn folders_hold_rules_and_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir_all(rules.join("deep")).unwrap();
    std::fs::write(rules.join("b.yaml"), RULE).unwrap();
    std::fs::write(rules.join("deep").join("a.yml"), MINIMAL).unwrap();
    std::fs::write(rules.join("parser.yaml"), "ParserName: x\nParserQuery: |\n  T\n").unwrap();
    std::fs::write(rules.join("notes.txt"), RULE).unwrap();
    let found: Vec<String> = rule_files(&rules)
        .unwrap()
        .iter()
        .map(|path| path.strip_prefix(&rules).unwrap().display().to_string())
        .collect();
    assert_eq!(found, ["b.yaml", "deep/a.yml"]);
    assert!(rule_files(&folder.path().join("nowhere")).is_err());
    let none = engine(folder.path()).rules_folder();
    std::fs::create_dir_all(&none).unwrap();
    assert!(rule_files(&none).unwrap_err().message.contains("no analytics rule"));
}
