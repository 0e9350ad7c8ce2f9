//! Time ranges of queries: `--from`, `--to`, `--last`, and ISO 8601 timespans of the services.

use huntbook_kql::ticks;

use crate::{Error, Result};

/// `[from, to)` in ticks of 100 ns since 0001-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub from: i64,
    pub to: i64,
}

impl TimeRange {
    /// The range that these options mean; `None` if there are none. `--to` is now where it is not given.
    ///
    /// Errors: `--last` beside the others, text that is no time, a range that is empty.
    pub fn of_options(from: Option<&str>, to: Option<&str>, last: Option<&str>, now: i64) -> Result<Option<TimeRange>> {
        let range = match (from, to, last) {
            (None, None, None) => return Ok(None),
            (None, None, Some(last)) => {
                let length = duration(last)
                    .filter(|length| *length > 0)
                    .ok_or_else(|| wrong(format!("--last takes a timespan such as 7d, 12h or PT30M, not `{last}`")))?;
                TimeRange { from: now - length, to: now }
            }
            (_, _, Some(_)) => return Err(wrong("--last stands alone: leave out --from and --to, or --last")),
            (None, Some(_), None) => return Err(wrong("--to needs a --from: without it there is no begin")),
            (Some(from), to, None) => {
                TimeRange { from: moment("--from", from, now)?, to: to.map_or(Ok(now), |to| moment("--to", to, now))? }
            }
        };
        range.checked().map(Some)
    }

    /// A timespan of the services: `P1D`, `start/end`, `start/duration`, `duration/end`.
    pub fn of_iso(text: &str, now: i64) -> Result<TimeRange> {
        let shape =
            || wrong(format!("`{text}` is no timespan: write P1D, START/END, START/P1D or P1D/END, in ISO 8601"));
        let (first, second) = match text.split_once('/') {
            None => (text, None),
            Some((first, second)) => (first, Some(second)),
        };
        let range = match (duration(first), second) {
            (Some(length), None) => TimeRange { from: now - length, to: now },
            (Some(length), Some(end)) => {
                let to = ticks::parse_datetime(end).ok_or_else(shape)?;
                TimeRange { from: to - length, to }
            }
            (None, Some(second)) => {
                let from = ticks::parse_datetime(first).ok_or_else(shape)?;
                let to = duration(second).map(|length| from + length).or_else(|| ticks::parse_datetime(second));
                TimeRange { from, to: to.ok_or_else(shape)? }
            }
            (None, None) => return Err(shape()),
        };
        range.checked()
    }

    fn checked(self) -> Result<TimeRange> {
        let sound = ticks::in_range(self.from).is_some() && ticks::in_range(self.to).is_some();
        if !sound || self.from >= self.to {
            let [from, to] = [self.from, self.to].map(|at| ticks::format_datetime(at.clamp(0, ticks::MAX_DATETIME)));
            return Err(wrong(format!("the time range is empty: it would begin at {from} and end at {to}")));
        }
        Ok(self)
    }

    /// `START/END`, as the services take it.
    pub fn iso(self) -> String {
        format!("{}/{}", ticks::format_datetime(self.from), ticks::format_datetime(self.to))
    }

    /// Two halves, the older first; `None` if it is too short to be worth it.
    pub fn halves(self) -> Option<[TimeRange; 2]> {
        // Whole seconds: nobody reads boundaries of ticks.
        let middle = self.from + (self.to - self.from) / 2 / ticks::SECOND * ticks::SECOND;
        (middle > self.from).then_some([TimeRange { to: middle, ..self }, TimeRange { from: middle, ..self }])
    }

    /// Slices of a length, at round multiples of it, the oldest first.
    pub fn slices(self, length: i64) -> Vec<TimeRange> {
        let mut slices = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let to = (from.div_euclid(length) + 1).saturating_mul(length).min(self.to);
            slices.push(TimeRange { from, to });
            from = to;
        }
        slices
    }
}

fn moment(option: &str, text: &str, now: i64) -> Result<i64> {
    if text == "now" {
        return Ok(now);
    }
    let ago = text.strip_prefix('-').and_then(duration).map(|length| now - length);
    ago.or_else(|| ticks::parse_datetime(text)).ok_or_else(|| {
        wrong(format!("{option} takes a time such as 2026-01-31, 2026-01-31T08:00Z, now or -3d, not `{text}`"))
    })
}

