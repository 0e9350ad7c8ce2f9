//! Moments as people write them in options.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use huntbook_kql::ticks;

use crate::{Error, Result};

/// `2026-11-20`, `2026-11-20T06:00:00Z`, `now`, or an age such as `7d`, `12h`, `30m`.
pub fn moment(text: &str) -> Result<DateTime<Utc>> {
    let now = Utc::now();
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let amount = &text[..text.len() - unit.len()];
    let age = if unit.is_empty() { None } else { ticks::unit_amount(amount, unit) };
    let age = age.map(|ticks| now - TimeDelta::microseconds(ticks / ticks::MICROSECOND));
    let moment = || {
        let since = ticks::parse_datetime(text)? - ticks::UNIX_EPOCH;
        DateTime::from_timestamp_micros(since.div_euclid(ticks::MICROSECOND))
    };
    age.or_else(moment).ok_or_else(|| {
        Error::new(
            "BlobError",
            format!("`{text}` is no moment: write 2026-11-20, 2026-11-20T06:00:00Z, now, or an age such as 7d"),
        )
    })
}

/// `2026-11-20 06:00:00`, UTC
pub fn shown_time(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_ages() {
        assert_eq!(moment("2026-11-20T06:00:00Z").unwrap().to_rfc3339(), "2026-11-20T06:00:00+00:00");
        assert_eq!(moment("2026-11-20").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        let age = Utc::now() - moment("7d").unwrap();
        assert!((TimeDelta::days(7) - age).abs() < TimeDelta::minutes(1), "{age}");
        for bad in ["soon", "", "7", "d"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
