//! What became of variables that a session no longer has.

use std::collections::BTreeMap;

use super::identifiers::mentioned;

/// Names and types of variables.
type Variables = BTreeMap<String, String>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Fates {
    gone: BTreeMap<String, Fate>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Moved {
        cell: u64,
    },
    /// The process that held it has ended, or its type was defined anew.
    Lost {
        cell: u64,
    },
}

impl Fates {
    /// A cell has run. `process_ended`: what is missing was not the code's doing.
    pub(crate) fn after_cell(
        &mut self,
        before: &Variables,
        after: &Variables,
        cell: u64,
        code: &str,
        process_ended: bool,
    ) {
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            let is_moved = !process_ended && mentioned(code, name);
            let fate = if is_moved { Fate::Moved { cell } } else { Fate::Lost { cell } };
            self.gone.insert(name.clone(), fate);
        }
        self.gone.retain(|name, _| !after.contains_key(name));
    }

    /// What to say to someone who misses the variable.
    pub(crate) fn explain(&self, name: &str) -> Option<String> {
        Some(match self.gone.get(name)? {
            Fate::Moved { cell } => {
                format!(
                    "`{name}` was moved in cell {cell}: use `{name}.clone()` there, and run the cell that makes it again"
                )
            }
            Fate::Lost { cell } => format!("`{name}` was lost in cell {cell}: run the cell that makes it again"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(names: &[&str]) -> Variables {
        names.iter().map(|name| ((*name).to_owned(), "String".to_owned())).collect()
    }

    #[test]
    fn a_variable_that_is_gone_is_remembered_until_it_comes_back() {
        let mut fates = Fates::default();
        let (both, one) = (variables(&["a", "b"]), variables(&["b"]));
        fates.after_cell(&both, &one, 4, "drop(a);", false);
        assert!(fates.explain("a").unwrap().starts_with("`a` was moved in cell 4: use `a.clone()`"));
        assert_eq!(fates.explain("b"), None);
        fates.after_cell(&one, &both, 5, "let a = 1;", false);
        assert_eq!(fates.explain("a"), None);
        fates.after_cell(&both, &one, 6, "std::process::abort()", true);
        assert!(fates.explain("a").unwrap().contains("lost in cell 6"));
        fates.after_cell(&one, &variables(&[]), 7, "struct S;", false);
        assert!(fates.explain("b").unwrap().contains("lost in cell 7"));
    }
}
