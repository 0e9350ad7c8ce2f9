//! The results of a text with several statements, one query each.

use huntbook_kql::{ExprKind, Operator, OperatorKind, Statement};

/// One query per result of a text: an expression statement each, and each branch of a `fork` at the end. What belongs
/// to the other results becomes blanks, so that every place in the text stays what it was.
pub(super) fn results_of(text: &str) -> Vec<String> {
    let (tree, mistakes) = huntbook_kql::parse(text);
    let expressions: Vec<_> = tree
        .statements
        .iter()
        .filter_map(|statement| match statement {
            Statement::Expression(expression) => Some(expression),
            _ => None,
        })
        .collect();
    if !mistakes.is_empty() || expressions.is_empty() {
        return vec![text.to_owned()];
    }
    let mut queries = Vec::new();
    for wanted in &expressions {
        let others = expressions.iter().filter(|other| other.span != wanted.span).map(|other| other.span.clone());
        let alone = blanked(text, others);
        match &wanted.kind {
            ExprKind::Pipeline { operators, .. } => match operators.last() {
                Some(last) if matches!(&last.kind, OperatorKind::Fork(_)) => queries.extend(branches(&alone, last)),
                _ => queries.push(alone),
            },
            _ => queries.push(alone),
        }
    }
    queries
}

/// `T | fork (a) (b)` as `T | a` and `T | b`
fn branches(text: &str, fork: &Operator) -> Vec<String> {
    let OperatorKind::Fork(bodies) = &fork.kind else { return vec![text.to_owned()] };
    let branch = |(_, operators): &(_, Vec<Operator>)| {
        let (first, last) = (operators.first()?, operators.last()?);
        Some(blanked(text, [fork.span.start..first.span.start, last.span.end..fork.span.end]))
    };
    bodies.iter().map(branch).collect::<Option<_>>().unwrap_or_else(|| vec![text.to_owned()])
}

fn blanked(text: &str, spans: impl IntoIterator<Item = std::ops::Range<usize>>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        let end = span.end.min(bytes.len());
        for byte in &mut bytes[span.start.min(end)..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // Spans end between characters; if one did not, the text is better than a broken one.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
