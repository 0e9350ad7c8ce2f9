//! Moments on an axis: ticks on whole minutes, hours, days, months, whatever the span needs.
//!
//! A label says what changes from tick to tick (`06:00`); what stays the same for many ticks (the day) stands once
//! below them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};

use super::Tick;

const MILLISECOND: i64 = 1_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances in microseconds that divide a day.
const WITHIN_A_DAY: [i64; 32] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    MILLISECOND,
    2 * MILLISECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    20 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    200 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
];
const MORE_WITHIN_A_DAY: [i64; 3] = [3 * HOUR, 6 * HOUR, 12 * HOUR];
const DAYS: [i64; 3] = [1, 2, 7];
const MONTHS: [i64; 5] = [1, 2, 3, 4, 6];
const YEARS: [i64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 100_000];

#[derive(Clone, Copy)]
enum Step {
    Microseconds(i64),
    Days(i64),
    Months(i64),
    Years(i64),
}

impl Step {
    /// The finest step that makes at most `most` ticks.
    fn of(start: i64, end: i64, most: usize) -> Step {
        let span = end.saturating_sub(start).max(1) as f64;
        let fits = |step: f64| span / step <= most.max(1) as f64;
        let within = WITHIN_A_DAY.iter().chain(&MORE_WITHIN_A_DAY).find(|step| fits(**step as f64));
        let days = || DAYS.iter().find(|days| fits((**days * DAY) as f64)).map(|days| Step::Days(*days));
        let months = || MONTHS.iter().find(|months| fits(**months as f64 * 29.5 * DAY as f64));
        let years = || YEARS.iter().find(|years| fits(**years as f64 * 365.25 * DAY as f64));
        within
            .map(|step| Step::Microseconds(*step))
            .or_else(days)
            .or_else(|| months().map(|months| Step::Months(*months)))
            .unwrap_or_else(|| Step::Years(years().copied().unwrap_or(100_000)))
    }

    /// The first moment of the step's raster at or after `start`, and then the next ones.
    fn moments(self, start: i64, end: i64) -> Vec<i64> {
        let even = |step: i64, origin: i64| {
            let first = (start - origin).div_euclid(step) + i64::from((start - origin).rem_euclid(step) > 0);
            (0..200).filter_map(move |index| (first + index).checked_mul(step)?.checked_add(origin)).collect::<Vec<_>>()
        };
        let all = match self {
            Step::Microseconds(step) => even(step, 0),
            // Weeks begin on Mondays; the first of 1970 was the fifth of January.
            Step::Days(days) => even(days * DAY, if days == 7 { 4 * DAY } else { 0 }),
            Step::Months(months) => month_starts(start, months),
            Step::Years(years) => month_starts(start, 12 * years),
        };
        all.into_iter().filter(|moment| (start..=end).contains(moment)).collect()
    }

    fn label(self, time: NaiveDateTime) -> String {
        let format = match self {
            Step::Microseconds(step) if step < MILLISECOND => "%H:%M:%S%.6f",
            Step::Microseconds(step) if step < SECOND => "%H:%M:%S%.3f",
            Step::Microseconds(step) if step < MINUTE => "%H:%M:%S",
            Step::Microseconds(_) => "%H:%M",
            Step::Days(_) => "%b %-d",
            Step::Months(_) => "%b",
            Step::Years(_) => "%Y",
        };
        time.format(format).to_string()
    }

    fn context(self, time: NaiveDateTime) -> Option<String> {
        match self {
            Step::Microseconds(_) => Some(time.format("%Y-%m-%d").to_string()),
            Step::Days(_) | Step::Months(_) => Some(time.format("%Y").to_string()),
            Step::Years(_) => None,
        }
    }
}

/// Starts of months, every `months` of them counted from January of the year 0.
fn month_starts(start: i64, months: i64) -> Vec<i64> {
    let Some(first) = moment(start) else { return Vec::new() };
    let month = i64::from(first.year()) * 12 + i64::from(first.month0());
    let index = month.div_euclid(months);
    let start_of = |index: i64| -> Option<i64> {
        let month = index.checked_mul(months)?;
        let year = i32::try_from(month.div_euclid(12)).ok()?;
        let date = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
        Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
    };
    (index..index + 200).filter_map(start_of).collect()
}

