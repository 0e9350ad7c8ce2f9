//! rustc's errors on the cell's own lines.

use evcxr::{CompilationError, Error};

use unicode_width::UnicodeWidthStr;

use super::{Fates, advice};
use crate::output::CellError;

const GREEN: &str = "\u{1b}[1;32m";
const RED: &str = "\u{1b}[1;31m";
const BLUE: &str = "\u{1b}[1;34m";
const RESET: &str = "\u{1b}[0m";

/// All errors of a cell as one, after one suggestion what to do. `lines_before` lines stood in front of the user's.
pub(crate) fn render(errors: &[CompilationError], code: &str, lines_before: usize, fates: &Fates) -> CellError {
    if errors.is_empty() {
        // evcxr leaves out what it takes for its own doing: it has moved a variable into its store that another one
        // borrows from.
        return suggested("a variable of this cell borrows from another one", &advice::reference(None, code));
    }
    let mut shown: Vec<&CompilationError> = errors.iter().filter(|error| error.level() == "error").collect();
    if shown.is_empty() {
        shown = errors.iter().collect();
    }
    let lines: Vec<&str> = code.lines().collect();
    let suggestion = shown.iter().find_map(|error| advice::for_error(error, code, fates, lines_before));
    let mut traceback: Vec<String> = suggestion.map(|text| help(&text)).into_iter().collect();
    traceback.extend(shown.iter().map(|error| one(error, &lines, lines_before)));
    if let Some(code) = shown.iter().find_map(|error| explained(error)) {
        traceback.push(format!("{BLUE}`%explain {code}` says more{RESET}"));
    }
    let headlines: Vec<String> = shown.iter().map(|error| headline(error)).collect();
    CellError { name: "CompileError".into(), value: headlines.join("\n"), traceback }
}

/// What evcxr says of a cell without asking the compiler, in our words where there are better ones.
pub(crate) fn refused(error: &Error, code: &str) -> CellError {
    let message = plain(error);
    let Some((headline, suggestion)) = advice::for_message(&message, code) else {
        return CellError::new("RustError", message);
    };
    suggested(&headline, &suggestion)
}

fn suggested(headline: &str, suggestion: &str) -> CellError {
    let value = format!("error: {headline}");
    let traceback = vec![help(suggestion), format!("{RED}{value}{RESET}")];
    CellError { name: "CompileError".into(), value, traceback }
}

/// The code of an error that the compiler has an explanation of.
pub(crate) fn explained(error: &CompilationError) -> Option<&str> {
    error.code().filter(|_| error.explanation().is_some())
}

fn help(suggestion: &str) -> String {
    format!("{GREEN}help{RESET}: {suggestion}")
}

/// An error as text, for places that are not a cell's.
pub(crate) fn plain(error: &Error) -> String {
    match error {
        Error::CompilationErrors(errors) => errors.iter().map(|error| error.rendered()).collect::<Vec<_>>().join("\n"),
        other => without_command(other.to_string()),
    }
}

/// evcxr names the whole command when it cannot start the cell process: its environment holds the socket's token.
fn without_command(message: String) -> String {
    match message.strip_prefix("Failed to run '").and_then(|rest| rest.rsplit_once("': ")) {
        Some((_, why)) => {
            format!("the cell process cannot be started: {why}. Where huntbook was updated, restart the kernel")
        }
        None => message,
    }
}

fn headline(error: &CompilationError) -> String {
    match error.code() {
        Some(code) => format!("error[{code}]: {}", error.message()),
        None => format!("error: {}", error.message()),
    }
}

fn one(error: &CompilationError, lines: &[&str], lines_before: usize) -> String {
    let mut out = format!("{RED}{}{RESET}", headline(error));
    let mut placed = false;
    for spanned in error.spanned_messages() {
        let Some(span) = &spanned.span else { continue };
        // Lines are counted from 1; those in front of the user's are ours.
        let Some(line) = span.start_line.checked_sub(lines_before).filter(|line| (1..=lines.len()).contains(line))
        else {
            continue;
        };
        let text = lines[line - 1];
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        if !placed {
            out.push_str(&format!("\n{BLUE}{gutter}-->{RESET} line {line}, column {}", span.start_column));
            placed = true;
        }
        let end = (span.end_line == span.start_line).then_some(span.end_column);
        let (indent, width) = under(text, span.start_column, end);
        let mark = if spanned.is_primary { "^" } else { "-" };
        let colour = if spanned.is_primary { RED } else { BLUE };
        let label = if is_ours(&spanned.label) { String::new() } else { spanned.label.replace('\n', "\n        ") };
        out.push_str(&format!(
            "\n{BLUE}{number} |{RESET} {}\n{BLUE}{gutter} |{RESET} {}{colour}{} {label}{RESET}",
            text.replace('\t', TAB),
            " ".repeat(indent),
            mark.repeat(width)
        ));
    }
    for help in error.help().into_iter().filter(|help| !is_ours(help)) {
        out.push_str(&format!("\n{BLUE}  = help:{RESET} {help}"));
    }
    out
}

const TAB: &str = "    ";

/// Where the mark under columns `start..end` of a line begins, and how long it is, in places of a terminal: a Chinese
/// character takes two, an accent of its own none. Columns count characters, from 1.
fn under(line: &str, start: usize, end: Option<usize>) -> (usize, usize) {
    let places =
        |characters: &mut dyn Iterator<Item = char>| characters.collect::<String>().replace('\t', TAB).as_str().width();
    let start = start.saturating_sub(1);
    let length = end.map_or(usize::MAX, |end| end.saturating_sub(start + 1));
    let indent = places(&mut line.chars().take(start));
    (indent, places(&mut line.chars().skip(start).take(length)).max(1))
}

/// Does it speak of code that the hunter has not written?
fn is_ours(text: &str) -> bool {
    text.contains("evcxr") || text.contains("huntbook::rt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_under_what_they_mean() {
        assert_eq!(under("let a = x;", 9, Some(10)), (8, 1));
        assert_eq!(under("let 日本 = 名前;", 10, Some(12)), (11, 4));
        assert_eq!(under("\tlet a = x;", 10, Some(11)), (12, 1));
        assert_eq!(under("e\u{301} + x", 6, Some(7)), (4, 1));
        assert_eq!(under("f(", 2, None), (1, 1));
        assert_eq!(under("x", 9, Some(3)), (1, 1));
    }

    #[test]
    fn a_cell_process_that_does_not_start_keeps_its_environment_to_itself() {
        let said = "Failed to run 'Mutex { data: HUNTBOOK_TOKEN=\"0123\" \"/bin/huntbook\", poisoned: false, .. }': Os { code: 2 }";
        let shown = plain(&Error::Message(said.to_owned()));
        assert!(!shown.contains("0123") && shown.contains("Os { code: 2 }"), "{shown}");
        assert_eq!(plain(&Error::Message("as it is".to_owned())), "as it is");
    }
}
