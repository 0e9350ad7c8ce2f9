//! Kusto's clock: 100 ns ticks since 0001-01-01, years 0001 to 9999, no time zone.
//!
//! chrono could do the calendar, but ticks need parsing and printing rules of their own, and
//! plain arithmetic keeps every function here total.

/// Ticks in one microsecond.
pub const MICROSECOND: i64 = 10;
/// Ticks in one millisecond.
pub const MILLISECOND: i64 = 10_000;
/// Ticks in one second.
pub const SECOND: i64 = 10_000_000;
/// Ticks in one minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Ticks in one hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Ticks in one day.
pub const DAY: i64 = 24 * HOUR;
/// 1970-01-01 in ticks.
pub const UNIX_EPOCH: i64 = 719_162 * DAY;
/// 9999-12-31T23:59:59.9999999Z in ticks.
pub const MAX_DATETIME: i64 = 3_652_059 * DAY - 1;

/// A moment taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// 1..=9999
    pub year: i64,
    /// 1..=12
    pub month: i64,
    /// 1..=31
    pub day: i64,
    /// Ticks since midnight
    pub time: i64,
}

/// Days since 0001-01-01 of a date in the proleptic Gregorian calendar.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Howard Hinnant's algorithm, with March as the first month so that leap days come last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 306
}

/// The date and time of a tick count.
pub fn civil(ticks: i64) -> Civil {
    let days = ticks.div_euclid(DAY) + 306;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month, day, time: ticks.rem_euclid(DAY) }
}

/// Days in a month.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

/// Ticks of a date and time, if every part is in range.
pub fn from_civil(year: i64, month: i64, day: i64, time: i64) -> Option<i64> {
    let valid = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && (0..=DAY).contains(&time);
    valid.then(|| days_from_civil(year, month, day) * DAY + time).and_then(in_range)
}

/// `None` outside the years 0001 to 9999.
pub fn in_range(ticks: i64) -> Option<i64> {
    (0..=MAX_DATETIME).contains(&ticks).then_some(ticks)
}

/// `2020-01-02T03:04:05.6000000Z`
pub fn format_datetime(ticks: i64) -> String {
    let Civil { year, month, day, time } = civil(ticks);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:07}Z",
        time / HOUR,
        time / MINUTE % 60,
        time / SECOND % 60,
        time % SECOND
    )
}

/// `[-][d.]hh:mm:ss[.fffffff]`
pub fn format_timespan(ticks: i64) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let size = ticks.unsigned_abs();
    let unit = |ticks: i64| ticks.unsigned_abs();
    let days = size / unit(DAY);
    let days = if days > 0 { format!("{days}.") } else { String::new() };
    let fraction = size % unit(SECOND);
    let fraction = if fraction > 0 { format!(".{fraction:07}") } else { String::new() };
    format!(
        "{sign}{days}{:02}:{:02}:{:02}{fraction}",
        size / unit(HOUR) % 24,
        size / unit(MINUTE) % 60,
        size / unit(SECOND) % 60
    )
}

/// Ticks of `7`, `.7`, ... digits behind the decimal point of seconds.
fn fraction_ticks(digits: &str) -> Option<i64> {
    let digits: String = digits.chars().chain("0000000".chars()).take(7).collect();
    digits.parse().ok()
}

/// Reads `[-][d.]hh:mm[:ss[.fffffff]]`, or a bare number of days.
pub fn parse_timespan(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let size = if text.contains(':') { parse_clock(text)? } else { parse_days(text)? };
    Some(if negative { -size } else { size })
}

fn parse_days(text: &str) -> Option<i64> {
    let days: i64 = digits(text)?;
    days.checked_mul(DAY)
}

fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (days, hours) = match parts.next()?.split_once('.') {
        Some((days, hours)) => (digits(days)?, digits(hours)?),
        None => (0, -1),
    };
    let hours = if hours < 0 { digits(text.split(':').next()?)? } else { hours };
    let minutes = digits(parts.next()?)?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            Some((seconds, fraction)) if fraction.chars().all(|c| c.is_ascii_digit()) => {
                (digits(seconds)?, fraction_ticks(fraction)?)
            }
            Some(_) => return None,
            None => (digits(seconds)?, 0),
        },
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    days.checked_mul(DAY)?.checked_add(hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction)
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Ticks in one `unit` of a timespan literal such as `1d` or `5minutes`; nanoseconds are `0`.
pub fn unit_ticks(unit: &str) -> Option<i64> {
    Some(match unit {
        "d" | "day" | "days" => DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "ms" | "milli" | "millis" | "millisec" | "millisecond" | "milliseconds" => MILLISECOND,
        "micro" | "micros" | "microsec" | "microsecond" | "microseconds" => MICROSECOND,
        "tick" | "ticks" => 1,
        "nano" | "nanos" | "nanosec" | "nanosecond" | "nanoseconds" => 0,
        _ => return None,
    })
}

/// Ticks of a literal such as `1.5h`.
pub fn unit_amount(number: &str, unit: &str) -> Option<i64> {
    let ticks = unit_ticks(unit)?;
    if let Ok(whole) = number.parse::<i64>() {
        return if ticks == 0 { Some(whole / 100) } else { whole.checked_mul(ticks) };
    }
    let amount: f64 = number.parse().ok()?;
    let total = if ticks == 0 { amount / 100.0 } else { amount * ticks as f64 };
    (total.abs() < 9e18).then_some(total.round() as i64)
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads the datetime spellings Kusto reads: ISO 8601, `yyyyMMdd`, US order, month names.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches(" UTC").trim_end_matches(" GMT");
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    let text = strip_weekday(text);
    let (date, time) = split_date(text)?;
    let (year, month, day) = parse_date(date)?;
    let (time, offset) = parse_time(time.trim())?;
    from_civil(year, month, day, 0)?.checked_add(time)?.checked_sub(offset).and_then(in_range)
}