/// Ticks from `start` to `end`, microseconds since 1970; none beyond the calendar's quarter of a million years.
pub(super) fn ticks(start: f64, end: f64, most: usize) -> Vec<Tick> {
    let (start, end) = (start.ceil() as i64, end.floor() as i64);
    if moment(start).is_none() || moment(end).is_none() {
        return Vec::new();
    }
    let step = Step::of(start, end, most);
    let mut shown = None;
    let times = step.moments(start, end).into_iter().filter_map(|value| Some((value, moment(value)?)));
    times
        .map(|(value, time)| {
            let context = step.context(time);
            let is_new = context != shown;
            shown.clone_from(&context);
            Tick { value: value as f64, label: step.label(time), context: context.filter(|_| is_new) }
        })
        .collect()
}

fn moment(microseconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(microseconds).map(|time| time.naive_utc())
}

/// A moment in full, as far as it has parts: `2026-11-02`, `2026-11-02 06:00`, `2026-11-02 06:00:01.5`.
pub(crate) fn full(microseconds: i64) -> String {
    let Some(time) = moment(microseconds) else { return format!("{microseconds} µs since 1970") };
    let format = match microseconds {
        whole if whole.rem_euclid(DAY) == 0 => "%Y-%m-%d",
        whole if whole.rem_euclid(MINUTE) == 0 => "%Y-%m-%d %H:%M",
        _ => "%Y-%m-%d %H:%M:%S%.f",
    };
    let text = time.format(format).to_string();
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// How long something took: `1.5 s`, `12 min`, `3 h 20 min`, `5 d 2 h`.
pub(crate) fn duration(microseconds: i64) -> String {
    let pair = |large: i64, large_name: &str, small: i64, small_name: &str| {
        let (whole, rest) = (microseconds / large, microseconds % large / small);
        if rest == 0 { format!("{whole} {large_name}") } else { format!("{whole} {large_name} {rest} {small_name}") }
    };
    match microseconds.saturating_abs() {
        size if size < MILLISECOND => format!("{microseconds} µs"),
        size if size < SECOND => format!("{} ms", crate::number::short(microseconds as f64 / MILLISECOND as f64)),
        size if size < MINUTE => format!("{} s", crate::number::short(microseconds as f64 / SECOND as f64)),
        size if size < HOUR => pair(MINUTE, "min", SECOND, "s"),
        size if size < DAY => pair(HOUR, "h", MINUTE, "min"),
        _ => pair(DAY, "d", HOUR, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> f64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc().timestamp_micros() as f64
    }

    fn shown(start: &str, end: &str, most: usize) -> Vec<String> {
        let join = |tick: Tick| match tick.context {
            Some(context) => format!("{}|{context}", tick.label),
            None => tick.label,
        };
        ticks(at(start), at(end), most).into_iter().map(join).collect()
    }

    #[test]
    fn ticks_read_well_at_any_span() {
        assert_eq!(
            shown("2026-11-02 00:00:00", "2026-11-03 06:00:00", 6),
            ["00:00|2026-11-02", "06:00", "12:00", "18:00", "00:00|2026-11-03", "06:00"]
        );
        assert_eq!(
            shown("2026-11-02 10:00:00.1", "2026-11-02 10:00:00.5", 4),
            ["10:00:00.100|2026-11-02", "10:00:00.200", "10:00:00.300", "10:00:00.400", "10:00:00.500"]
        );
        assert_eq!(shown("2026-12-20 00:00:00", "2027-01-10 00:00:00", 4), ["Dec 21|2026", "Dec 28", "Jan 4|2027"]);
        assert_eq!(shown("2025-11-20 00:00:00", "2026-05-10 00:00:00", 3), ["Jan|2026", "Mar", "May"]);
        assert_eq!(shown("1999-05-20 00:00:00", "2026-05-10 00:00:00", 3), ["2000", "2010", "2020"]);
    }

    #[test]
    fn the_calendar_of_kusto_has_ticks() {
        assert!(!shown("0001-01-01 00:00:00", "9999-12-31 23:59:59", 8).is_empty());
        assert_eq!(ticks(f64::MIN, f64::MAX, 5), []);
    }

    #[test]
    fn moments_and_durations_in_words() {
        assert_eq!(full(at("2026-11-02 06:00:01.5") as i64), "2026-11-02 06:00:01.5");
        assert_eq!(full(at("2026-11-02 00:00:00") as i64), "2026-11-02");
        assert_eq!(duration(90 * SECOND), "1 min 30 s");
        assert_eq!(duration(1_500 * MILLISECOND), "1.5 s");
        assert_eq!(duration(50 * HOUR), "2 d 2 h");
    }
}
