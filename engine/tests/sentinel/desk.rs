//! What people do in the local workspace: incidents, bookmarks, watchlists, deploying.

use huntbook_engine::Engine;
use huntbook_engine::sentinel::{IncidentChanges, NewBookmark, Place, Severity, Status, Times, moment_of};
use polars::prelude::*;

use crate::{engine, engine_with_accesses, rule};

fn cell(engine: &Engine, query: &str) -> String {
    let answer = engine.kql(query).unwrap_or_else(|error| panic!("{error}"));
    answer.frame.columns()[0].get(0).unwrap().str_value().to_string()
}

/// Incidents 1 (ann), 2 (bob) and 3 (ann).
fn with_incidents(folder: &std::path::Path) -> Engine {
    let engine = engine_with_accesses(folder);
    engine.record_rule(&rule(""), Times::OverData).unwrap();
    engine
}

#[test]
fn incidents_are_worked_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_incidents(folder.path());
    let local = Place::Local;
    assert_eq!(engine.incidents(&local, None, 50).unwrap().height(), 3);
    let changes = IncidentChanges {
        status: Some(Status::Active),
        severity: Some(Severity::High),
        owner: Some("eve@contoso.com".into()),
        add_labels: vec!["shares".into()],
        ..IncidentChanges::default()
    };
    let dry = engine.change_incident(&local, "2", changes.clone(), false).unwrap();
    assert!(dry.contains("status: New -> Active") && dry.contains("owner: (none) -> eve@contoso.com"), "{dry}");
    assert!(dry.contains("--yes"), "{dry}");
    assert_eq!(engine.incident(&local, "2").unwrap().status, "New", "a dry run changes nothing");
    engine.change_incident(&local, "2", changes.clone(), true).unwrap();
    let changed = engine.incident(&local, "2").unwrap();
    assert_eq!(
        (changed.status.as_str(), changed.severity.as_str(), changed.owner.as_str()),
        ("Active", "High", "eve@contoso.com")
    );
    assert_eq!((changed.labels.as_slice(), changed.alerts), (&["shares".to_owned()][..], 1));
    assert!(engine.change_incident(&local, "2", changes, true).unwrap().contains("already so"));
    engine.comment_incident(&local, "2", "asked \"bob\"", true).unwrap();
    engine.comment_incident(&local, &changed.name, "bob says no", true).unwrap();
    let comments: Vec<String> =
        engine.incident(&local, "2").unwrap().comments.into_iter().map(|(_, text)| text).collect();
    assert_eq!(comments, ["asked \"bob\"", "bob says no"]);
    let close = IncidentChanges {
        status: Some(Status::Closed),
        classification: Some("BenignPositive".into()),
        closing_comment: Some("a new duty".into()),
        ..IncidentChanges::default()
    };
    engine.change_incident(&local, "2", close, true).unwrap();
    assert_eq!(engine.incidents(&local, Some(Status::Closed), 50).unwrap().height(), 1);
    assert_eq!(engine.incidents(&local, Some(Status::New), 1).unwrap().height(), 1);
    // The table is a log, as the service's is: everything that happened is there.
    assert_eq!(cell(&engine, "SecurityIncident | where IncidentNumber == 2 | count"), "5");
    let latest = "SecurityIncident | summarize arg_max(TimeGenerated, *) by IncidentNumber | where IncidentNumber == 2";
    assert_eq!(cell(&engine, &format!("{latest} | project ClassificationReason")), "SuspiciousButExpected");
    assert_eq!(cell(&engine, &format!("{latest} | project tostring(Labels[0].labelName)")), "shares");
    assert_eq!(cell(&engine, &format!("{latest} | project isnotnull(ClosedTime)")), "true");
}

#[test]
fn mistakes_with_incidents_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_incidents(folder.path());
    let message = |id: &str, changes| engine.change_incident(&Place::Local, id, changes, true).unwrap_err().message;
    let closing = |classification: Option<&str>, reason: Option<&str>| IncidentChanges {
        status: Some(Status::Closed),
        classification: classification.map(str::to_owned),
        reason: reason.map(str::to_owned),
        ..IncidentChanges::default()
    };
    assert!(message("9", closing(Some("Undetermined"), None)).contains("there is no incident `9`"));
    assert!(message("x' or true", closing(Some("Undetermined"), None)).contains("there is no incident"));
    assert!(message("1", closing(None, None)).contains("TruePositive, BenignPositive"));
    assert!(message("1", closing(Some("Nonsense"), None)).contains("there is no classification `Nonsense`"));
    assert!(message("1", closing(Some("FalsePositive"), Some("SuspiciousActivity"))).contains("IncorrectAlertLogic"));
    let open = IncidentChanges { classification: Some("TruePositive".into()), ..IncidentChanges::default() };
    assert!(message("1", open).contains("goes with closing"));
    assert!(engine.comment_incident(&Place::Local, "1", " ", true).is_err());
    let empty = engine_in(&folder.path().join("other"));
    assert_eq!(empty.incidents(&Place::Local, None, 5).unwrap().height(), 0);
    assert!(empty.incident(&Place::Local, "1").unwrap_err().message.contains("local workspace"));
}

fn engine_in(folder: &std::path::Path) -> Engine {
    std::fs::create_dir_all(folder).unwrap();
    engine(folder)
}

