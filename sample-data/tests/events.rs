//! Events tell the story of the factory, and the writers lose nothing of it.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};
use huntbook_sample_data::{
    Access, DataFactory, Error, EventConfig, FactoryConfig, Record, Sample, SecurityEvent, export_blob_path,
    export_container, export_layout_path, security_events, write_csv, write_jsonl, write_tsv,
};

fn sample(planted: usize) -> Sample {
    security_events(&FactoryConfig::default(), &EventConfig::default(), planted).unwrap()
}

fn pair(event: &SecurityEvent) -> (String, String) {
    (event.subject_user_name.clone(), event.share_name.trim_start_matches("\\\\*\\").to_owned())
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn normal_events_follow_the_training_data_and_planted_ones_do_not() {
    let sample = sample(25);
    let training = DataFactory::new(FactoryConfig::default()).training(0.25).unwrap();
    let known: HashSet<(String, String)> = training.into_iter().map(|access| (access.user, access.res)).collect();
    let unknown: Vec<&SecurityEvent> = sample.events.iter().filter(|event| !known.contains(&pair(event))).collect();
    assert_eq!(unknown.len(), 25);
    assert_eq!(sample.ground_truth.len(), 25);
    for (event, planted) in unknown.iter().zip(&sample.ground_truth) {
        assert_eq!(
            (&event.account, &event.share_name, event.time_generated),
            (&planted.account, &planted.share_name, planted.time)
        );
        let (user, share) = pair(event);
        assert_ne!(user.split('_').next(), share.split('_').next());
        assert_ne!(share, "ffa");
        assert_eq!(event.time_generated.date_naive(), time("2026-11-19T00:00:00Z").date_naive());
    }
    let distinct: HashSet<_> = unknown.iter().map(|event| pair(event)).collect();
    assert_eq!(distinct.len(), 25);
}

#[test]
fn likelier_accesses_happen_more_often() {
    let config = EventConfig { days: 200, ..EventConfig::default() };
    let events = security_events(&FactoryConfig::default(), &config, 0).unwrap().events;
    let mut happened: BTreeMap<(String, String), f64> = BTreeMap::new();
    for event in &events {
        *happened.entry(pair(event)).or_default() += 1.0;
    }
    let training = DataFactory::new(FactoryConfig::default()).training(0.25).unwrap();
    assert_eq!(happened.len(), training.len(), "every training pair happens in 200 days");
    let mean = |likely: &dyn Fn(f64) -> bool| {
        let counts: Vec<f64> = training
            .iter()
            .filter(|access| access.user.starts_with("eng") && likely(access.likelihood))
            .map(|access| happened[&(access.user.clone(), access.res.clone())])
            .collect();
        counts.iter().sum::<f64>() / counts.len() as f64
    };
    assert!(mean(&|likelihood| likelihood > 850.0) > 1.2 * mean(&|likelihood| likelihood < 650.0));
}

#[test]
fn people_work_by_day_and_rest_on_weekends() {
    let events = sample(10).events;
    let mut by_day: BTreeMap<_, (bool, usize)> = BTreeMap::new();
    for event in &events {
        let at = event.time_generated;
        assert!((7..19).contains(&at.hour()), "{at}");
        let weekend = matches!(at.weekday(), Weekday::Sat | Weekday::Sun);
        let day = by_day.entry(at.date_naive()).or_insert((weekend, 0));
        day.1 += 1;
    }
    let busiest_weekend = by_day.values().filter(|day| day.0).map(|day| day.1).max().unwrap_or(0);
    let calmest_workday = by_day.values().filter(|day| !day.0).map(|day| day.1).min().unwrap();
    assert!(busiest_weekend * 2 < calmest_workday, "{by_day:?}");
    assert_eq!(by_day.values().filter(|day| !day.0).count(), 10);
    assert!(events.windows(2).all(|two| two[0].time_generated <= two[1].time_generated));
    assert!((2_000..5_000).contains(&events.len()), "{} events", events.len());
}

#[test]
fn events_look_like_windows_wrote_them() {
    for event in sample(5).events {
        let user = &event.subject_user_name;
        assert_eq!(event.account, format!("CONTOSO\\{user}"));
        assert_eq!((event.event_id, event.r#type.as_str()), (5140, "SecurityEvent"));
        assert!(event.share_name.starts_with("\\\\*\\"));
        assert!(event.computer.starts_with("FS-") && event.computer.ends_with("-01.contoso.example"));
        assert!(event.subject_user_sid.starts_with("S-1-5-21-"));
        assert!(event.ip_address.parse::<std::net::Ipv4Addr>().is_ok());
        assert!(event.ip_port.parse::<u16>().unwrap() >= 49_152);
        assert_eq!(event.time_generated.nanosecond() % 1_000_000, 0);
    }
}

#[test]
fn equal_seeds_yield_equal_events_and_planting_leaves_the_rest_alone() {
    assert_eq!(sample(7), sample(7));
    let planted: HashSet<_> = sample(7).ground_truth.into_iter().map(|one| (one.account, one.share_name)).collect();
    let without: Vec<SecurityEvent> = sample(7)
        .events
        .into_iter()
        .filter(|event| !planted.contains(&(event.account.clone(), event.share_name.clone())))
        .collect();
    assert_eq!(without, sample(0).events);
    let other = EventConfig { seed: 1, ..EventConfig::default() };
    assert_ne!(security_events(&FactoryConfig::default(), &other, 7).unwrap(), sample(7));
}

#[test]
fn days_are_utc_days_wherever_and_whenever_they_start() {
    // Clocks in Europe and America change within these days; UTC has none of that.
    for start in ["2026-03-07T23:59:59.999Z", "2026-03-28T01:30:00Z", "2026-10-24T12:00:00+05:30"] {
        let config = EventConfig { start: time(start), days: 3, weekend_share: 1.0, ..EventConfig::default() };
        let sample = security_events(&FactoryConfig::default(), &config, 3).unwrap();
        let days: HashSet<_> = sample.events.iter().map(|event| event.time_generated.date_naive()).collect();
        let first = config.start.date_naive();
        assert_eq!(days, (0..3).map(|day| first + TimeDelta::days(day)).collect());
        assert!(sample.ground_truth.iter().all(|one| one.time.date_naive() == first + TimeDelta::days(2)));
    }
}

#[test]
fn odd_settings_end_with_events_or_an_error() {
    let base = EventConfig::default;
    let bad = [
        EventConfig { days: 0, ..base() },
        EventConfig { days: u32::MAX, ..base() },
        EventConfig { start: DateTime::<Utc>::MAX_UTC, ..base() },
        EventConfig { sessions_per_day: f64::NAN, ..base() },
        EventConfig { sessions_per_day: -1.0, ..base() },
        EventConfig { accesses_per_session: 0, ..base() },
        EventConfig { accesses_per_session: u32::MAX, ..base() },
        EventConfig { weekend_share: 2.0, ..base() },
        EventConfig { domain: String::new(), ..base() },
    ];
    for config in bad {
        let error = security_events(&FactoryConfig::default(), &config, 1);
        assert!(matches!(error, Err(Error::InvalidEvents { .. })), "{config:?}");
    }
    let ratio = EventConfig { training_ratio: 2.0, ..base() };
    assert_eq!(security_events(&FactoryConfig::default(), &ratio, 1), Err(Error::InvalidRatio(2.0)));
    let early = EventConfig { start: DateTime::<Utc>::MIN_UTC, days: 1, ..base() };
    assert!(security_events(&FactoryConfig::default(), &early, 1).is_ok());

    let one_department = FactoryConfig { fin: (0, 0), eng: (0, 0), ..FactoryConfig::default() };
    assert_eq!(security_events(&one_department, &base(), 1), Err(Error::TooManyPlanted { wanted: 1, available: 0 }));
    assert!(security_events(&one_department, &base(), 0).is_ok());
    let nobody = FactoryConfig { hr: (0, 0), ..one_department };
    assert_eq!(security_events(&nobody, &base(), 0).unwrap(), Sample { events: vec![], ground_truth: vec![] });
    let quiet = EventConfig { sessions_per_day: 0.0, ..base() };
    assert_eq!(security_events(&FactoryConfig::default(), &quiet, 4).unwrap().events.len(), 4);
    let all = 7 * 75 + 5 * 80 + 10 * 55;
    assert_eq!(sample(all).ground_truth.len(), all);
}

#[test]
fn json_lines_come_back_as_they_were() {
    let sample = sample(3);
    let mut lines = Vec::new();
    write_jsonl(&sample.events, &mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    let back: Vec<SecurityEvent> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, sample.events);
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let names: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, SecurityEvent::COLUMNS);
    let at = first["TimeGenerated"].as_str().unwrap();
    assert!(at.len() == "2026-11-06T08:01:02.345Z".len() && at.ends_with('Z'), "{at}");
    assert!(first["EventID"] == 5140 && first["Level"] == "0");
}

#[test]
fn delimited_text_is_quoted_where_needed_and_nowhere_else() {
    let rows = [
        Access { user: "plain user".into(), res: "a,b".into(), likelihood: 500.0 },
        Access { user: "say \"hi\"".into(), res: "tab\there".into(), likelihood: 1000.0 },
        Access { user: "two\nlines".into(), res: String::new(), likelihood: 0.5 },
    ];
    let mut csv = Vec::new();
    write_csv(&rows, &mut csv).unwrap();
    let expected =
        "user,res,likelihood\nplain user,\"a,b\",500.0\n\"say \"\"hi\"\"\",tab\there,1000.0\n\"two\nlines\",,0.5\n";
    assert_eq!(String::from_utf8(csv).unwrap(), expected);
    let mut tsv = Vec::new();
    write_tsv(&rows[..2], &mut tsv).unwrap();
    let expected = "user\tres\tlikelihood\nplain user\ta,b\t500.0\n\"say \"\"hi\"\"\"\t\"tab\there\"\t1000.0\n";
    assert_eq!(String::from_utf8(tsv).unwrap(), expected);
    let mut header_only = Vec::new();
    write_csv::<SecurityEvent>(&[], &mut header_only).unwrap();
    assert_eq!(String::from_utf8(header_only).unwrap(), format!("{}\n", SecurityEvent::COLUMNS.join(",")));
}

#[test]
fn every_column_of_every_row_is_written() {
    let sample = sample(2);
    let mut csv = Vec::new();
    write_csv(&sample.events, &mut csv).unwrap();
    let text = String::from_utf8(csv).unwrap();
    assert_eq!(text.lines().count(), sample.events.len() + 1);
    assert!(text.lines().all(|line| line.split(',').count() == SecurityEvent::COLUMNS.len()));
    assert!(text.lines().all(|line| line.split(',').all(|field| !field.is_empty())));
    let mut truth = Vec::new();
    write_csv(&sample.ground_truth, &mut truth).unwrap();
    assert!(String::from_utf8(truth).unwrap().starts_with("Account,ShareName,TimeGenerated\nCONTOSO\\"));
}

#[test]
fn a_full_disk_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no space left"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let message = write_jsonl(&sample(1).events, Full).unwrap_err().to_string();
    assert_eq!(message, "cannot write the rows: no space left");
}

#[test]
fn exports_lie_where_azure_puts_them() {
    let id = "/subscriptions/ABC/resourceGroups/RG/providers/Microsoft.OperationalInsights/workspaces/WS";
    let blob = "WorkspaceResourceId=/subscriptions/abc/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/ws/y=2026/m=01/d=09/h=07/m=55/PT05M.json";
    let at = time("2026-01-09T07:59:59.999Z");
    assert_eq!(export_blob_path(id, at), blob);
    assert_eq!(export_blob_path(id.trim_start_matches('/'), at), blob);
    assert_eq!(export_container("SecurityEvent"), "am-securityevent");
    assert_eq!(export_layout_path(id, "SecurityEvent", at), format!("am-securityevent/{blob}"));
    assert!(!export_layout_path("/../..\\..//x/./", "../Secu/rity", at).contains(".."));
}
