//! rustc's errors on the cell's own lines.

use evcxr::{CompilationError, Error};

use crate::output::CellError;

const RED: &str = "\u{1b}[1;31m";
const BLUE: &str = "\u{1b}[1;34m";
const RESET: &str = "\u{1b}[0m";

/// All errors of a cell as one. `lines_before` lines stood in front of the user's.
pub(crate) fn render(errors: &[CompilationError], code: &str, lines_before: usize) -> CellError {
    let mut shown: Vec<&CompilationError> = errors.iter().filter(|error| error.level() == "error").collect();
    if shown.is_empty() {
        shown = errors.iter().collect();
    }
    let lines: Vec<&str> = code.lines().collect();
    let traceback = shown.iter().map(|error| one(error, &lines, lines_before)).collect();
    let headlines: Vec<String> = shown.iter().map(|error| headline(error)).collect();
    CellError { name: "CompileError".into(), value: headlines.join("\n"), traceback }
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
        let one_line = span.end_line == span.start_line;
        let end = if one_line { span.end_column } else { text.chars().count() + 1 };
        let width = end.saturating_sub(span.start_column).max(1);
        let mark = if spanned.is_primary { "^" } else { "-" };
        let colour = if spanned.is_primary { RED } else { BLUE };
        let label = spanned.label.replace('\n', "\n        ");
        let indent = " ".repeat(span.start_column.saturating_sub(1));
        out.push_str(&format!(
            "\n{BLUE}{number} |{RESET} {text}\n{BLUE}{gutter} |{RESET} {indent}{colour}{} {label}{RESET}",
            mark.repeat(width)
        ));
    }
    for help in error.help() {
        out.push_str(&format!("\n{BLUE}  = help:{RESET} {help}"));
    }
    if let Some(hint) = error.evcxr_extra_hint() {
        out.push_str(&format!("\n{BLUE}  = note:{RESET} {hint}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_process_that_does_not_start_keeps_its_environment_to_itself() {
        let said = "Failed to run 'Mutex { data: HUNTBOOK_TOKEN=\"0123\" \"/bin/huntbook\", poisoned: false, .. }': Os { code: 2 }";
        let shown = plain(&Error::Message(said.to_owned()));
        assert!(!shown.contains("0123") && shown.contains("Os { code: 2 }"), "{shown}");
        assert_eq!(plain(&Error::Message("as it is".to_owned())), "as it is");
    }
}
