//! Dates: calendar parts, period starts and ends, differences, formats.

use std::str::FromStr;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::{Arguments, Function, Kind, Returns, function, on_long, rule, variadic};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    ticks::{
        self, Civil, DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, civil, days_from_civil, from_civil, in_range,
    },
    value::{Cell, Value},
};

const INT: Returns = Returns::Is(KqlType::Int);
const DATETIME: Returns = Returns::Is(KqlType::Datetime);

/// `startof*` and `endof*` take an offset in periods.
const PERIOD: &[Kind] = &[Kind::Datetime, Kind::Integer];

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["datetime_list_timezones"], &[], 0, Returns::Is(KqlType::Dynamic), |_| {
        rule(|_| {
            let mut names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
            names.sort_unstable();
            serde_json::Value::from(names).into()
        })
    }),
    function(&["hourofday"], &[Kind::Datetime], 0, INT, |_| rule(|c| on_long(&c[0], |t| Some(civil(t).time / HOUR)))),
    function(&["dayofmonth"], &[Kind::Datetime], 0, INT, |_| rule(|c| on_long(&c[0], |t| Some(civil(t).day)))),
    function(&["monthofyear", "getmonth"], &[Kind::Datetime], 0, INT, |_| {
        rule(|c| on_long(&c[0], |t| Some(civil(t).month)))
    }),
    function(&["getyear"], &[Kind::Datetime], 0, INT, |_| rule(|c| on_long(&c[0], |t| Some(civil(t).year)))),
    function(&["dayofyear"], &[Kind::Datetime], 0, INT, |_| rule(|c| on_long(&c[0], |t| Some(day_of_year(t))))),
    function(&["week_of_year", "weekofyear"], &[Kind::Datetime], 0, INT, |_| {
        rule(|c| on_long(&c[0], |t| Some(iso_week(t))))
    }),
    function(&["dayofweek"], &[Kind::Datetime], 0, Returns::Is(KqlType::Timespan), |_| {
        rule(|c| on_long(&c[0], |t| Some(weekday(t) * DAY)))
    }),
    function(&["startofday"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Day, false))),
    function(&["startofweek"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Week, false))),
    function(&["startofmonth"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Month, false))),
    function(&["startofyear"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Year, false))),
    function(&["endofday"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Day, true))),
    function(&["endofweek"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Week, true))),
    function(&["endofmonth"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Month, true))),
    function(&["endofyear"], PERIOD, 1, DATETIME, |_| rule(|c| period(c, Part::Year, true))),
    function(&["datetime_diff"], &[Kind::Text, Kind::Datetime, Kind::Datetime], 0, Returns::Is(KqlType::Long), diff),
    function(&["datetime_add"], &[Kind::Text, Kind::Integer, Kind::Datetime], 0, DATETIME, add),
    function(&["datetime_part", "datepart"], &[Kind::Text, Kind::Datetime], 0, INT, part),
    function(&["format_datetime"], &[Kind::Datetime, Kind::Text], 0, Returns::Is(KqlType::String), |_| {
        rule(|c| c[0].long().map_or_else(|| "".into(), |t| format(t, c[1].text()).into()))
    }),
    function(&["format_timespan"], &[Kind::Timespan, Kind::Text], 0, Returns::Is(KqlType::String), |_| {
        rule(|c| c[0].long().map_or_else(|| "".into(), |t| format_span(t, c[1].text()).into()))
    }),
    variadic(&["make_timespan"], &[Kind::Number], 2, Returns::Is(KqlType::Timespan), |a| {
        if a.types.len() > 4 {
            Err("it takes at most days, hours, minutes and seconds".into())
        } else {
            rule(make_span)
        }
    }),
    function(&["datetime_local_to_utc"], &[Kind::Datetime, Kind::Text], 0, DATETIME, |a| in_zone(a, true)),
    function(&["datetime_utc_to_local"], &[Kind::Datetime, Kind::Text], 0, DATETIME, |a| in_zone(a, false)),
    function(&["unixtime_seconds_todatetime"], &[Kind::Number], 0, DATETIME, |_| rule(|c| from_unix(&c[0], SECOND))),
    function(&["unixtime_milliseconds_todatetime"], &[Kind::Number], 0, DATETIME, |_| {
        rule(|c| from_unix(&c[0], MILLISECOND))
    }),
    function(&["unixtime_microseconds_todatetime"], &[Kind::Number], 0, DATETIME, |_| {
        rule(|c| from_unix(&c[0], MICROSECOND))
    }),
    function(&["unixtime_nanoseconds_todatetime"], &[Kind::Number], 0, DATETIME, |_| {
        rule(|c| on_long(&c[0], |t| in_range(t.div_euclid(100) + ticks::UNIX_EPOCH)))
    }),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Quarter,
    Month,
    Week,
    WeekOfYear,
    Day,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

