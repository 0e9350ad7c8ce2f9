//! The service's side: which requests are made, against a management plane that keeps resources in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use huntbook_engine::Error;
use huntbook_engine::sentinel::{IncidentChanges, Management, NewBookmark, Place, RuleFile, Service, Severity, Status};
use polars::prelude::*;
use serde_json::{Value as Json, json};

use crate::{RULE, engine, rule};

const WORKSPACE: &str = "/subscriptions/d0cfe6b2-9ac0-4464-9919-dccaee2e48c0/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/hunt";

/// Resources by path, and the PUTs that came. As the real plane it wants the current `etag` to replace a resource.
#[derive(Clone, Default)]
struct Plane(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    resources: BTreeMap<String, Json>,
    puts: Vec<(String, Json)>,
    queries: Vec<String>,
}

impl Plane {
    fn place(&self) -> Place {
        Place::Service(Service::new(WORKSPACE, Box::new(self.clone())).unwrap())
    }

    fn keep(&self, path: &str, resource: Json) {
        self.0.lock().unwrap().resources.insert(full(path), resource);
    }

    fn puts(&self) -> Vec<(String, Json)> {
        std::mem::take(&mut self.0.lock().unwrap().puts)
    }
}

fn full(path: &str) -> String {
    format!("{WORKSPACE}/providers/Microsoft.SecurityInsights/{path}")
}

fn short(path: &str) -> String {
    path.strip_prefix(&full("")).unwrap_or(path).to_owned()
}

impl Management for Plane {
    fn find(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Json>, Error> {
        assert_eq!(query, [("api-version", "2025-09-01")]);
        Ok(self.0.lock().unwrap().resources.get(path).cloned())
    }

    fn list(&self, path: &str, query: &[(&str, &str)], limit: usize) -> Result<Vec<Json>, Error> {
        let mut state = self.0.lock().unwrap();
        state.queries.push(query.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&"));
        let below = |key: &&String| {
            key.strip_prefix(path).is_some_and(|rest| rest.starts_with('/') && !rest[1..].contains('/'))
        };
        Ok(state.resources.iter().filter(|(key, _)| below(key)).map(|(_, found)| found.clone()).take(limit).collect())
    }

    fn put(&self, path: &str, query: &[(&str, &str)], body: &Json) -> Result<Json, Error> {
        assert_eq!(query, [("api-version", "2025-09-01")]);
        let mut state = self.0.lock().unwrap();
        if let Some(old) = state.resources.get(path)
            && old.get("etag") != body.get("etag")
        {
            return Err(Error::new("AzureError", "409 Conflict"));
        }
        state.puts.push((short(path), body.clone()));
        let mut kept = body.clone();
        kept["etag"] = json!(format!("\"{}\"", state.puts.len()));
        kept["name"] = json!(path.rsplit('/').next());
        state.resources.insert(path.to_owned(), kept.clone());
        Ok(kept)
    }
}

fn incident() -> Json {
    json!({
        "name": "73e01a99-5cd7-4139-a149-9f2736ff2ab5",
        "etag": "\"one\"",
        "properties": {
            "title": "Odd access", "severity": "Medium", "status": "New", "incidentNumber": 3177,
            "createdTimeUtc": "2026-03-01T09:00:00.1234567Z", "lastModifiedTimeUtc": "2026-03-01T09:00:00Z",
            "labels": [{"labelName": "old", "labelType": "System"}],
            "owner": {"objectId": null, "email": null, "assignedTo": null, "userPrincipalName": null},
            "additionalData": {"alertsCount": 2}, "incidentUrl": "https://portal.azure.com/x", "providerName": "Azure Sentinel"
        }
    })
}

#[test]
fn a_rule_is_deployed() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, plane) = (engine(folder.path()), Plane::default());
    let dry = engine.deploy_rule(&plane.place(), &rule(""), false).unwrap();
    assert!(dry.contains("Sentinel workspace hunt") && dry.contains("new") && dry.contains("--yes"), "{dry}");
    assert_eq!(plane.puts(), []);
    // The service's tables are not here: that Access_CL is unknown does not matter.
    engine.deploy_rule(&plane.place(), &rule(""), true).unwrap();
    let [(path, body)] = &plane.puts()[..] else { panic!("one request") };
    assert_eq!(path, "alertRules/0b3c9a52-6c1f-4f0e-9a77-2f5b0c7d1e11");
    assert_eq!(
        (&body["kind"], &body["properties"]["enabled"], &body["properties"]["queryPeriod"]),
        (&json!("Scheduled"), &json!(true), &json!("PT1H"))
    );
    assert!(engine.deploy_rule(&plane.place(), &rule(""), true).unwrap().contains("already so"));
    // Somebody switched it off, and the service fills in what it was not given.
    let mut kept = body.clone();
    kept["etag"] = json!("\"7\"");
    kept["properties"]["enabled"] = json!(false);
    kept["properties"]["customDetails"] = Json::Null;
    kept["properties"]["lastModifiedUtc"] = json!("2026-03-01T00:00:00Z");
    plane.keep(path, kept);
    let changed = RuleFile::read("rule.yaml", &RULE.replace("severity: Medium", "severity: High")).unwrap();
    let dry = engine.deploy_rule(&plane.place(), &changed, false).unwrap();
    let lines: Vec<&str> = dry.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(lines, ["  severity: \"Medium\" -> \"High\""], "{dry}");
    engine.deploy_rule(&plane.place(), &changed, true).unwrap();
    let [(_, body)] = &plane.puts()[..] else { panic!("one request") };
    assert_eq!((&body["etag"], &body["properties"]["enabled"]), (&json!("\"7\""), &json!(false)));
    let broken = RuleFile::read("rule.yaml", &RULE.replace("| where score > 2", "| wher score > 2")).unwrap();
    let message = engine.deploy_rule(&plane.place(), &broken, true).unwrap_err().message;
    assert!(message.starts_with("rule.yaml:17:"), "{message}");
}

