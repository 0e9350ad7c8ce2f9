//! Conditions on a value as it stands in a line. They leave out what certainly does not hold; what they cannot decide
//! stays, for the query behind them to decide.

use std::cmp::Ordering;

use super::cells::datetime;
use super::scan::Raw;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Compare::Equal => ordering.is_eq(),
            Compare::Less => ordering.is_lt(),
            Compare::LessOrEqual => ordering.is_le(),
            Compare::Greater => ordering.is_gt(),
            Compare::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Long(Compare, i64),
    /// One of these
    Longs(Vec<i64>),
    /// One of these, letter by letter
    Texts(Vec<String>),
    /// In 100 ns since the year 1
    Datetime(Compare, i64),
}

impl Condition {
    /// `false`: no row with this value is wanted.
    pub(super) fn may_hold(&self, raw: &Raw<'_>) -> bool {
        match (self, raw) {
            // Nothing is equal to or beyond a null.
            (_, Raw::Null) => false,
            (Condition::Long(compare, wanted), Raw::Number(text)) => {
                text.parse::<i64>().map_or(true, |value| compare.holds(value.cmp(wanted)))
            }
            (Condition::Longs(wanted), Raw::Number(text)) => text.parse().map_or(true, |value| wanted.contains(&value)),
            (Condition::Texts(wanted), Raw::Text(text)) => wanted.iter().any(|wanted| wanted == text),
            (Condition::Datetime(compare, wanted), Raw::Text(text)) => {
                datetime(text).is_none_or(|value| compare.holds(value.cmp(wanted)))
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_is_left_out() {
        let seven = Condition::Long(Compare::Equal, 7);
        assert!(seven.may_hold(&Raw::Number("7")) && !seven.may_hold(&Raw::Number("8")) && !seven.may_hold(&Raw::Null));
        assert!(seven.may_hold(&Raw::Number("7.5")) && seven.may_hold(&Raw::Text("7")));
        let named = Condition::Texts(vec!["ann".into(), "bob".into()]);
        assert!(named.may_hold(&Raw::Text("bob")) && !named.may_hold(&Raw::Text("Bob")));
        assert!(named.may_hold(&Raw::Escaped("\\u0062ob")));
        let since = Condition::Datetime(Compare::GreaterOrEqual, datetime("2026-11-20").unwrap());
        assert!(
            since.may_hold(&Raw::Text("2026-11-20T00:00:00Z")) && !since.may_hold(&Raw::Text("2026-11-19T23:59:59.9Z"))
        );
        assert!(since.may_hold(&Raw::Text("yesterday")));
    }
}
