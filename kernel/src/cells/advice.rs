//! One suggestion for someone new to Rust, put before what the compiler says.

use evcxr::CompilationError;

use super::Fates;

/// What to try, for the mistakes that notebooks invite.
pub(super) fn for_error(error: &CompilationError, code: &str, fates: &Fates, lines_before: usize) -> Option<String> {
    let message = error.message();
    let name = quoted(&message);
    let labels = || error.spanned_messages().iter();
    match (error.code(), name) {
        (Some("E0425"), Some(name)) => fates.explain(name),
        (Some("E0382"), Some(name)) => {
            let moved = labels().find(|spanned| spanned.label.contains("moved"))?;
            if moved.label.contains("into_iter()") {
                return Some(format!("the loop takes `{name}`: loop over `&{name}` to keep it"));
            }
            let line = moved.span.and_then(|span| span.start_line.checked_sub(lines_before));
            let place = line.filter(|line| *line > 0).map(|line| format!(" in line {line}")).unwrap_or_default();
            Some(format!(
                "`{name}` was moved{place}: use `{name}.clone()` there, or `&{name}` if it need only be looked at"
            ))
        }
        (Some("E0384" | "E0594" | "E0596"), Some(name)) if is_name(name) => {
            Some(format!("`{name}` cannot be changed as it is: `let mut {name} = {name};` makes a variable that can"))
        }
        (Some("E0507"), _) => {
            Some("what is borrowed cannot be given away: borrow it too with `&`, or take a copy with `.clone()`".into())
        }
        (Some("E0597" | "E0716"), _) => Some(reference(None, code)),
        (Some("E0277"), Some(name)) if message.contains("doesn't implement `Debug`") => Some(format!(
            "put `#[derive(Debug)]` above `{}`, so that it can be shown; a `;` at the end of the cell shows nothing",
            name.rsplit("::").next().unwrap_or(name)
        )),
        (Some("E0308"), _) if labels().any(|spanned| spanned.label.starts_with("expected `String`, found `&")) => {
            Some("text in quotes is a `&str`: `.to_string()` makes a `String` of it".into())
        }
        (Some("E0432" | "E0433"), _) => {
            let unlinked = |text: &str| text.contains("unlinked crate") || text.contains("module or crate");
            let named = labels().map(|spanned| spanned.label.as_str()).chain([message.as_str()]);
            let name = named.filter(|text| unlinked(text)).filter_map(quoted).find(|name| is_name(name))?;
            Some(format!("is `{name}` a crate? `:dep {name}` as the first line of a cell adds it"))
        }
        (None, Some(name)) if message.contains("contains a reference") => Some(reference(Some(name), code)),
        _ => None,
    }
}

/// What evcxr refuses by itself: a headline in our words, and what to try.
pub(super) fn for_message(message: &str, code: &str) -> Option<(String, String)> {
    let name = quoted(message)?;
    if message.contains("is a closure, which cannot be persisted") {
        return Some((
            format!("`{name}` is a closure, which a cell cannot keep: its type has no name"),
            format!(
                "write a function, `fn {name}(x: i64) -> i64 {{ x + 1 }}`, or box it: \
                 `let {name}: Box<dyn Fn(i64) -> i64> = Box::new(|x| x + 1);` (with your own types); \
                 or put the code that needs it into one block `{{ ... }}`"
            ),
        ));
    }
    if message.starts_with("Couldn't automatically determine type") {
        return Some((
            format!("the type of `{name}` cannot be told from the code"),
            format!("say what it is: `let {name}: Vec<String> = ...;` (with its own type)"),
        ));
    }
    if message.contains("which cannot be persisted") {
        let shown = message.split('`').nth(3).unwrap_or_default();
        if shown.contains('&') {
            return Some((format!("`{name}` borrows from another variable"), reference(Some(name), code)));
        }
        return Some((
            format!("`{name}` has the type `{shown}`, which a cell cannot keep: it has no name"),
            format!(
                "collect or box it, `let {name}: Vec<_> = ....collect();` or `let {name}: Box<dyn Iterator<Item = i64>> = \
                 Box::new(...);`, or put the code that needs it into one block `{{ ... }}`"
            ),
        ));
    }
    message
        .contains("contains a reference")
        .then(|| (format!("`{name}` borrows from another variable"), reference(Some(name), code)))
}

/// Variables are kept from cell to cell, each for itself: none can borrow from another. `name` is the one that does, if that
/// is known.
pub(super) fn reference(name: Option<&str>, code: &str) -> String {
    let found = borrows(code).find(|(borrower, _)| name.is_none_or(|name| name == *borrower));
    let rewrite = match (found, name) {
        (Some((name, source)), _) => format!("`let {name} = {source}.clone();`"),
        (None, Some(name)) => format!("a value of its own, such as `let {name} = ....to_owned();`"),
        (None, None) => "a value of its own (`.clone()`, `.to_owned()`)".to_owned(),
    };
    format!(
        "variables are kept from cell to cell, and what is kept cannot borrow from another variable: keep {rewrite}, or put \
         the code that needs the reference into one block `{{ ... }}`"
    )
}

/// Name and source of every `let name = &source;` that is as plain as that.
fn borrows(code: &str) -> impl Iterator<Item = (&str, &str)> {
    code.split(['\n', ';']).filter_map(|statement| {
        let (declared, value) = statement.trim().strip_prefix("let ")?.split_once('=')?;
        let name = declared.split(':').next()?.trim();
        let source = value.trim().strip_prefix('&')?;
        let is_plain = source.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        (is_name(name) && is_plain && !source.is_empty()).then_some((name, source))
    })
}

/// The first name in backticks.
fn quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_borrow_is_rewritten() {
        let found: Vec<_> =
            borrows("let a = 1;\nlet r = &names;\nlet s: &Vec<i32> = &a.b; s\nlet t = &names[0];").collect();
        assert_eq!(found, [("r", "names"), ("s", "a.b")]);
        assert!(reference(Some("r"), "let r = &names;").contains("`let r = names.clone();`"));
    }

    #[test]
    fn what_evcxr_refuses_is_said_in_our_words() {
        let closure = "The variable `add` is a closure, which cannot be persisted.\nYou can however ...";
        let (headline, help) = for_message(closure, "").unwrap();
        assert!(headline.contains("`add` is a closure") && help.contains("fn add(x: i64)"));
        let unknown = "Couldn't automatically determine type of variable `v`.\nPlease give it an explicit type.";
        assert!(for_message(unknown, "").unwrap().1.contains("let v: Vec<String>"));
        let opaque = "The variable `it` has type `impl Iterator<Item = i32>` which cannot be persisted.\nYou might";
        assert!(for_message(opaque, "").unwrap().0.contains("impl Iterator<Item = i32>"));
        assert_eq!(for_message("Looks like you're missing a semicolon", ""), None);
    }
}