#[test]
fn incidents_are_worked_on() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, plane) = (engine(folder.path()), Plane::default());
    plane.keep("incidents/73e01a99-5cd7-4139-a149-9f2736ff2ab5", incident());
    let list = engine.incidents(&plane.place(), Some(Status::New), 20).unwrap();
    assert_eq!(list.column("IncidentNumber").unwrap().get(0).unwrap(), AnyValue::Int64(3177));
    let asked = plane.0.lock().unwrap().queries.remove(0);
    assert_eq!(
        asked,
        "api-version=2025-09-01&$orderby=properties/createdTimeUtc desc&$top=20&$filter=properties/status eq 'New'"
    );
    let changes = IncidentChanges {
        severity: Some(Severity::High),
        owner: Some("eve@contoso.com".into()),
        add_labels: vec!["new".into(), "old".into()],
        ..IncidentChanges::default()
    };
    assert!(engine.change_incident(&plane.place(), "3177", changes.clone(), false).unwrap().contains("Medium -> High"));
    assert_eq!(plane.puts(), []);
    engine.change_incident(&plane.place(), "3177", changes, true).unwrap();
    let [(path, body)] = &plane.puts()[..] else { panic!("one request") };
    assert_eq!(path, "incidents/73e01a99-5cd7-4139-a149-9f2736ff2ab5");
    // What was there stays, and what is the service's own is not sent.
    let expected = json!({
        "etag": "\"one\"",
        "properties": {
            "title": "Odd access", "severity": "High", "status": "New",
            "labels": [{"labelName": "old", "labelType": "System"}, {"labelName": "new", "labelType": "User"}],
            "owner": {"email": "eve@contoso.com", "userPrincipalName": "eve@contoso.com", "assignedTo": "eve@contoso.com"}
        }
    });
    assert_eq!(*body, expected);
    engine.comment_incident(&plane.place(), "73e01a99-5cd7-4139-a149-9f2736ff2ab5", "it's \"odd\"", true).unwrap();
    let [(path, body)] = &plane.puts()[..] else { panic!("one request") };
    assert!(path.starts_with("incidents/73e01a99-5cd7-4139-a149-9f2736ff2ab5/comments/"), "{path}");
    assert_eq!(*body, json!({"properties": {"message": "it's \"odd\""}}));
    assert!(engine.incident(&plane.place(), "../alertRules").unwrap_err().message.contains("neither the number"));
}