fn part_named(text: &str) -> Option<Part> {
    Some(match text.to_lowercase().as_str() {
        "year" => Part::Year,
        "quarter" => Part::Quarter,
        "month" => Part::Month,
        "week" => Part::Week,
        "week_of_year" | "weekofyear" => Part::WeekOfYear,
        "day" => Part::Day,
        "dayofyear" => Part::DayOfYear,
        "hour" => Part::Hour,
        "minute" => Part::Minute,
        "second" => Part::Second,
        "millisecond" => Part::Millisecond,
        "microsecond" => Part::Microsecond,
        "nanosecond" => Part::Nanosecond,
        _ => return None,
    })
}

fn constant_part(a: &Arguments) -> Result<Part, String> {
    let text = a.constant_text(0).ok_or("the first argument must be a constant such as 'day'")?;
    part_named(text).ok_or_else(|| format!("`{text}` is not a part of a datetime: use year, quarter, month, week, day, hour, minute, second, millisecond, microsecond or nanosecond"))
}

/// Days since the last Sunday. 0001-01-01 was a Monday.
fn weekday(t: i64) -> i64 {
    (t.div_euclid(DAY) + 1).rem_euclid(7)
}

fn day_of_year(t: i64) -> i64 {
    let date = civil(t);
    days_from_civil(date.year, date.month, date.day) - days_from_civil(date.year, 1, 1) + 1
}

fn iso_week(t: i64) -> i64 {
    let monday_based = (weekday(t) + 6) % 7;
    let thursday = t.div_euclid(DAY) - monday_based + 3;
    (day_of_year(thursday * DAY) - 1) / 7 + 1
}

/// The start of the period around `t`, `offset` periods later.
fn start_of(t: i64, part: Part, offset: i64) -> Option<i64> {
    let date = civil(t);
    let midnight = t - date.time;
    match part {
        Part::Day => midnight.checked_add(offset.checked_mul(DAY)?),
        Part::Week => (midnight - weekday(t) * DAY).checked_add(offset.checked_mul(7 * DAY)?),
        Part::Month => {
            let months = (date.year * 12 + date.month - 1).checked_add(offset)?;
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            (0..=10_000).contains(&year).then(|| days_from_civil(year, month, 1) * DAY)
        }
        Part::Year => {
            let year = date.year.checked_add(offset)?;
            (0..=10_000).contains(&year).then(|| days_from_civil(year, 1, 1) * DAY)
        }
        _ => None,
    }
}

