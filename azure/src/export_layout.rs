//! Where a Log Analytics data export rule puts its blobs, and what a folder or blob of it covers.
//!
//! ```text
//! am-securityevent/                                       container: am-TABLE in lower case
//!   WorkspaceResourceId=/subscriptions/.../workspaces/ws/ resource id, in lower case
//!     y=2026/m=11/d=20/h=23/m=55/PT05M.json               five minutes of TimeGenerated (UTC), JSON lines
//!                               /PT05M_1.json             goes on when the first has 50,000 appends
//!     y=2021/m=09/d=01/h=07/m=00/PT1H.json                an hour, before 15 October 2021
//!     y=2026/m=1/d=9/h=7/m=5/part-0001.json               history that Spark wrote, numbers not padded
//! ```
//!
//! Numbers are read as numbers, and the two `m=` are told apart by their place. A folder is never final: late rows
//! are appended to it, up to 12 hours later and sometimes twice.
//!
//! Source: "Log Analytics workspace data export in Azure Monitor" (16 February 2026), and the notebook "Export
//! Historical Log Data" of Microsoft Sentinel.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Timelike, Utc};

/// In front of the workspace's resource id.
pub const WORKSPACE_KEY: &str = "WorkspaceResourceId=";
/// Minutes of one folder.
const FOLDER_MINUTES: u32 = 5;
/// A blob that is written so long after its time holds late rows.
const LATE: TimeDelta = TimeDelta::hours(1);

/// From, and up to but without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Span {
    /// Is there a moment in both?
    pub fn overlaps(&self, other: &Span) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }
}

/// The container that a table is exported to.
pub fn container(table: &str) -> String {
    format!("am-{}", table.to_lowercase())
}

/// The folder of a workspace in the container, with a `/` at the end.
pub fn workspace_folder(resource_id: &str) -> String {
    format!("{WORKSPACE_KEY}/{}/", resource_id.trim_matches('/').to_lowercase())
}

/// The folder, below that of the workspace, that rows of this TimeGenerated are in: `y=2026/m=11/d=20/h=23/m=55/`.
pub fn time_folder(time: DateTime<Utc>) -> String {
    let minute = time.minute() / FOLDER_MINUTES * FOLDER_MINUTES;
    format!("y={:04}/m={:02}/d={:02}/h={:02}/m={minute:02}/", time.year(), time.month(), time.day(), time.hour(),)
}

/// Splits a path at the folder of a year: `WorkspaceResourceId=/.../ws/` and `y=2026/m=11/`.
pub fn split_at_year(path: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    for segment in path.split_inclusive('/') {
        if number(segment.trim_end_matches('/'), &["y", "year"]).is_some() {
            return Some(path.split_at(at));
        }
        at += segment.len();
    }
    None
}

/// What a folder or blob covers, from its path below the workspace's folder (`y=2026/m=11/`, `y=.../PT05M.json`).
/// `None`: it is not part of the layout.
pub fn span(path: &str) -> Option<Span> {
    let mut segments = path.trim_end_matches('/').split('/');
    let year = number(segments.next()?, &["y", "year"])?;
    let mut levels = [1, 1, 0, 0];
    let mut depth = 0;
    let mut file = None;
    for segment in segments {
        let keys: &[&str] = match depth {
            0 | 3 if number(segment, &["m"]).is_some() => &["m"],
            0 => &["month"],
            1 => &["d", "day"],
            2 => &["h", "hour"],
            3 => &["minute"],
            _ => &[],
        };
        match number(segment, keys) {
            Some(value) if file.is_none() => {
                levels[depth] = value;
                depth += 1;
            }
            _ if file.is_none() && !segment.contains('=') => file = Some(segment),
            _ => return None,
        }
    }
    // `m=00/PT1H.json`: the folder names a minute, the blob says that it is an hour.
    if depth == 4 && file.is_some_and(|name| name.starts_with("PT1H")) {
        depth = 3;
        levels[3] = 0;
    }
    let [month, day, hour, minute] = levels;
    let from = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.and_hms_opt(hour, minute, 0)?.and_utc();
    let to = match depth {
        0 => from.checked_add_months(Months::new(12))?,
        1 => from.checked_add_months(Months::new(1))?,
        2 => from.checked_add_days(Days::new(1))?,
        3 => from.checked_add_signed(TimeDelta::hours(1))?,
        _ => from.checked_add_signed(TimeDelta::minutes(i64::from(FOLDER_MINUTES)))?,
    };
    Some(Span { from, to })
}

