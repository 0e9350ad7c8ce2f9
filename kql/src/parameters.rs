//! Values that the host binds to names of a query.

use chrono::{DateTime, Utc};

use crate::{KqlType, Literal, Statement, catalogs::is_datetime, lexer, now_ticks, parser, ticks};

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self::Bool(Some(value))
    }
}

impl From<i32> for Literal {
    /// A `long`, as `3` is one in a query.
    fn from(value: i32) -> Self {
        Self::Long(Some(value.into()))
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Self::Long(Some(value))
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Self::Real(Some(value))
    }
}

impl From<&str> for Literal {
    fn from(value: &str) -> Self {
        Self::String(value.to_string())
    }
}

impl From<String> for Literal {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<DateTime<Utc>> for Literal {
    fn from(value: DateTime<Utc>) -> Self {
        Self::Datetime(Some(now_ticks(value)))
    }
}

impl From<chrono::Duration> for Literal {
    fn from(value: chrono::Duration) -> Self {
        let subsecond = i64::from(value.subsec_nanos()) / 100;
        Self::Timespan(Some(value.num_seconds().saturating_mul(ticks::SECOND).saturating_add(subsecond)))
    }
}

impl From<serde_json::Value> for Literal {
    fn from(value: serde_json::Value) -> Self {
        Self::Dynamic(value)
    }
}

impl Literal {
    /// Text as a value of a type, as between the brackets of `type(text)`; a string is taken as it stands.
    /// `None` if the text is no such value.
    pub fn of_type(kql_type: KqlType, text: &str) -> Option<Self> {
        match kql_type {
            KqlType::String => Some(Self::String(text.to_string())),
            KqlType::Dynamic => serde_json::from_str(text).ok().map(Self::Dynamic),
            _ => lexer::typed_value(kql_type, text.trim()),
        }
    }

    /// Text as the literal it is in a query (`5`, `1.5`, `true`, `1d`, `datetime(2024-01-01)`, `dynamic([1])`,
    /// `"quoted"`), or a datetime in ISO 8601 (`2024-01-01`, `2024-01-01T08:00:00Z`); anything else is a string,
    /// digits behind a zero too.
    pub fn of_text(text: &str) -> Self {
        if is_datetime(text.trim()) {
            return Self::Datetime(ticks::parse_datetime(text));
        }
        let (negative, digits) = match text.trim().strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        // A number would lose the zeros of an id such as 00123.
        if let [b'0', b'0'..=b'9', ..] = digits.trim().as_bytes() {
            return Self::String(text.to_string());
        }
        if let "true" | "false" = text.trim() {
            return Self::Bool(Some(text.trim() == "true"));
        }
        let (tokens, problems) = lexer::tokenize(digits);
        match (tokens.as_slice(), problems.is_empty()) {
            ([lexer::Token { kind: lexer::TokenKind::Literal(literal), .. }], true) => match (literal, negative) {
                (literal, false) => literal.clone(),
                (Self::Long(Some(value)), true) => Self::Long(Some(-value)),
                (Self::Real(Some(value)), true) => Self::Real(Some(-value)),
                (Self::Timespan(Some(value)), true) => Self::Timespan(Some(-value)),
                _ => Self::String(text.to_string()),
            },
            _ => Self::String(text.to_string()),
        }
    }
}

/// The parameters that a query declares with `declare query_parameters`, first declared first.
pub fn declared_parameters(query: &str) -> Vec<(String, KqlType)> {
    let (tree, _) = parser::parse(query, false);
    let declared = tree.statements.into_iter().filter_map(|statement| match statement {
        Statement::QueryParameters(parameters) => Some(parameters),
        _ => None,
    });
    declared.flatten().filter_map(|parameter| Some((parameter.name.text, parameter.scalar_type?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_literal_it_looks_like() {
        let cases = [
            ("5", Literal::from(5)),
            ("-5", Literal::from(-5)),
            ("1.5", Literal::from(1.5)),
            ("true", Literal::from(true)),
            ("1d", Literal::Timespan(Some(ticks::DAY))),
            ("\"5\"", Literal::from("5")),
            ("ann", Literal::from("ann")),
            ("it's", Literal::from("it's")),
            ("a | b", Literal::from("a | b")),
            ("-", Literal::from("-")),
            ("00123", Literal::from("00123")),
            ("-007", Literal::from("-007")),
            ("0", Literal::from(0)),
            ("0.5", Literal::from(0.5)),
            ("2024-03-01", Literal::Datetime(ticks::from_civil(2024, 3, 1, 0))),
            ("2024-03-01T06:00:00Z", Literal::Datetime(ticks::from_civil(2024, 3, 1, 6 * ticks::HOUR))),
            ("2024-03-01 or later", Literal::from("2024-03-01 or later")),
            ("2024-13-01", Literal::from("2024-13-01")),
        ];
        for (text, expected) in cases {
            assert_eq!(Literal::of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn text_of_a_declared_type() {
        assert_eq!(Literal::of_type(KqlType::String, "5"), Some(Literal::from("5")));
        assert_eq!(Literal::of_type(KqlType::Long, "5"), Some(Literal::from(5)));
        assert_eq!(Literal::of_type(KqlType::Long, "five"), None);
        assert!(matches!(Literal::of_type(KqlType::Datetime, "2024-01-01"), Some(Literal::Datetime(Some(_)))));
    }

    #[test]
    fn declared_parameters_are_listed() {
        let query = "declare query_parameters(low: long = 5, name: string); T | where a > low";
        assert_eq!(
            declared_parameters(query),
            [("low".to_string(), KqlType::Long), ("name".to_string(), KqlType::String)]
        );
    }
}