fn period(c: &[Cell<'_>], part: Part, end: bool) -> Value {
    let offset = c.get(1).map_or(Some(0), Cell::long);
    let (Some(t), Some(offset)) = (c[0].long(), offset) else { return Cell::Null };
    let moment =
        if end { start_of(t, part, offset.saturating_add(1)).map(|next| next - 1) } else { start_of(t, part, offset) };
    moment.and_then(in_range).into()
}

/// Counts the boundaries between two moments, not whole periods.
fn diff(a: &Arguments) -> Result<RowFunction, String> {
    let part = constant_part(a)?;
    rule(move |c| {
        let (Some(later), Some(earlier)) = (c[1].long(), c[2].long()) else { return Cell::Null };
        (boundary(later, part) - boundary(earlier, part)).into()
    })
}

/// How many boundaries of a kind lie before a moment.
fn boundary(t: i64, part: Part) -> i64 {
    let Civil { year, month, .. } = civil(t);
    match part {
        Part::Year => year,
        Part::Quarter => year * 4 + (month - 1) / 3,
        Part::Month => year * 12 + month,
        Part::Week | Part::WeekOfYear => (t.div_euclid(DAY) + 1).div_euclid(7),
        Part::Day | Part::DayOfYear => t.div_euclid(DAY),
        Part::Hour => t.div_euclid(HOUR),
        Part::Minute => t.div_euclid(MINUTE),
        Part::Second => t.div_euclid(SECOND),
        Part::Millisecond => t.div_euclid(MILLISECOND),
        Part::Microsecond => t.div_euclid(MICROSECOND),
        Part::Nanosecond => t.wrapping_mul(100),
    }
}

fn add(a: &Arguments) -> Result<RowFunction, String> {
    let part = constant_part(a)?;
    rule(move |c| match (c[1].long(), c[2].long()) {
        (Some(amount), Some(t)) => shifted(t, part, amount).and_then(in_range).into(),
        _ => Cell::Null,
    })
}

fn shifted(t: i64, part: Part, amount: i64) -> Option<i64> {
    let months = match part {
        Part::Year => amount.checked_mul(12)?,
        Part::Quarter => amount.checked_mul(3)?,
        Part::Month => amount,
        _ => {
            let unit = match part {
                Part::Week => 7 * DAY,
                Part::Day => DAY,
                Part::Hour => HOUR,
                Part::Minute => MINUTE,
                Part::Second => SECOND,
                Part::Millisecond => MILLISECOND,
                Part::Microsecond => MICROSECOND,
                _ => return t.checked_add(amount / 100),
            };
            return t.checked_add(amount.checked_mul(unit)?);
        }
    };
    let date = civil(t);
    let total = (date.year * 12 + date.month - 1).checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    if !(1..=9999).contains(&year) {
        return None;
    }
    from_civil(year, month, date.day.min(ticks::days_in_month(year, month)), date.time)
}

fn part(a: &Arguments) -> Result<RowFunction, String> {
    let part = constant_part(a)?;
    rule(move |c| {
        on_long(&c[1], |t| {
            let date = civil(t);
            Some(match part {
                Part::Year => date.year,
                Part::Quarter => (date.month - 1) / 3 + 1,
                Part::Month => date.month,
                Part::Week | Part::WeekOfYear => iso_week(t),
                Part::Day => date.day,
                Part::DayOfYear => day_of_year(t),
                Part::Hour => date.time / HOUR,
                Part::Minute => date.time / MINUTE % 60,
                Part::Second => date.time / SECOND % 60,
                Part::Millisecond => date.time % SECOND / MILLISECOND,
                Part::Microsecond => date.time % SECOND / MICROSECOND,
                Part::Nanosecond => date.time % SECOND * 100,
            })
        })
    })
}

fn from_unix(cell: &Cell<'_>, unit: i64) -> Value {
    let ticks_since = match cell {
        Cell::Long(value) => value.checked_mul(unit),
        Cell::Real(value) if (value * unit as f64).abs() < 9e18 => Some((value * unit as f64).round() as i64),
        _ => None,
    };
    ticks_since.and_then(|t| t.checked_add(ticks::UNIX_EPOCH)).and_then(in_range).into()
}

/// `yyyy-MM-dd HH:mm:ss.fffffff` and the like: runs of one letter are fields, the rest is text.
fn format(t: i64, pattern: &str) -> String {
    let date = civil(t);
    let fraction = format!("{:07}", date.time % SECOND);
    let hour = date.time / HOUR;
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half_of_day = if hour < 12 { "AM" } else { "PM" };
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        // A longer run is the widest field, then a field of what is left: `ddd` is `dd` and `d`.
        let widest = match letter {
            'y' => 4,
            'f' | 'F' => 7,
            'M' | 'd' | 'H' | 'h' | 'm' | 's' | 't' => 2,
            _ => usize::MAX,
        };
        let width = rest.chars().take_while(|c| *c == letter).count().min(widest);
        let field = match letter {
            'y' if width <= 2 => pad(date.year % 100, width),
            'y' => pad(date.year, width),
            'M' => pad(date.month, width),
            'd' => pad(date.day, width),
            'H' => pad(hour, width),
            'h' => pad(hour12, width),
            'm' => pad(date.time / MINUTE % 60, width),
            's' => pad(date.time / SECOND % 60, width),
            'f' => fraction[..width].to_string(),
            // All digits, or none if they are all zero.
            'F' if fraction[..width].bytes().all(|digit| digit == b'0') => String::new(),
            'F' => fraction[..width].to_string(),
            't' => half_of_day[..width].to_string(),
            other => other.to_string().repeat(width),
        };
        out.push_str(&field);
        rest = &rest[letter.len_utf8() * width..];
    }
    out
}

/// `d.hh:mm:ss.fffffff` and the like for timespans; the sign is not printed.
fn format_span(t: i64, pattern: &str) -> String {
    let size = t.unsigned_abs() as i64;
    let fraction = format!("{:07}", size % SECOND);
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let widest = match letter {
            'd' => 8,
            'f' | 'F' => 7,
            'H' | 'h' | 'm' | 's' => 2,
            _ => usize::MAX,
        };
        let width = rest.chars().take_while(|c| *c == letter).count().min(widest);
        let field = match letter {
            'd' => pad(size / DAY, width),
            'H' | 'h' => pad(size / HOUR % 24, width),
            'm' => pad(size / MINUTE % 60, width),
            's' => pad(size / SECOND % 60, width),
            'f' => fraction[..width].to_string(),
            'F' if fraction[..width].bytes().all(|digit| digit == b'0') => String::new(),
            'F' => fraction[..width].to_string(),
            other => other.to_string().repeat(width),
        };
        out.push_str(&field);
        rest = &rest[letter.len_utf8() * width..];
    }
    out
}

