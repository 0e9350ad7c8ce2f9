use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A UTC date-time: nanoseconds since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct Datetime(pub i64);

/// A span of time in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Keys that mark typed values while [`crate::frame_of`] turns rows into columns.
pub(crate) const DATETIME_KEY: &str = "$huntbook::Datetime";
pub(crate) const DURATION_KEY: &str = "$huntbook::Duration";

thread_local! {
    static TAGGING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Serialises with types kept, for [`crate::frame_of`] only: elsewhere a date-time is ISO text.
pub(crate) fn with_types_kept<T>(serialise: impl FnOnce() -> T) -> T {
    TAGGING.set(true);
    let result = serialise();
    TAGGING.set(false);
    result
}

/// ISO 8601 with `Z`; the fraction only when there is one.
impl fmt::Display for Datetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.div_euclid(NANOS_PER_SECOND), self.0.rem_euclid(NANOS_PER_SECOND));
        let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        if nanos != 0 {
            write!(f, "{}", format!(".{nanos:09}").trim_end_matches('0'))?;
        }
        write!(f, "Z")
    }
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": days since 1970-01-01 to year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let total = self.0.unsigned_abs();
        let (seconds, nanos) = (total / 1_000_000_000, total % 1_000_000_000);
        write!(
            f,
            "{sign}{}.{:02}:{:02}:{:02}",
            seconds / 86_400,
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60
        )?;
        if nanos != 0 {
            write!(f, "{}", format!(".{nanos:09}").trim_end_matches('0'))?;
        }
        Ok(())
    }
}

impl Serialize for Datetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if TAGGING.get() { serializer.collect_map([(DATETIME_KEY, self.0)]) } else { serializer.collect_str(self) }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if TAGGING.get() { serializer.collect_map([(DURATION_KEY, self.0)]) } else { serializer.collect_str(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_read_as_iso_8601() {
        assert_eq!(Datetime(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Datetime(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(Datetime(951_782_400_500_000_000).to_string(), "2000-02-29T00:00:00.5Z");
        assert_eq!(Datetime(1_795_348_800_000_000_000).to_string(), "2026-11-22T12:00:00Z");
    }

    #[test]
    fn durations_read_as_kusto_timespans() {
        assert_eq!(Duration(-90_000_000_000).to_string(), "-0.00:01:30");
        assert_eq!(Duration(90_061_500_000_000).to_string(), "1.01:01:01.5");
    }
}
