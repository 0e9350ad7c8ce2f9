//! Words of a magic's head: blanks separate, quotes keep blanks together.

use crate::MagicError;

/// Splits a line into words. `"..."` and `'...'` may hold blanks; a quote must be closed.
pub(crate) fn words(line: &str) -> Result<Vec<String>, MagicError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in line.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if character == '"' || character == '\'' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    if let Some(open) = quote {
        return Err(MagicError::usage(format!("a {open} is not closed in `{}`", line.trim())));
    }
    words.extend(word);
    Ok(words)
}

/// Takes `name <<` or `name<<` off the front of a magic's text.
pub(crate) fn binding(text: &str) -> (Option<String>, &str) {
    let trimmed = text.trim_start();
    let end =
        trimmed.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(trimmed.len());
    let (name, rest) = trimmed.split_at(end);
    match rest.trim_start().strip_prefix("<<") {
        Some(rest) if is_identifier(name) => (Some(name.to_owned()), rest),
        _ => (None, text),
    }
}

pub(crate) fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_blanks_together() {
        assert_eq!(words(r#"read "a b.csv" --format 'csv'"#).unwrap(), ["read", "a b.csv", "--format", "csv"]);
        assert_eq!(words("a '' b").unwrap(), ["a", "", "b"]);
        assert!(words("read 'a").unwrap_err().message.contains("not closed"));
    }

    #[test]
    fn a_binding_may_touch_its_arrow() {
        assert_eq!(binding(" hits << T").0.as_deref(), Some("hits"));
        assert_eq!(binding("hits<< T").0.as_deref(), Some("hits"));
        assert_eq!(binding("T | take 5"), (None, "T | take 5"));
        assert_eq!(binding("1st << T").0, None);
    }
}
