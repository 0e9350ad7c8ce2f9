//! What of a KQL condition can be decided while a line is read.

use huntbook_kql::{BinaryOp, Expr, ExprKind, ListOp, Literal, OperatorKind, Statement};

use super::json::{Compare, Condition};
use crate::{Error, Result};

/// A condition on rows, as `where` takes it.
pub(super) struct Filter {
    pub(super) text: String,
    /// Identifiers in it: columns, and names of functions among them.
    pub(super) names: Vec<String>,
    /// Columns and what holds for their values in all rows that meet the condition
    pub(super) conditions: Vec<(String, Condition)>,
}

/// Reads a condition such as `EventID == 4624 and Account has "svc"`.
///
/// Errors: mistakes in it, with their places.
pub(super) fn parsed(text: &str) -> Result<Filter> {
    let text = text.trim().strip_prefix("where ").unwrap_or(text).trim();
    let query = format!("T | where {text}");
    let (tree, mistakes) = huntbook_kql::parse(&query);
    if !mistakes.is_empty() {
        let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&query)).collect();
        return Err(Error::new("KqlError", shown.join("\n")));
    }
    let [Statement::Expression(Expr { kind: ExprKind::Pipeline { operators, .. }, .. })] = &tree.statements[..] else {
        return Err(only_a_condition());
    };
    let [operator] = &operators[..] else { return Err(only_a_condition()) };
    let OperatorKind::Where(condition) = &operator.kind else { return Err(only_a_condition()) };
    let mut conditions = Vec::new();
    certain(condition, &mut conditions);
    Ok(Filter { text: text.to_owned(), names: identifiers(text), conditions })
}

fn only_a_condition() -> Error {
    Error::new("KqlError", "--where takes one condition, such as `EventID == 4624`; the rest is for %kql on the frame")
}

/// Collects what must hold for one column each: the parts of an `and` that compare a column with a constant.
fn certain(expression: &Expr, found: &mut Vec<(String, Condition)>) {
    match &expression.kind {
        ExprKind::And(parts) => parts.iter().for_each(|part| certain(part, found)),
        ExprKind::Binary { op, left, right } => {
            if let (ExprKind::Name(column), ExprKind::Literal(literal)) = (&left.kind, &right.kind) {
                found.extend(compared(*op, literal).map(|condition| (column.clone(), condition)));
            }
        }
        ExprKind::List { op: ListOp::In { negated: false, case_sensitive: true }, value, items } => {
            if let ExprKind::Name(column) = &value.kind {
                found.extend(one_of(items).map(|condition| (column.clone(), condition)));
            }
        }
        ExprKind::Between { negated: false, value, low, high } => {
            if let (ExprKind::Name(column), ExprKind::Literal(low), ExprKind::Literal(high)) =
                (&value.kind, &low.kind, &high.kind)
            {
                for (op, literal) in [(BinaryOp::GreaterOrEqual, low), (BinaryOp::LessOrEqual, high)] {
                    // `between (moment .. 1h)` is a length, not an end.
                    if !matches!(literal, Literal::Timespan(_)) {
                        found.extend(compared(op, literal).map(|condition| (column.clone(), condition)));
                    }
                }
            }
        }
        _ => {}
    }
}

fn compared(op: BinaryOp, literal: &Literal) -> Option<Condition> {
    let compare = match op {
        BinaryOp::Equal => Compare::Equal,
        BinaryOp::Less => Compare::Less,
        BinaryOp::LessOrEqual => Compare::LessOrEqual,
        BinaryOp::Greater => Compare::Greater,
        BinaryOp::GreaterOrEqual => Compare::GreaterOrEqual,
        _ => return None,
    };
    match literal {
        Literal::Long(Some(value)) => Some(Condition::Long(compare, *value)),
        Literal::Int(Some(value)) => Some(Condition::Long(compare, i64::from(*value))),
        Literal::Datetime(Some(ticks)) => Some(Condition::Datetime(compare, *ticks)),
        // Texts are compared by letters only for equality: `<` orders them by the locale of nobody.
        Literal::String(text) if compare == Compare::Equal && !text.is_empty() => {
            Some(Condition::Texts(vec![text.clone()]))
        }
        _ => None,
    }
}

fn one_of(items: &[Expr]) -> Option<Condition> {
    let literals = items.iter().map(|item| match &item.kind {
        ExprKind::Literal(literal) => Some(literal),
        _ => None,
    });
    let literals: Vec<&Literal> = literals.collect::<Option<_>>()?;
    let longs = literals.iter().map(|literal| match literal {
        Literal::Long(Some(value)) => Some(*value),
        Literal::Int(Some(value)) => Some(i64::from(*value)),
        _ => None,
    });
    if let Some(longs) = longs.collect::<Option<Vec<i64>>>() {
        return Some(Condition::Longs(longs));
    }
    let texts = literals.iter().map(|literal| match literal {
        // A null is empty text to KQL, so an empty one is not decided here.
        Literal::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    });
    texts.collect::<Option<Vec<String>>>().map(Condition::Texts)
}

/// Words outside of quotes, and names in brackets: more than the columns, which does no harm.
fn identifiers(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut letters = text.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        if letter == '"' || letter == '\'' {
            let is_name = text[..start].trim_end().ends_with('[');
            let mut end = start + 1;
            while let Some((at, inner)) = letters.next() {
                end = at;
                if inner == '\\' {
                    letters.next();
                } else if inner == letter {
                    break;
                }
            }
            if is_name {
                names.push(text[start + 1..end].to_owned());
            }
        } else if letter.is_alphabetic() || letter == '_' {
            let mut end = start + letter.len_utf8();
            while let Some((at, inner)) = letters.peek().copied() {
                if !(inner.is_alphanumeric() || inner == '_') {
                    break;
                }
                end = at + inner.len_utf8();
                letters.next();
            }
            names.push(text[start..end].to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(text: &str) -> Vec<(String, Condition)> {
        parsed(text).unwrap_or_else(|error| panic!("{error}")).conditions
    }

    #[test]
    fn what_is_certain_is_found() {
        let found =
            conditions("EventID == 4624 and Account in ('a', 'b') and (Level > 3 or x == 1) and Computer has 'c'");
        assert_eq!(
            found,
            [
                ("EventID".into(), Condition::Long(Compare::Equal, 4624)),
                ("Account".into(), Condition::Texts(vec!["a".into(), "b".into()]))
            ]
        );
        assert_eq!(conditions("not(EventID == 4624)"), []);
        assert_eq!(conditions("EventID != 4624 or a == 1"), []);
        assert_eq!(conditions("where EventID in (1, 2)"), [("EventID".into(), Condition::Longs(vec![1, 2]))]);
        assert_eq!(conditions("Account == ''"), []);
        assert_eq!(conditions("TimeGenerated between (datetime(2026-11-20) .. 1h)").len(), 1);
    }

    #[test]
    fn names_are_found_and_mistakes_told() {
        let filter = parsed("['my col'] == \"not a name\" and tolower(Account) has 'x\\'y z'").unwrap();
        assert_eq!(filter.names, ["Account", "and", "has", "my col", "tolower"]);
        assert!(parsed("EventID ==").is_err());
        assert!(parsed("EventID == 1 | take 5").is_err_and(|error| error.message.contains("one condition")));
    }
}