/// The value of `KEY=12`.
fn number(segment: &str, keys: &[&str]) -> Option<u32> {
    let (key, value) = segment.split_once('=')?;
    let is_number = (1..=4).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && keys.iter().any(|wanted| wanted.eq_ignore_ascii_case(key)) { value.parse().ok() } else { None }
}

/// Does a blob of this name hold rows? Spark leaves `_SUCCESS` and checksums beside them.
pub fn holds_rows(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let file = file.strip_suffix(".gz").or_else(|| file.strip_suffix(".zst")).unwrap_or(&file);
    !file.starts_with(['_', '.']) && (file.ends_with(".json") || file.ends_with(".jsonl"))
}

/// The hours of `range` for which there is no blob, neighbours joined. Hours that have not begun at `now` are not
/// missing.
pub fn missing_hours(range: Span, present: &[Span], now: DateTime<Utc>) -> Vec<Span> {
    let mut missing: Vec<Span> = Vec::new();
    let mut covered: Vec<Span> = present.to_vec();
    covered.sort_by_key(|span| (span.from, span.to));
    // Blobs cover an hour at most, so those that may overlap the next hours are at the front.
    let mut first = 0;
    let Some(mut from) = hour_of(range.from) else { return missing };
    while from < range.to.min(now) {
        let hour = Span { from, to: from + TimeDelta::hours(1) };
        while covered.get(first).is_some_and(|span| span.to <= hour.from) {
            first += 1;
        }
        let has_blob = covered[first..].iter().take_while(|span| span.from < hour.to).any(|span| span.overlaps(&hour));
        if !has_blob {
            match missing.last_mut() {
                Some(last) if last.to == hour.from => last.to = hour.to,
                _ => missing.push(hour),
            }
        }
        from = hour.to;
    }
    missing
}

fn hour_of(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    time.date_naive().and_hms_opt(time.hour(), 0, 0).map(|time| time.and_utc())
}