fn strip_weekday(text: &str) -> &str {
    match text.split_once(", ") {
        Some((head, rest)) if head.len() >= 3 && head.chars().all(char::is_alphabetic) => rest,
        _ => text,
    }
}

/// The date ends at `T`, or at the space before the first `:`.
fn split_date(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    if let Some(at) = text.find('T')
        && at > 0
        && bytes[at - 1].is_ascii_digit()
    {
        return Some((&text[..at], &text[at + 1..]));
    }
    match text.find(':') {
        None => Some((text.strip_suffix('Z').unwrap_or(text), "")),
        Some(colon) => {
            let space = text[..colon].trim_end().rfind(' ')?;
            Some((&text[..space], &text[space + 1..]))
        }
    }
}

fn parse_date(text: &str) -> Option<(i64, i64, i64)> {
    let parts: Vec<&str> = text.split(['-', '/', '.', ' ', ',']).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [only] if only.len() == 8 && only.is_ascii() => {
            Some((digits(&only[..4])?, digits(&only[4..6])?, digits(&only[6..])?))
        }
        [year, month] if year.len() == 4 => Some((digits(year)?, digits(month)?, 1)),
        [a, b, c] => {
            if let Some(month) = month_number(a) {
                Some((full_year(c)?, month, digits(b)?))
            } else if let Some(month) = month_number(b) {
                if a.len() == 4 {
                    Some((digits(a)?, month, digits(c)?))
                } else {
                    Some((full_year(c)?, month, digits(a)?))
                }
            } else if a.len() == 4 {
                Some((digits(a)?, digits(b)?, digits(c)?))
            } else {
                Some((full_year(c)?, digits(a)?, digits(b)?))
            }
        }
        _ => None,
    }
}

fn full_year(text: &str) -> Option<i64> {
    let year = digits(text)?;
    Some(match text.len() {
        2 if year < 50 => 2000 + year,
        2 => 1900 + year,
        _ => year,
    })
}

fn month_number(text: &str) -> Option<i64> {
    let lowered = text.to_lowercase();
    if lowered.len() < 3 || !lowered.chars().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    MONTHS.iter().position(|month| lowered.starts_with(month)).map(|at| at as i64 + 1)
}

/// Time of day and zone offset, in ticks.
fn parse_time(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let (text, offset) = split_zone(text)?;
    let (text, shift) = match text.to_lowercase() {
        lowered if lowered.ends_with("pm") => (&text[..text.len() - 2], Some(12)),
        lowered if lowered.ends_with("am") => (&text[..text.len() - 2], Some(0)),
        _ => (text, None),
    };
    let mut parts = text.trim().splitn(3, ':');
    let mut hours = digits(parts.next()?)?;
    let minutes = parts.next().map_or(Some(0), digits)?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once(['.', ':']) {
            Some((seconds, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => {
                (digits(seconds)?, fraction_ticks(fraction)?)
            }
            Some(_) => return None,
            None => (digits(seconds)?, 0),
        },
    };
    if let Some(shift) = shift {
        hours = hours % 12 + shift;
    }
    let valid = hours <= 23 && minutes <= 59 && seconds <= 59;
    valid.then_some((hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction, offset))
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Some((rest, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
    let zone = text[at + 1..].replace(':', "");
    let (hours, minutes) = match zone.len() {
        1 | 2 => (digits(&zone)?, 0),
        4 if zone.is_ascii() => (digits(&zone[..2])?, digits(&zone[2..])?),
        _ => return None,
    };
    Some((text[..at].trim_end(), sign * (hours * HOUR + minutes * MINUTE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_round_trips_at_both_ends() {
        for (text, ticks) in [
            ("0001-01-01T00:00:00.0000000Z", 0),
            ("1970-01-01T00:00:00.0000000Z", UNIX_EPOCH),
            ("9999-12-31T23:59:59.9999999Z", MAX_DATETIME),
        ] {
            assert_eq!(parse_datetime(text), Some(ticks), "{text}");
            assert_eq!(format_datetime(ticks), text);
        }
    }

    #[test]
    fn datetimes_are_read_in_many_spellings() {
        let wanted = parse_datetime("2022-12-02T00:00:00Z");
        for text in ["2022/12/02", "12-02-2022", "12.02.2022", "2 Dec 2022", "Dec 2, 2022", "20221202", "2022-12-02"] {
            assert_eq!(parse_datetime(text), wanted, "{text}");
        }
        assert_eq!(
            format_datetime(parse_datetime("2022-12-02T13:45:56+02:00").unwrap()),
            "2022-12-02T11:45:56.0000000Z"
        );
        assert_eq!(parse_datetime("garbage"), None);
        assert_eq!(parse_datetime("2022-02-30"), None);
    }

    #[test]
    fn timespans_print_and_read_back() {
        for text in ["1.02:03:04", "00:00:00.0000001", "-1.00:00:00", "14.00:00:00"] {
            assert_eq!(format_timespan(parse_timespan(text).unwrap()), text);
        }
        assert_eq!(unit_amount("1.5", "h"), Some(90 * MINUTE));
        assert_eq!(unit_amount("150", "nanoseconds"), Some(1));
    }
}
