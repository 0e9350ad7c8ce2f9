//! Durations as rules write them: `5m`, `1h`, `14d` in YAML, `PT5M`, `P14D` in ARM's JSON.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A duration of whole seconds, and how its author spelled it.
#[derive(Clone, Debug)]
pub struct RuleDuration {
    seconds: i64,
    text: String,
}

impl RuleDuration {
    /// Reads `90s`, `5m`, `1h`, `14d`, or ISO 8601 (`PT1H`, `P2DT1H30M`).
    pub fn parse(text: &str) -> Option<RuleDuration> {
        let seconds = short(text).or_else(|| iso(text))?;
        Some(RuleDuration { seconds, text: text.to_owned() })
    }

    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    pub(crate) fn of_seconds(seconds: i64) -> RuleDuration {
        let units = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm'), (1, 's')];
        let (unit, letter) = units.into_iter().find(|(unit, _)| seconds % unit == 0).unwrap_or((1, 's'));
        RuleDuration { seconds, text: format!("{}{letter}", seconds / unit) }
    }

    /// ISO 8601, as ARM wants it.
    pub fn iso(&self) -> String {
        let days = self.seconds / DAY;
        let parts =
            [(self.seconds % DAY / HOUR, 'H'), (self.seconds % HOUR / MINUTE, 'M'), (self.seconds % MINUTE, 'S')];
        let time: String =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
        match (days, time.is_empty()) {
            (0, true) => "PT0S".to_owned(),
            (0, false) => format!("PT{time}"),
            (days, true) => format!("P{days}D"),
            (days, false) => format!("P{days}DT{time}"),
        }
    }
}

/// A number and one unit.
fn short(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at(text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?);
    let unit = match unit {
        "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    whole(number)?.checked_mul(unit)
}

fn iso(text: &str) -> Option<i64> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let days = if date.is_empty() { 0 } else { whole(date.strip_suffix('D')?)?.checked_mul(DAY)? };
    let mut seconds = days;
    let mut rest = time;
    for (letter, unit) in [('H', HOUR), ('M', MINUTE), ('S', 1)] {
        if let Some((number, after)) = rest.split_once(letter) {
            seconds = seconds.checked_add(whole(number)?.checked_mul(unit)?)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(seconds)
}

fn whole(digits: &str) -> Option<i64> {
    let are_digits = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}

/// Spelling does not count: `24h` is `1d`.
impl PartialEq for RuleDuration {
    fn eq(&self, other: &Self) -> bool {
        self.seconds == other.seconds
    }
}

impl fmt::Display for RuleDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RuleDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader)
    }
}

/// A visitor, not a `String` read first: only what a visitor says gets its line in the file.
struct Reader;

impl Visitor<'_> for Reader {
    type Value = RuleDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 5m, 1h or 14d")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RuleDuration, E> {
        RuleDuration::parse(text).ok_or_else(|| {
            E::custom(format!("`{text}` is not a duration: write a number and a unit, as in 5m, 1h, 14d"))
        })
    }
}

impl Serialize for RuleDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        for (text, seconds, iso) in [
            ("5m", 300, "PT5M"),
            ("1h", 3600, "PT1H"),
            ("1d", 86_400, "P1D"),
            ("90m", 5400, "PT1H30M"),
            ("PT5H", 18_000, "PT5H"),
            ("P2DT1H30M", 178_200, "P2DT1H30M"),
            ("P14D", 1_209_600, "P14D"),
            ("PT24H", 86_400, "P1D"),
        ] {
            let duration = RuleDuration::parse(text).unwrap();
            assert_eq!(
                (duration.seconds(), duration.iso().as_str(), duration.to_string().as_str()),
                (seconds, iso, text)
            );
        }
        for wrong in ["", "h", "1", "1 h", "-1h", "1w", "1.5h", "P", "PT", "P1H", "PT1H5", "1é", "99999999999d"] {
            assert!(RuleDuration::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(RuleDuration::of_seconds(5400).to_string(), "90m");
        assert_eq!(RuleDuration::of_seconds(172_800).to_string(), "2d");
    }
}