/// How long after its time a blob was written last, where that is late: its rows came late or again.
pub fn lateness(span: Span, modified: DateTime<Utc>) -> Option<TimeDelta> {
    let delay = modified - span.to;
    (delay > LATE).then_some(delay)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn covers(path: &str) -> String {
        span(path).map_or("nothing".into(), |span| format!("{}/{}", span.from.to_rfc3339(), span.to - span.from))
    }

    #[test]
    fn every_level_and_every_spelling() {
        for (path, wanted) in [
            ("y=2026/", "2026-01-01T00:00:00+00:00/PT31536000S"),
            ("y=2026/m=02/", "2026-02-01T00:00:00+00:00/PT2419200S"),
            ("y=2026/m=2/d=9/", "2026-02-09T00:00:00+00:00/PT86400S"),
            ("y=2026/m=11/d=20/h=23", "2026-11-20T23:00:00+00:00/PT3600S"),
            ("y=2026/m=11/d=20/h=23/m=55/PT05M.json", "2026-11-20T23:55:00+00:00/PT300S"),
            ("y=2026/m=11/d=20/h=23/m=55/PT05M_2.json", "2026-11-20T23:55:00+00:00/PT300S"),
            ("y=2026/m=1/d=9/h=7/m=5/part-0001-x.c000.json", "2026-01-09T07:05:00+00:00/PT300S"),
            ("y=2021/m=09/d=01/h=07/m=00/PT1H.json", "2021-09-01T07:00:00+00:00/PT3600S"),
            ("year=2026/month=1/day=9/hour=7/part-0.json.gz", "2026-01-09T07:00:00+00:00/PT3600S"),
            ("y=2026/month=1/d=9/h=7/m=5/a.json", "2026-01-09T07:05:00+00:00/PT300S"),
            ("y=2026/m=13/", "nothing"),
            ("y=2026/m=02/d=30/", "nothing"),
            ("y=2026/d=02/", "nothing"),
            ("y=2026/m=1/d=9/h=7/m=5/s=1/a.json", "nothing"),
            ("y=2026/m=1/a/b", "nothing"),
            ("m=1/", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(covers(path), wanted, "{path}");
        }
    }

    #[test]
    fn the_workspace_and_the_years_apart() {
        let id = "/subscriptions/ABC/resourceGroups/RG/providers/Microsoft.OperationalInsights/workspaces/Ws";
        let folder = workspace_folder(id);
        assert_eq!(
            folder,
            "WorkspaceResourceId=/subscriptions/abc/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/ws/"
        );
        let path = format!("{folder}y=2026/m=11/d=20/");
        assert_eq!(split_at_year(&path), Some((folder.as_str(), "y=2026/m=11/d=20/")));
        assert_eq!(split_at_year("a/b/"), None);
        assert_eq!(container("SecurityEvent"), "am-securityevent");
    }

    #[test]
    fn only_blobs_with_rows() {
        for name in ["x/PT05M.json", "x/part-0.json.gz", "x/a.JSONL"] {
            assert!(holds_rows(name), "{name}");
        }
        for name in ["x/_SUCCESS", "x/.part-0.json.crc", "x/_a.json", "x/", "x/a.parquet"] {
            assert!(!holds_rows(name), "{name}");
        }
    }

    #[test]
    fn hours_without_a_blob() {
        let range = Span { from: at("2026-11-20T01:30:00Z"), to: at("2026-11-20T06:00:00Z") };
        let present = [span("y=2026/m=11/d=20/h=03/m=55/PT05M.json").unwrap()];
        let missing = missing_hours(range, &present, at("2026-11-20T05:10:00Z"));
        let shown: Vec<String> =
            missing.iter().map(|span| format!("{}-{}", span.from.format("%H"), span.to.format("%H"))).collect();
        assert_eq!(shown, ["01-03", "04-06"]);
        assert_eq!(missing_hours(range, &present, at("2026-11-20T01:00:00Z")), []);
    }

    #[test]
    fn late_blobs() {
        let covered = span("y=2026/m=11/d=20/h=03/m=55/PT05M.json").unwrap();
        assert_eq!(lateness(covered, at("2026-11-20T04:30:00Z")), None);
        assert_eq!(lateness(covered, at("2026-11-20T09:00:00Z")), Some(TimeDelta::hours(5)));
    }

    /// 1971 to 2105, to the second.
    fn moments() -> impl Strategy<Value = DateTime<Utc>> {
        (31_536_000i64..4_260_000_000).prop_map(|seconds| Utc.timestamp_opt(seconds, 0).unwrap())
    }

    proptest! {
        #[test]
        fn a_moment_is_in_its_folder_and_in_all_above(time in moments()) {
            let folder = time_folder(time);
            for end in (0..=folder.len()).filter(|end| folder[..*end].ends_with('/')) {
                let covered = span(&folder[..end]).unwrap();
                prop_assert!(covered.from <= time && time < covered.to, "{}", &folder[..end]);
            }
            let covered = span(&folder).unwrap();
            prop_assert_eq!(covered.to - covered.from, TimeDelta::minutes(5));
        }

        #[test]
        fn padding_makes_no_difference(time in moments()) {
            let folder = time_folder(time);
            let bare = folder.replace("=0", "=").replace("=/", "=0/");
            prop_assert_eq!(span(&bare), span(&folder));
        }

        #[test]
        fn a_range_needs_exactly_the_folders_it_touches(start in moments(), seconds in 1i64..200_000, offset in -400_000i64..400_000) {
            let range = Span { from: start, to: start + TimeDelta::seconds(seconds) };
            let time = start + TimeDelta::seconds(offset);
            let folder = span(&time_folder(time)).unwrap();
            if range.from <= time && time < range.to {
                prop_assert!(folder.overlaps(&range));
            }
            let touches = folder.from < range.to && range.from < folder.to;
            prop_assert_eq!(folder.overlaps(&range), touches);
        }

        #[test]
        fn hours_are_missing_or_have_a_blob(start in moments(), hours in prop::collection::vec(0i64..72, 0..40)) {
            let start = hour_of(start).unwrap();
            let range = Span { from: start, to: start + TimeDelta::hours(72) };
            let present: Vec<Span> = hours.iter().map(|hour| span(&time_folder(start + TimeDelta::minutes(hour * 60 + 35))).unwrap()).collect();
            let missing = missing_hours(range, &present, range.to);
            for hour in 0..72 {
                let time = start + TimeDelta::hours(hour);
                let is_missing = missing.iter().any(|span| span.from <= time && time < span.to);
                prop_assert_eq!(is_missing, !hours.contains(&hour));
            }
        }

        #[test]
        fn any_path_is_read_without_panic(path in "[ymdh=0-9/a-z._é]{0,60}") {
            let _ = span(&path);
            let _ = split_at_year(&path);
            let _ = holds_rows(&path);
        }
    }
}
