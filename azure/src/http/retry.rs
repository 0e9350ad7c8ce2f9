//! When a request is sent again, and after how long.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What sending a request twice would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: it reads, or puts what is there already.
    Harmless,
    /// It costs the service a lot: only when it says that it has not begun.
    Costly,
    /// What it writes might be written twice.
    Writes,
    /// It only asks whether anybody is there.
    Never,
}

impl Retry {
    /// Whether a refusal with this status is worth another attempt.
    pub(crate) fn after_status(self, status: u16) -> bool {
        match self {
            Self::Harmless | Self::Writes => matches!(status, 429 | 500 | 502 | 503 | 504),
            // A query that ran out of time would do so again.
            Self::Costly => matches!(status, 429 | 503),
            Self::Never => false,
        }
    }

    /// Whether the service may have done its work although it answered so.
    pub(crate) fn leaves_doubt(self, status: u16) -> bool {
        self == Self::Writes && matches!(status, 500 | 502 | 504)
    }
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc);
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

/// How long to wait before attempt `attempt + 1`: twice as long each time, and half of it by chance, so that many clients
/// do not come back at once.
pub(crate) fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let mut byte = [0_u8];
    // Without randomness the pause is merely not spread.
    let spread = if SystemRandom::new().fill(&mut byte).is_ok() { byte[0] } else { u8::MAX };
    longest / 2 + longest / 2 * u32::from(spread) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_retry_after() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        assert_eq!(retry_after(" 12 ", now), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(77)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for attempt in 1..40 {
            let longest = FIRST_PAUSE.as_millis() << (attempt - 1).min(10);
            let pause = pause(attempt).as_millis();
            assert!(pause <= longest.min(30_000) && pause * 2 + 1 >= longest.min(30_000), "{attempt}: {pause}");
        }
    }
}
