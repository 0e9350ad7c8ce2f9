//! What the text in a file stands for: the type of a column that holds every value without changing it.

use crate::{KqlType, ticks};

/// The narrowest type of the values seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Seen {
    /// No value yet: empty text does not count
    #[default]
    Nothing,
    Is(KqlType),
}

impl Seen {
    /// The type of a column of these values.
    pub(super) fn kql_type(self) -> KqlType {
        match self {
            Seen::Nothing => KqlType::String,
            Seen::Is(kql_type) => kql_type,
        }
    }

    /// The type that holds what both have seen.
    pub(super) fn and(self, other: Seen) -> Seen {
        use KqlType::{Long, Real, String};
        match (self, other) {
            (Seen::Nothing, seen) | (seen, Seen::Nothing) => seen,
            (Seen::Is(one), Seen::Is(two)) if one == two => self,
            (Seen::Is(Long | Real), Seen::Is(Long | Real)) => Seen::Is(Real),
            _ => Seen::Is(String),
        }
    }
}

/// The type of a text in a CSV cell. Only texts that read back the same are numbers: `007` stays text.
pub(super) fn of_text(text: &str) -> Seen {
    Seen::Is(match text.as_bytes().first() {
        None => return Seen::Nothing,
        Some(b'0'..=b'9' | b'-') if is_long(text) => KqlType::Long,
        Some(b'0'..=b'9' | b'-') if is_real(text) => KqlType::Real,
        Some(b'0'..=b'9') if is_datetime(text) => KqlType::Datetime,
        Some(b't' | b'f') if matches!(text, "true" | "false") => KqlType::Bool,
        Some(b'{' | b'[') if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => KqlType::Dynamic,
        _ => KqlType::String,
    })
}

fn is_long(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (digits == "0" || !digits.starts_with('0')) && text.parse::<i64>().is_ok()
}

fn is_real(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let padded = digits.starts_with('0') && !digits.starts_with("0.");
    // As many digits as a real holds; more would be rounded.
    let fits = digits.bytes().filter(u8::is_ascii_digit).count() <= 15;
    !padded && fits && digits.contains('.') && text.parse::<f64>().is_ok()
}

/// ISO 8601 with date and time: `2024-01-02T03:04:05.6Z`, `2024-01-02 03:04:05`. A date alone is one too.
pub(crate) fn is_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && (bytes.len() == 10 || bytes.len() >= 16 && matches!(bytes[10], b'T' | b' '))
        && ticks::parse_datetime(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_number_only_if_it_reads_back_the_same() {
        let cases = [
            ("5", KqlType::Long),
            ("-5", KqlType::Long),
            ("0", KqlType::Long),
            ("007", KqlType::String),
            ("1.50", KqlType::Real),
            ("1e5", KqlType::String),
            ("12345678901234567890", KqlType::String),
            ("0.1234567890123456789", KqlType::String),
            ("true", KqlType::Bool),
            ("True", KqlType::String),
            ("2024-01-02T03:04:05.1234567Z", KqlType::Datetime),
            ("2024-01-02", KqlType::Datetime),
            ("2024-01-02x", KqlType::String),
            ("10.0.0.1", KqlType::String),
            ("{\"a\":1}", KqlType::Dynamic),
            ("[x]", KqlType::String),
        ];
        for (text, expected) in cases {
            assert_eq!(of_text(text), Seen::Is(expected), "{text}");
        }
        assert_eq!(of_text(""), Seen::Nothing);
    }

    #[test]
    fn columns_take_the_type_that_holds_all() {
        let all = |texts: &[&str]| texts.iter().map(|text| of_text(text)).fold(Seen::Nothing, Seen::and).kql_type();
        assert_eq!(all(&["1", "", "2.5"]), KqlType::Real);
        assert_eq!(all(&["1", "x"]), KqlType::String);
        assert_eq!(all(&["", ""]), KqlType::String);
    }
}