/// Ticks of `7d`, `1.5h`, `1.02:00:00`, `PT30M`, `P1DT3600.0S`.
pub fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(iso) = text.strip_prefix('P') {
        return iso_duration(iso);
    }
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic());
    match unit_at {
        Some(at) => ticks::unit_amount(&text[..at], &text[at..]),
        None if text.contains(':') => ticks::parse_timespan(text),
        None => None,
    }
}

fn iso_duration(text: &str) -> Option<i64> {
    let (mut total, mut in_time, mut number) = (0i64, false, String::new());
    for character in text.chars() {
        match character {
            'T' if number.is_empty() && !in_time => in_time = true,
            '0'..='9' | '.' => number.push(character),
            unit => {
                let unit = match (unit, in_time) {
                    ('W', false) => 7 * ticks::DAY,
                    ('D', false) => ticks::DAY,
                    ('H', true) => ticks::HOUR,
                    ('M', true) => ticks::MINUTE,
                    ('S', true) => ticks::SECOND,
                    // Months and years have no fixed length.
                    _ => return None,
                };
                let ticks = match number.parse::<i64>() {
                    Ok(whole) => whole.checked_mul(unit)?,
                    Err(_) => {
                        let amount = number.parse::<f64>().ok()? * unit as f64;
                        (amount < 9e18).then_some(amount.round() as i64)?
                    }
                };
                total = total.checked_add(ticks)?;
                number.clear();
            }
        }
    }
    (number.is_empty() && !text.is_empty()).then_some(total)
}

/// The present, in ticks.
pub fn now() -> i64 {
    let now = chrono::Utc::now();
    ticks::UNIX_EPOCH + now.timestamp() * ticks::SECOND + i64::from(now.timestamp_subsec_nanos()) / 100
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new("MagicError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        ticks::parse_datetime(text).unwrap()
    }

    #[test]
    fn options_mean_a_range() {
        let now = at("2026-03-10T12:00:00Z");
        let range = |from, to, last| TimeRange::of_options(from, to, last, now);
        assert_eq!(range(None, None, None), Ok(None));
        let week = TimeRange { from: now - 7 * ticks::DAY, to: now };
        assert_eq!(range(None, None, Some("7d")), Ok(Some(week)));
        assert_eq!(range(Some("-7d"), None, None), Ok(Some(week)));
        assert_eq!(range(Some("2026-03-03T12:00"), Some("now"), None), Ok(Some(week)));
        for (from, to, last) in [
            (Some("2026-03-11"), None, None),
            (None, Some("2026-03-11"), None),
            (Some("soon"), None, None),
            (Some("-1d"), None, Some("1d")),
            (None, None, Some("week")),
            (None, None, Some("0d")),
        ] {
            assert!(range(from, to, last).is_err(), "{from:?} {to:?} {last:?}");
        }
    }

    #[test]
    fn timespans_of_the_services_are_read() {
        let now = at("2026-03-10T12:00:00Z");
        for (text, from, to) in [
            ("P1D", "2026-03-09T12:00:00Z", "2026-03-10T12:00:00Z"),
            ("PT3600.0S", "2026-03-10T11:00:00Z", "2026-03-10T12:00:00Z"),
            ("2026-01-01/2026-01-02", "2026-01-01", "2026-01-02"),
            ("2026-01-01T00:00:00Z/PT1H30M", "2026-01-01", "2026-01-01T01:30:00Z"),
            ("P1W/2026-01-08", "2026-01-01", "2026-01-08"),
        ] {
            assert_eq!(TimeRange::of_iso(text, now), Ok(TimeRange { from: at(from), to: at(to) }), "{text}");
        }
        for wrong in ["", "P", "P1M", "2026-01-01", "2026-01-02/2026-01-01", "x/y"] {
            assert!(TimeRange::of_iso(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slices_cover_the_range_once() {
        let range = TimeRange { from: at("2026-01-01T00:30:00Z"), to: at("2026-01-01T03:15:00Z") };
        let slices = range.slices(ticks::HOUR);
        assert_eq!(slices.len(), 4);
        assert_eq!((slices[0].from, slices[3].to), (range.from, range.to));
        assert!(slices.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(slices[1], TimeRange { from: at("2026-01-01T01:00:00Z"), to: at("2026-01-01T02:00:00Z") });
        let [older, newer] = range.halves().unwrap();
        assert!(older.to == newer.from && older.from == range.from && newer.to == range.to);
        assert_eq!(TimeRange { from: 0, to: ticks::SECOND }.halves(), None);
    }
}
