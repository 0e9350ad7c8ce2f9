//! Kusto's times as ticks of 100 ns: exact over the years 0001 to 9999, which nanoseconds in 64 bits are not.

const SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Reads `2026-01-02T03:04:05.1234567Z`: none to seven digits of a second (more, if they are zeros), `Z`, an offset or
/// nothing, or only a date. Ticks since 0001-01-01 in UTC.
pub(super) fn datetime(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let date = bytes.get(..10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let midnight = days(year, month, day) * DAY;
    let Some(time) = bytes.get(10..).filter(|rest| !rest.is_empty()) else { return Some(midnight) };
    if !matches!(time[0], b'T' | b't' | b' ') {
        return None;
    }
    let clock = time.get(1..9)?;
    if clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&clock[..2])?, digits(&clock[3..5])?, digits(&clock[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = fraction(&time[9..])?;
    let local = midnight + (hour * 3600 + minute * 60 + second) * SECOND + fraction;
    let moment = local - offset(zone)?;
    (0..3_652_059 * DAY).contains(&moment).then_some(moment)
}

/// Reads `[-][d.]hh:mm:ss[.fffffff]`. Ticks.
pub(super) fn timespan(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (clock, rest) = rest.split_at_checked(rest.find(':')?)?;
    let (whole_days, hour) = match clock.split_once('.') {
        Some((whole_days, hour)) => (digits(whole_days.as_bytes())?, hour),
        None => (0, clock),
    };
    let rest = rest.as_bytes();
    if rest.len() < 6 || rest[3] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(hour.as_bytes())?, digits(&rest[1..3])?, digits(&rest[4..6])?);
    let (fraction, nothing) = fraction(&rest[6..])?;
    if hour > 23 || minute > 59 || second > 59 || !nothing.is_empty() {
        return None;
    }
    let seconds = i128::from(hour * 3600 + minute * 60 + second);
    let ticks = i128::from(whole_days) * i128::from(DAY) + seconds * i128::from(SECOND) + i128::from(fraction);
    i64::try_from(if negative { -ticks } else { ticks }).ok()
}

/// A whole number of one to ten digits.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    text.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

/// Ticks of `.1234567` if it stands there, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (shown, zeros) = rest[..length].split_at(length.min(7));
    if shown.is_empty() || zeros.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let missing = u32::try_from(7 - shown.len()).ok()?;
    Some((digits(shown)? * 10_i64.pow(missing), &rest[length..]))
}

/// Ticks that a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [] | [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hour, minute) = match rest.len() {
                5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
                4 => (digits(&rest[..2])?, digits(&rest[2..])?),
                _ => return None,
            };
            let ahead = (hour * 3600 + minute * 60) * SECOND;
            (hour <= 14 && minute <= 59).then_some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 0001-01-01. Years begin in March here, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 307
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_calendar() {
        assert_eq!(datetime("0001-01-01T00:00:00Z"), Some(0));
        assert_eq!(datetime("9999-12-31T23:59:59.9999999Z"), Some(3_652_059 * DAY - 1));
        assert_eq!(datetime("2026-01-02"), datetime("2026-01-02T00:00:00.0000000Z"));
        assert_eq!(datetime("2026-01-02T03:00:00+02:00"), datetime("2026-01-02T01:00:00Z"));
        for wrong in [
            "",
            "2026-1-2",
            "2026-02-30",
            "0000-01-01",
            "2026-01-02T24:00:00Z",
            "2026-01-02T00:00:00.Z",
            "2026-01-02T00:00:00.12345678Z",
            "9999-12-31T23:59:59-01:00",
            "2026-01-02T00:00:00ZZ",
            "２026-01-02",
        ] {
            assert_eq!(datetime(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn timespans_to_the_last_tick() {
        assert_eq!(timespan("00:00:00.0000001"), Some(1));
        assert_eq!(timespan("-1.02:03:04.5"), Some(-(DAY + (2 * 3600 + 3 * 60 + 4) * SECOND + 5_000_000)));
        assert_eq!(timespan("10675199.02:48:05.4775807"), Some(i64::MAX));
        assert_eq!(timespan("-10675199.02:48:05.4775808"), Some(i64::MIN));
        for wrong in ["", "1", "1:2:3", "10675199.02:48:05.4775808", "24:00:00", "00:00:00Z", "-", "1.:00:00"] {
            assert_eq!(timespan(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_tick_reads_back(ticks in 0..3_652_059 * DAY) {
            let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
            let moment = DateTime::from_timestamp(first + ticks / SECOND, u32::try_from(ticks % SECOND).unwrap() * 100).unwrap();
            let text = moment.format("%Y-%m-%dT%H:%M:%S.%f").to_string();
            prop_assert_eq!(datetime(&format!("{}Z", &text[..27])), Some(ticks));
        }
    }
}
