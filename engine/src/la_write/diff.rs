//! What rows would do to a table: shown before anything is written.

use huntbook_azure::custom_table::TYPE;
use huntbook_kql::KqlType;

use super::wrong;
use crate::Result;

/// Names and types of columns, in order
pub(super) type Columns = Vec<(String, KqlType)>;

/// The columns of the rows beside those of the table; `known` is empty if there is no table, `None` if nobody can tell.
///
/// Errors: a column whose values the table's column cannot take.
pub(super) fn report(
    columns: &[(String, KqlType)],
    known: Option<&[(String, KqlType)]>,
    table: &str,
    place: &str,
) -> Result<String> {
    let Some(known) = known else {
        let list: Vec<String> = columns.iter().map(|(name, kind)| format!("{name}:{}", kind.name())).collect();
        return Ok(format!(
            "{table}, {place}\n  columns: {}\n  the table's own columns are not known here: what the rule does not declare, the service drops without a word",
            list.join(", ")
        ));
    };
    let there = if known.is_empty() { ": there is no such table yet" } else { "" };
    let mut lines = vec![format!("{table}, {place}{there}")];
    let mut conflicts = Vec::new();
    for (name, kind) in columns {
        match known.iter().find(|(other, _)| other == name) {
            Some((_, have)) if have == kind => lines.push(format!("  = {name}: {}", kind.name())),
            Some((_, have)) if fits(*kind, *have) => {
                lines.push(format!("  ~ {name}: {}, becomes {} as in the table", kind.name(), have.name()));
            }
            Some((_, have)) => {
                lines.push(format!("  ! {name}: {}, the table has {}", kind.name(), have.name()));
                conflicts.push(name.as_str());
            }
            None => lines.push(format!("  + {name}: {}, new: the table does not have it", kind.name())),
        }
    }
    let is_missing = |name: &str| name != TYPE && !columns.iter().any(|(other, _)| other == name);
    let missing: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).filter(|name| is_missing(name)).collect();
    if !missing.is_empty() {
        lines.push(format!("  - null in these rows: {}", missing.join(", ")));
    }
    if !conflicts.is_empty() {
        return Err(wrong(format!(
            "{}\nNothing was written: convert {} first, or write under another name",
            lines.join("\n"),
            conflicts.join(", ")
        )));
    }
    Ok(lines.join("\n"))
}

/// May values of `kind` be stored in a column of `have` without losing anything?
fn fits(kind: KqlType, have: KqlType) -> bool {
    use KqlType::{Decimal, Dynamic, Guid, Int, Long, Real, String};
    matches!(
        (kind, have),
        (Int, Long | Real | Decimal)
            | (Long, Decimal)
            | (String, Dynamic | Guid)
            | (Guid | Dynamic, String)
            | (Decimal, String)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(list: &[(&str, KqlType)]) -> Columns {
        list.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect()
    }

    #[test]
    fn what_changes_is_said_and_what_does_not_fit_is_refused() {
        let rows = columns(&[("a", KqlType::Long), ("b", KqlType::Int), ("c", KqlType::String)]);
        let table =
            columns(&[("a", KqlType::Long), ("b", KqlType::Long), ("d", KqlType::Bool), ("Type", KqlType::String)]);
        let text = report(&rows, Some(&table), "T_CL", "here").unwrap();
        for line in ["T_CL, here", "= a: long", "~ b: int, becomes long", "+ c: string, new", "- null in these rows: d"]
        {
            assert!(text.contains(line), "{text}");
        }
        let error = report(&columns(&[("a", KqlType::String)]), Some(&table), "T_CL", "here").unwrap_err();
        assert!(
            error.message.contains("! a: string, the table has long") && error.message.contains("Nothing was written")
        );
        assert!(report(&rows, None, "T_CL", "here").unwrap().contains("not known"));
    }
}
