//! ISO 8601 timespans of the query API: `PT1H`, `start/end`, `start/duration`, `duration/end`.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};

/// Both ends of a timespan. A lone duration ends now. `None`: the text is no timespan.
pub(crate) fn parse(text: &str, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let text = text.trim();
    let Some((left, right)) = text.split_once('/') else {
        return Some((now.checked_sub_signed(duration(text)?)?, now));
    };
    match (moment(left), duration(left), moment(right), duration(right)) {
        (Some(from), _, Some(to), _) if from <= to => Some((from, to)),
        (Some(from), _, None, Some(length)) => Some((from, from.checked_add_signed(length)?)),
        (None, Some(length), Some(to), _) => Some((to.checked_sub_signed(length)?, to)),
        _ => None,
    }
}

/// `2024-01-02T03:04:05.678Z`, with an offset or without (UTC), or a date.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text.strip_suffix('Z').unwrap_or(text), format).ok());
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    local.or_else(date).map(|moment| moment.and_utc())
}

/// `P1DT2H30M1.5S`; a month is 30 days, a year 365.
fn duration(text: &str) -> Option<Duration> {
    let (date, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    const DAY: f64 = 86_400.0;
    let days = parts(date, &[('Y', 365.0 * DAY), ('M', 30.0 * DAY), ('W', 7.0 * DAY), ('D', DAY)])?;
    let seconds = days + parts(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    // A century is more than anyone asks for; beyond it arithmetic on dates could overflow.
    (seconds <= 36_500.0 * DAY).then(|| Duration::microseconds((seconds * 1e6).round() as i64))
}

fn parts(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut total = 0.0;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit)
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',')
        {
            total += number.replace(',', ".").parse::<f64>().ok()? * seconds;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

/// `00:04:00`, `1.00:00:00`, `0:00:30.5`: the service's timespans as options, in whole microseconds.
pub(crate) fn clock(text: &str) -> Option<std::time::Duration> {
    let text = text.trim();
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) if clock.contains(':') => (days.parse::<u64>().ok()?, clock),
        _ => (0, text),
    };
    // Python prints `1 day, 0:00:30`.
    let (days, clock) = match clock.split_once(" day") {
        Some((more, rest)) => (days + more.parse::<u64>().ok()?, rest.trim_start_matches(['s', ',', ' '])),
        None => (days, clock),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return None };
    let seconds: f64 = seconds.parse().ok()?;
    let whole =
        days.checked_mul(86_400)? + hours.parse::<u64>().ok()?.checked_mul(3_600)? + minutes.parse::<u64>().ok()? * 60;
    ((0.0..60.0).contains(&seconds) && whole < 1 << 32)
        .then(|| std::time::Duration::from_secs_f64(whole as f64 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        moment(text).unwrap()
    }

    #[test]
    fn every_form_of_a_timespan() {
        let now = at("2026-01-02T00:00:00Z");
        let cases = [
            ("PT1H", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"),
            ("PT3600.0S", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"),
            ("P1DT30M", "2025-12-31T23:30:00Z", "2026-01-02T00:00:00Z"),
            ("2025-01-01T00:00:00Z/2025-01-02T00:00:00+01:00", "2025-01-01T00:00:00Z", "2025-01-01T23:00:00Z"),
            ("2025-01-01T00:00:00.000Z/PT90S", "2025-01-01T00:00:00Z", "2025-01-01T00:01:30Z"),
            ("P1D/2025-01-02", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"),
        ];
        for (text, from, to) in cases {
            assert_eq!(parse(text, now), Some((at(from), at(to))), "{text}");
        }
        let wrong =
            ["", "P", "PT", "1h", "yesterday", "PT1H/PT2H", "2025-01-02/2025-01-01", "P1X", "P999999999999Y", "-PT1H"];
        for text in wrong {
            assert_eq!(parse(text, now), None, "{text}");
        }
    }

    #[test]
    fn options_are_clock_times() {
        let seconds = |text| clock(text).map(|length| length.as_secs_f64());
        assert_eq!(seconds("00:04:00"), Some(240.0));
        assert_eq!(seconds("1.00:00:30"), Some(86_430.0));
        assert_eq!(seconds("0:00:30.500000"), Some(30.5));
        assert_eq!(seconds("1 day, 0:00:30"), Some(86_430.0));
        for wrong in ["", "4m", "a:b:c", "1:2", "99999999999999999999:00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