/// `(hours, minutes)`, `(hours, minutes, seconds)` or `(days, hours, minutes, seconds)`.
fn make_span(c: &[Cell<'_>]) -> Value {
    let parts: Option<Vec<f64>> = c.iter().map(Cell::real).collect();
    let Some(parts) = parts else { return Cell::Null };
    let (days, hours, minutes, seconds) = match parts[..] {
        [hours, minutes] => (0.0, hours, minutes, 0.0),
        [hours, minutes, seconds] => (0.0, hours, minutes, seconds),
        [days, hours, minutes, seconds] => (days, hours, minutes, seconds),
        _ => return Cell::Null,
    };
    let fits = (0.0..24.0).contains(&hours) && (0.0..60.0).contains(&minutes) && (0.0..60.0).contains(&seconds);
    if !fits || !(0.0..10_000_000.0).contains(&days) {
        return Cell::Null;
    }
    let whole = days as i64 * DAY + hours as i64 * HOUR + minutes as i64 * MINUTE;
    (whole + (seconds * SECOND as f64).round() as i64).into()
}

/// Between UTC and the wall clock of a zone of the IANA list.
fn in_zone(a: &Arguments, to_utc: bool) -> Result<RowFunction, String> {
    let known = |name: &str| {
        Tz::from_str(name)
            .map_err(|_| format!("`{name}` is not a time zone: use names such as US/Pacific or Europe/Berlin"))
    };
    let constant = a.constant_text(1).map(known).transpose()?;
    rule(move |c| {
        let zone = match constant {
            Some(zone) => zone,
            None => match Tz::from_str(c[1].text()) {
                Ok(zone) => zone,
                Err(_) => return Cell::Null,
            },
        };
        on_long(&c[0], |t| moved(t, zone, to_utc))
    })
}

fn moved(t: i64, zone: Tz, to_utc: bool) -> Option<i64> {
    let seconds = (t - ticks::UNIX_EPOCH).div_euclid(SECOND);
    let moment = DateTime::from_timestamp(seconds, 0)?.naive_utc();
    let offset = if to_utc {
        // An hour that happens twice is the first one; one that never happens is read as if the
        // clock had not been moved yet.
        match zone.offset_from_local_datetime(&moment).earliest() {
            Some(offset) => offset.fix().local_minus_utc(),
            None => {
                let before = moment - chrono::TimeDelta::hours(3);
                zone.offset_from_local_datetime(&before).earliest()?.fix().local_minus_utc()
            }
        }
    } else {
        zone.offset_from_utc_datetime(&moment).fix().local_minus_utc()
    };
    let shift = i64::from(offset) * SECOND;
    in_range(if to_utc { t - shift } else { t + shift })
}

fn pad(value: i64, width: usize) -> String {
    format!("{value:0width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        ticks::parse_datetime(text).unwrap()
    }

    #[test]
    fn weeks_start_on_sunday() {
        assert_eq!(start_of(at("2024-03-06"), Part::Week, 0), Some(at("2024-03-03")));
        assert_eq!(weekday(at("2024-03-03")), 0);
    }

    #[test]
    fn iso_weeks_cross_the_year() {
        assert_eq!(iso_week(at("2021-01-03")), 53);
        assert_eq!(iso_week(at("2020-12-31")), 53);
        assert_eq!(iso_week(at("2024-01-01")), 1);
    }

    #[test]
    fn adding_months_stays_within_the_month() {
        assert_eq!(shifted(at("2024-01-31"), Part::Month, 1), Some(at("2024-02-29")));
        assert_eq!(shifted(at("2024-02-29"), Part::Year, 1), Some(at("2025-02-28")));
    }

    #[test]
    fn zones_move_the_clock() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(moved(at("2024-07-01 12:00"), berlin, false), Some(at("2024-07-01 14:00")));
        assert_eq!(moved(at("2024-01-01 13:00"), berlin, true), Some(at("2024-01-01 12:00")));
    }

    #[test]
    fn timespans_have_formats_too() {
        assert_eq!(format_span(DAY + 2 * HOUR + 3 * SECOND / 2, "d.hh:mm:ss [fff]"), "1.02:00:01 [500]");
    }

    #[test]
    fn formats_follow_the_letters() {
        assert_eq!(
            format(at("2024-03-05 14:05:09.1234567"), "yy-MM-dd [HH:mm:ss.fff] hh tt"),
            "24-03-05 [14:05:09.123] 02 PM"
        );
    }
}
