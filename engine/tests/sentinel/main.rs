//! The hand-over to Microsoft Sentinel: rules in files, rules over data, and what people do with their incidents.

mod desk;
mod files;
mod service;
mod trials;

use std::path::Path;

use huntbook_engine::sentinel::RuleFile;
use huntbook_engine::{Engine, Settings, WriteRequest};

fn engine(folder: &Path) -> Engine {
    let settings =
        Settings { workspace: folder.join("workspace"), base: folder.to_owned(), transfer: folder.join("transfer") };
    Engine::new(settings).unwrap()
}

/// Accesses to shares on 1 March: ann's odd ones at 8:10, 8:40 and 10:20, bob's at 9:30.
fn engine_with_accesses(folder: &Path) -> Engine {
    let engine = engine(folder);
    fill(
        &engine,
        "Access",
        r#"datatable(TimeGenerated:datetime, user:string, share:string, score:real, ip:string)[
            datetime(2026-03-01T08:10:00Z), "ann", "payroll", 3.5, "10.0.0.1",
            datetime(2026-03-01T08:40:00Z), "ann", "board", 2.5, "10.0.0.1",
            datetime(2026-03-01T08:50:00Z), "cid", "public", 0.1, "10.0.0.3",
            datetime(2026-03-01T09:30:00Z), "bob", "payroll", 4.5, "",
            datetime(2026-03-01T10:20:00Z), "ann", "board", 2.1, "10.0.0.9"]"#,
    );
    engine
}

/// Rows of a query into `TABLE_CL`.
fn fill(engine: &Engine, table: &str, query: &str) {
    let rows = engine.kql(query).unwrap_or_else(|error| panic!("{error}"));
    engine.keep(rows.frame, Some("filling"));
    let request = WriteRequest { table: table.to_owned(), ..WriteRequest::default() };
    engine.write_named("filling", &request).unwrap_or_else(|error| panic!("{error}"));
}

/// A rule over the accesses, with more lines at its end.
fn rule(more: &str) -> RuleFile {
    let text = format!("{RULE}{more}");
    RuleFile::read("rule.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
}

const RULE: &str = "\
id: 0b3c9a52-6c1f-4f0e-9a77-2f5b0c7d1e11
name: Odd access to a share
description: |
  Someone opened a share that nobody like them opens.
severity: Medium
requiredDataConnectors: []
queryFrequency: 1h
queryPeriod: 1h
triggerOperator: gt
triggerThreshold: 0
tactics:
  - Discovery
relevantTechniques:
  - T1135
query: |
  Access_CL
  | where score > 2
  | sort by TimeGenerated asc
entityMappings:
  - entityType: Account
    fieldMappings:
      - identifier: Name
        columnName: user
version: 1.0.0
kind: Scheduled
";
