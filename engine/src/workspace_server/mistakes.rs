//! Mistakes in a query, worded as the services word them.

use huntbook_kql::{Diagnostic, codes};
use huntbook_workspace::server::{Mistake, QueryFailure};

/// A diagnostic in the service's words, with ours behind them.
pub(super) fn mistaken(diagnostic: &Diagnostic, query: &str) -> QueryFailure {
    // It was found in a text with blanks for the other results: the places are those of the whole text.
    let diagnostic = &diagnostic.clone().located(query);
    let own = diagnostic.source.is_none();
    let token = if own { query.get(diagnostic.span.clone()).unwrap_or_default() } else { "" };
    let token: String = token.chars().take(100).collect();
    let (line, position) = (diagnostic.line, diagnostic.column.saturating_sub(1));
    let file = diagnostic.source.as_ref().map(|source| format!("in {}: ", source.name)).unwrap_or_default();
    let hint = diagnostic.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let mistake =
        |code: &str, message: String| Mistake { code: code.to_owned(), message, line, position, token: token.clone() };
    let named = quoted_name(&diagnostic.message).unwrap_or(&token);
    match diagnostic.code {
        codes::LEXICAL | codes::SYNTAX | codes::UNKNOWN_OPERATOR | codes::TOO_DEEP => {
            let place = format!("Query could not be parsed at '{token}' on line [{line},{position}]");
            QueryFailure::Syntax(mistake("SYN0002", format!("{place}: {file}{}{hint}", diagnostic.message)))
        }
        codes::UNKNOWN_COLUMN => {
            let operator =
                operator_before(query, diagnostic).map(|name| format!("'{name}' operator: ")).unwrap_or_default();
            let message =
                format!("{operator}{file}Failed to resolve column or scalar expression named '{named}'{hint}");
            QueryFailure::Semantic(mistake("SEM0100", message))
        }
        codes::UNKNOWN_TABLE => {
            let operator =
                operator_behind(query, diagnostic).map(|name| format!("'{name}' operator: ")).unwrap_or_default();
            let message = format!("{operator}{file}Failed to resolve table or column expression named '{named}'{hint}");
            QueryFailure::Semantic(mistake("SEM0100", message))
        }
        codes::UNKNOWN_FUNCTION => {
            QueryFailure::Semantic(mistake("SEM0260", format!("{file}Unknown function: '{named}'.{hint}")))
        }
        _ => QueryFailure::Semantic(mistake("SEM0001", format!("{file}{}{hint}", diagnostic.message))),
    }
}

/// The name between the message's backquotes.
fn quoted_name(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// The operator that the mistake stands in.
fn operator_before<'q>(query: &'q str, diagnostic: &Diagnostic) -> Option<&'q str> {
    diagnostic.source.is_none().then_some(())?;
    let before = query.get(..diagnostic.span.start)?;
    word(&before[before.rfind('|')? + 1..])
}

/// The operator that the table goes into.
fn operator_behind<'q>(query: &'q str, diagnostic: &Diagnostic) -> Option<&'q str> {
    diagnostic.source.is_none().then_some(())?;
    word(query.get(diagnostic.span.end..)?.trim_start().strip_prefix('|')?)
}

fn word(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|character: char| !character.is_ascii_alphanumeric() && character != '-').unwrap_or(text.len());
    (end > 0).then_some(&text[..end])
}
