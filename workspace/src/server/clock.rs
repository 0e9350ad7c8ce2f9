//! Datetimes and timespans as the services print them.

use chrono::{DateTime, Datelike, Timelike, Utc};

const SECOND: i64 = 10_000_000;
const DAY: u64 = 86_400 * SECOND as u64;

/// `2026-01-02T03:04:05.1234567Z`
pub(crate) fn now() -> String {
    let mut text = Vec::new();
    push_datetime(&mut text, ticks_of(Utc::now()));
    String::from_utf8_lossy(&text).into_owned()
}

/// Ticks of 100 ns since 1970.
pub(crate) fn ticks_of(moment: DateTime<Utc>) -> i64 {
    moment.timestamp().saturating_mul(SECOND).saturating_add(i64::from(moment.timestamp_subsec_nanos()) / 100)
}

/// Writes ticks since 1970 as `2026-01-02T03:04:05.1234567Z`.
pub(crate) fn push_datetime(out: &mut Vec<u8>, ticks: i64) {
    let (seconds, rest) = (ticks.div_euclid(SECOND), ticks.rem_euclid(SECOND));
    // Every i64 of ticks lies within chrono's years.
    let moment = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    push_digits(out, moment.year().unsigned_abs().into(), 4);
    for (mark, value) in [
        (b'-', moment.month()),
        (b'-', moment.day()),
        (b'T', moment.hour()),
        (b':', moment.minute()),
        (b':', moment.second()),
    ] {
        out.push(mark);
        push_digits(out, value.into(), 2);
    }
    out.push(b'.');
    push_digits(out, rest.unsigned_abs(), 7);
    out.push(b'Z');
}

/// Writes ticks as `[-][d.]hh:mm:ss[.fffffff]`.
pub(crate) fn push_timespan(out: &mut Vec<u8>, ticks: i64) {
    if ticks < 0 {
        out.push(b'-');
    }
    let size = ticks.unsigned_abs();
    let second = SECOND.unsigned_abs();
    if size >= DAY {
        out.extend_from_slice((size / DAY).to_string().as_bytes());
        out.push(b'.');
    }
    push_digits(out, size / (3_600 * second) % 24, 2);
    out.push(b':');
    push_digits(out, size / (60 * second) % 60, 2);
    out.push(b':');
    push_digits(out, size / second % 60, 2);
    if size % second > 0 {
        out.push(b'.');
        push_digits(out, size % second, 7);
    }
}

fn push_digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_spell_times_so() {
        let datetime = |ticks| {
            let mut out = Vec::new();
            push_datetime(&mut out, ticks);
            String::from_utf8(out).unwrap()
        };
        let timespan = |ticks| {
            let mut out = Vec::new();
            push_timespan(&mut out, ticks);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(datetime(0), "1970-01-01T00:00:00.0000000Z");
        assert_eq!(datetime(-1), "1969-12-31T23:59:59.9999999Z");
        assert_eq!(datetime(-621_355_968_000_000_000), "0001-01-01T00:00:00.0000000Z");
        assert_eq!(timespan(0), "00:00:00");
        assert_eq!(timespan(-(SECOND * 90_061 + 5)), "-1.01:01:01.0000005");
    }
}
