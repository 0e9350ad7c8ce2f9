//! Errors of services in the words and the form that local ones have.

use huntbook_azure::Error as ServiceError;
use huntbook_azure::fault::Fault;

use crate::Error;

/// A service's error: a mistake in the query as its line with a caret, anything else as the service says it.
pub(crate) fn error_of(error: &ServiceError, query: &str, connection: &str) -> Error {
    if error.is_cancelled() {
        return Error::cancelled();
    }
    let refusal = match error {
        ServiceError::Service(refusal) => Some(refusal),
        _ => None,
    };
    let is_query = refusal.is_some_and(|refusal| refusal.status == 400);
    let Some(fault) = error.fault().filter(|fault| is_query || fault.line.is_some()) else {
        return Error::new(error.kind(), format!("{connection}: {error}"));
    };
    let id = refusal.and_then(|refusal| refusal.request_id.clone()).or_else(|| fault.correlation_id.clone());
    let from = id.map_or_else(|| connection.to_owned(), |id| format!("{connection} · request {id}"));
    Error::new("KqlError", format!("{}\n   ({from})", described(fault, query)))
}

/// `KQL error SEM0100 at line 2, column 9: ...` above the line and a caret.
fn described(fault: &Fault, query: &str) -> String {
    let code = if fault.code.is_empty() { "" } else { " " };
    let headline = format!("KQL error{code}{}", fault.code);
    let message = if fault.message.is_empty() { "the service gives no reason" } else { fault.message.as_str() };
    let place = fault.line.filter(|line| *line > 0).and_then(|line| {
        let text = query.lines().nth(line - 1)?;
        let length = text.chars().count();
        Some((line, text, fault.pos.unwrap_or(0).min(length)))
    });
    let Some((line, text, column)) = place else { return format!("{headline}: {message}") };
    let token = fault.token.as_ref().map_or(1, |token| token.chars().count().max(1));
    let carets = "^".repeat(token.min(text.chars().count().saturating_sub(column)).max(1));
    let gutter = format!(" {line} | ");
    // Tabs stay tabs so that the caret lines up.
    let indent: String = text.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!(
        "{headline} at line {line}, column {}: {message}\n{gutter}{text}\n{}| {indent}{carets}",
        column + 1,
        " ".repeat(gutter.len() - 2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_where_the_service_says() {
        let mut fault = Fault::new("SYN0002", "Query could not be parsed at 'invalid'");
        (fault.line, fault.pos, fault.token) = (Some(2), Some(2), Some("invalid".into()));
        assert_eq!(
            described(&fault, "T\n| invalid x"),
            "KQL error SYN0002 at line 2, column 3: Query could not be parsed at 'invalid'\n 2 | | invalid x\n   |   ^^^^^^^"
        );
    }

    #[test]
    fn a_place_beyond_the_query_does_no_harm() {
        let mut fault = Fault::new("", "");
        (fault.line, fault.pos) = (Some(9), Some(9));
        assert_eq!(described(&fault, "T"), "KQL error: the service gives no reason");
        (fault.line, fault.pos) = (Some(1), Some(9));
        assert!(described(&fault, "é").ends_with("|  ^"), "{}", described(&fault, "é"));
    }
}