#[test]
fn bookmarks_keep_rows_and_find_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_incidents(folder.path());
    let query = r#"Access_CL | where user == 'ann' | sort by TimeGenerated asc
        | extend note = "it's \"odd\"\n", gone = long(null), took = 90m, flag = true, n = int(7)"#;
    let rows = engine.kql(query).unwrap_or_else(|error| panic!("{error}"));
    let new = NewBookmark {
        title: "{{user}} opened {{share}}".into(),
        notes: "looked twice".into(),
        labels: vec!["shares".into()],
        incident: Some("1".into()),
        ..NewBookmark::default()
    };
    let dry = engine.bookmark(&Place::Local, &rows.frame, &new, false).unwrap();
    assert!(dry.contains("3 bookmark(s)") && dry.contains("+ ann opened payroll") && dry.contains("--yes"), "{dry}");
    assert!(!engine.has_table("HuntingBookmark"));
    engine.bookmark(&Place::Local, &rows.frame, &new, true).unwrap();
    assert_eq!(cell(&engine, "HuntingBookmark | where BookmarkName == 'ann opened board' | count"), "2");
    assert_eq!(cell(&engine, "HuntingBookmark | project tostring(parse_json(Tags)[0])"), "shares");
    assert_eq!(
        cell(&engine, "HuntingBookmark | summarize t = min(EventTime) | project tostring(t)"),
        "2026-03-01T08:10:00.0000000Z"
    );
    let latest = "SecurityIncident | summarize arg_max(TimeGenerated, *) by IncidentNumber | where IncidentNumber == 1";
    assert_eq!(cell(&engine, &format!("{latest} | project array_length(BookmarkIds)")), "3");
    // The query of a bookmark gives its row, every value and type of it.
    let query = cell(&engine, "HuntingBookmark | where BookmarkName == 'ann opened payroll' | project QueryText");
    let again = engine.kql(&query).unwrap_or_else(|error| panic!("{error}\n{query}"));
    assert_eq!(again.types, rows.types, "{query}");
    assert!(again.frame.equals_missing(&rows.frame.head(Some(1))), "{query}\n{}", again.frame);
    let message =
        |frame: &DataFrame, new: &NewBookmark| engine.bookmark(&Place::Local, frame, new, true).unwrap_err().message;
    assert!(message(&rows.frame, &NewBookmark::default()).contains("--title"));
    assert!(message(&rows.frame.head(Some(0)), &new).contains("no rows"));
    assert!(message(&rows.frame, &NewBookmark { title: "{{who}}".into(), ..new.clone() }).contains("`who`"));
    let many = engine.kql("range n from 1 to 101 step 1").unwrap();
    assert!(message(&many.frame, &new).contains("101 rows"));
}

#[test]
fn watchlists_are_put_and_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let local = Place::Local;
    let people = df!("department" => ["sales, \"east\"", "it"], "user" => ["ann", "bob"], "level" => [1u8, 2]).unwrap();
    let dry = engine.put_watchlist(&local, "vip-people", &people, Some("user"), None, false).unwrap();
    assert!(dry.contains("2 row(s) × 3 column(s), looked up by `user`, new") && dry.contains("--yes"), "{dry}");
    assert_eq!(engine.watchlists(&local).unwrap().height(), 0);
    engine.put_watchlist(&local, "vip-people", &people, Some("user"), None, true).unwrap();
    let found = cell(&engine, "_GetWatchlist('vip-people') | where SearchKey == 'ann' | project department");
    assert_eq!(found, "sales, \"east\"");
    assert_eq!(cell(&engine, "_GetWatchlist('vip-people') | where SearchKey == 'bob' | project level"), "2");
    let in_rule = "Access_CL | where user in ((_GetWatchlist('vip-people') | project SearchKey)) | count";
    assert_eq!(cell(&engine, in_rule), "4");
    let again = engine.put_watchlist(&local, "vip-people", &people.head(Some(1)), Some("user"), None, true).unwrap();
    assert!(again.contains("in the place of 2 row(s)"), "{again}");
    assert_eq!(engine.watchlist(&local, "vip-people").unwrap().height(), 1);
    let list = engine.watchlists(&local).unwrap();
    assert_eq!(list.column("SearchKey").unwrap().get(0).unwrap().str_value(), "user");
    let message = |alias: &str, key| engine.put_watchlist(&local, alias, &people, key, None, true).unwrap_err().message;
    for alias in ["../x", "a/b", "a", "", "-ab", "é12"] {
        assert!(message(alias, None).contains("cannot be a watchlist's alias"), "{alias}");
    }
    assert!(message("vips", Some("User")).contains("no column `User`"));
    assert!(engine.watchlist(&local, "none").unwrap_err().message.contains("vip-people"));
}

#[test]
fn a_rule_is_deployed_to_the_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_with_accesses(folder.path());
    let dry = engine.deploy_rule(&Place::Local, &rule(""), false).unwrap();
    assert!(dry.contains("OddAccessToAShare.yaml, new") && dry.contains("--yes"), "{dry}");
    assert!(!engine.rules_folder().exists());
    engine.deploy_rule(&Place::Local, &rule(""), true).unwrap();
    let files = huntbook_engine::sentinel::rule_files(&engine.rules_folder()).unwrap();
    assert_eq!(files.len(), 1);
    assert!(engine.deploy_rule(&Place::Local, &rule(""), true).unwrap().contains("already so"));
    assert!(engine.deploy_rule(&Place::Local, &rule("tags: [x]\n"), false).unwrap().contains("in the place of"));
    let broken = rule("customDetails:\n  Who: whom\n");
    assert!(engine.deploy_rule(&Place::Local, &broken, true).unwrap_err().message.contains("`whom`"));
}

#[test]
fn times_are_read() {
    for (text, expected) in [
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T08:30Z", "2026-03-01T08:30:00+00:00"),
        ("2026-03-01 08:30:15.5", "2026-03-01T08:30:15.500+00:00"),
        ("2026-03-01T08:30:00+01:00", "2026-03-01T07:30:00+00:00"),
    ] {
        assert_eq!(moment_of(text).unwrap().to_rfc3339(), expected);
    }
    assert!(moment_of("yesterday").is_none() && moment_of("2026-13-01").is_none());
}