#[test]
fn bookmarks_go_into_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, plane) = (engine(folder.path()), Plane::default());
    plane.keep("incidents/73e01a99-5cd7-4139-a149-9f2736ff2ab5", incident());
    let frame = df!("user" => ["ann"], "score" => [2.5]).unwrap();
    let new = NewBookmark {
        title: "{{user}}".into(),
        query: Some("Access_CL | take 1".into()),
        labels: vec!["x".into()],
        incident: Some("3177".into()),
        ..NewBookmark::default()
    };
    engine.bookmark(&plane.place(), &frame, &new, true).unwrap();
    let puts = plane.puts();
    let [(bookmark, body), (relation, link)] = &puts[..] else { panic!("two requests: {puts:?}") };
    let expected = json!({"displayName": "ann", "query": "Access_CL | take 1", "queryResult": r#"{"user":"ann","score":2.5}"#, "notes": "", "labels": ["x"]});
    assert_eq!(body["properties"], expected);
    assert!(relation.starts_with("incidents/73e01a99-5cd7-4139-a149-9f2736ff2ab5/relations/"), "{relation}");
    assert_eq!(link["properties"]["relatedResourceId"], full(bookmark));
}

#[test]
fn watchlists_cross() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, plane) = (engine(folder.path()), Plane::default());
    let people = df!("department" => ["sales, east", "it"], "user" => ["ann", "bob"]).unwrap();
    engine.put_watchlist(&plane.place(), "vips", &people, Some("user"), Some("Our VIPs"), true).unwrap();
    let [(path, body)] = &plane.puts()[..] else { panic!("one request") };
    assert_eq!(path, "watchlists/vips");
    let expected = json!({
        "displayName": "Our VIPs", "provider": "huntbook", "source": "vips.csv", "sourceType": "Local",
        "itemsSearchKey": "user", "contentType": "text/csv", "numberOfLinesToSkip": 0,
        "rawContent": "user,department\nann,\"sales, east\"\nbob,it\n"
    });
    assert_eq!(body["properties"], expected);
    for (id, item) in [("1", json!({"user": "ann", "level": 3})), ("2", json!({"user": "bob", "team": "it"}))] {
        plane.keep(&format!("watchlists/vips/watchlistItems/{id}"), json!({"properties": {"itemsKeyValue": item}}));
    }
    let items = engine.watchlist(&plane.place(), "vips").unwrap();
    assert_eq!(items.get_column_names(), ["user", "level", "team"]);
    assert_eq!(items.column("level").unwrap().get(0).unwrap().str_value(), "3");
    assert_eq!(items.column("team").unwrap().null_count(), 1);
    let again = engine.put_watchlist(&plane.place(), "vips", &people, None, None, false).unwrap();
    assert!(again.contains("in the place of 2 row(s)"), "{again}");
    assert!(engine.watchlist(&plane.place(), "none").unwrap_err().message.contains("no watchlist `none`"));
    let big = df!("user" => vec!["x".repeat(1000); 4000]).unwrap();
    assert!(
        engine.put_watchlist(&plane.place(), "vips", &big, None, None, true).unwrap_err().message.contains("3800000")
    );
}

#[test]
fn only_a_workspace_is_a_place() {
    for wrong in [
        "",
        "hunt",
        "/subscriptions/x",
        &WORKSPACE.replace("workspaces", "clusters"),
        &format!("{WORKSPACE}/../x"),
        &format!("{WORKSPACE}?x=1"),
    ] {
        assert!(Service::new(wrong, Box::new(Plane::default())).is_err(), "{wrong}");
    }
    assert!(Service::new(&WORKSPACE.to_lowercase(), Box::new(Plane::default())).is_ok());
}
