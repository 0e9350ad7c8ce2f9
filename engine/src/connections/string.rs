//! Connection strings, in both of Kqlmagic's spellings:
//!
//! ```text
//! loganalytics://code;workspace='...';tenant='...';alias='Sentinel'
//! kusto://code().cluster('help').database('Samples')
//! local://            local://FOLDER            file://FOLDER
//! ```
//!
//! Values are quoted, or a word, or `$NAME` for an environment variable. Case, `-` and `_` of keys do not count. A message
//! never shows the string: it may hold a secret.

use super::definition::{Definition, Kind, Origin, connection_error};
use crate::{Error, Result};

/// Length of the connection that stands first in the text: `scheme://...`, `name@kind`, `database@cluster`, `@name`;
/// `None` if something else does. A bare word is never a connection: it is a table.
pub fn leading(text: &str) -> Option<usize> {
    let end = token_end(text);
    let token = &text[..end];
    if let Some((scheme, _)) = token.split_once("://") {
        return Kind::named(scheme).map(|_| end);
    }
    let (name, place) = token.split_once('@')?;
    let is_word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/'));
    (is_word(name) && !place.is_empty() && is_word(place)).then_some(end)
}

/// The end of the first token; blanks between quotes belong to it.
fn token_end(text: &str) -> usize {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '\'' | '"') => quote = Some(character),
            None if character.is_whitespace() => return at,
            None => {}
        }
    }
    text.len()
}

/// Reads `scheme://...`.
///
/// Errors: an unknown scheme or key, a quote or bracket that is not closed, a key twice.
pub(crate) fn parse(text: &str) -> Result<Definition> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no `://`"))?;
    let kind = Kind::named(scheme.trim()).ok_or_else(|| {
        wrong(&format!("`{scheme}://` is not known: there are loganalytics, kusto (adx, azuredataexplorer), applicationinsights, local, file"))
    })?;
    let mut definition = Definition::new("", kind, Origin::Notebook);
    if matches!(kind, Kind::Local | Kind::Files) && !rest.contains('=') && !rest.contains("('") {
        if !rest.is_empty() {
            definition.set("folder", unquoted(rest).to_owned())?;
        }
    } else {
        parts(rest, &mut definition)?;
    }
    if definition.name.is_empty() {
        definition.name = default_name(&definition);
    }
    Ok(definition)
}

fn unquoted(text: &str) -> &str {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text)
}

/// `k='v';word;k=v` or `word().k('v')`, mixed as one likes.
fn parts(text: &str, definition: &mut Definition) -> Result<()> {
    let mut rest = text.trim_matches(|c: char| c.is_whitespace() || c == ';');
    let mut seen: Vec<String> = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return Err(wrong("a key is missing; write key='value' with `;` between"));
        }
        if seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(wrong(&format!("`{name}` is there twice")));
        }
        seen.push(name.to_owned());
        let after = after.trim_start();
        rest = if let Some(after) = after.strip_prefix('=') {
            let (value, after) = value(after.trim_start(), &[';'])?;
            definition.set(name, value)?;
            after
        } else if let Some(after) = after.strip_prefix('(') {
            let (value, after) = value(after.trim_start(), &[')'])?;
            let after = after.trim_start().strip_prefix(')').ok_or_else(|| wrong("a `(` is not closed"))?;
            if value.is_empty() {
                definition.set_word(name)?
            } else {
                definition.set(name, value)?
            }
            after
        } else {
            definition.set_word(name)?;
            after
        };
        rest = rest.trim_start();
        rest = match rest.strip_prefix([';', '.']) {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return Err(wrong("between its parts stands something other than `;` or `.`")),
        };
    }
    Ok(())
}

/// A value and what follows it.
fn value<'t>(text: &'t str, ends: &[char]) -> Result<(String, &'t str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let close = text[1..].find(quote).ok_or_else(|| wrong("a quote is not closed"))?;
        return Ok((text[1..1 + close].to_owned(), &text[close + 2..]));
    }
    let (word, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    let word = word.trim();
    let Some(variable) = word.strip_prefix('$') else { return Ok((word.to_owned(), rest)) };
    let value = std::env::var(variable)
        .map_err(|_| connection_error(format!("the environment variable `{variable}` of the connection is not set")))?;
    Ok((value, rest))
}

/// `Samples@help`, `4f2c@loganalytics`.
fn default_name(definition: &Definition) -> String {
    let part = |key: &str| definition.get(key).map(str::to_owned);
    match definition.kind {
        Kind::Kusto => {
            let cluster = part("cluster").unwrap_or_default();
            format!("{}@{}", part("database").unwrap_or_default(), short_cluster(&cluster))
        }
        Kind::LogAnalytics => format!("{}@loganalytics", part("workspace").unwrap_or_default()),
        Kind::ApplicationInsights => format!("{}@applicationinsights", part("app").unwrap_or_default()),
        Kind::Local => part("folder").map_or("local".to_owned(), |folder| format!("{folder}@local")),
        Kind::Files => format!("{}@file", part("folder").unwrap_or_default()),
    }
}

/// `help` of `https://help.kusto.windows.net`; other addresses stay whole.
pub(super) fn short_cluster(cluster: &str) -> &str {
    let host = cluster.split_once("://").map_or(cluster, |(_, host)| host).trim_end_matches('/');
    host.split_once(".kusto.").map_or(host, |(name, _)| name)
}

fn wrong(why: &str) -> Error {
    connection_error(format!(
        "the connection string cannot be read: {why}. Write loganalytics://workspace='ID';tenant='T', kusto://cluster='C';database='D', local:// or file://FOLDER"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one() {
        for text in [
            "loganalytics://code;workspace='w 1';tenant=\"t\";alias='Sentinel'",
            "LogAnalytics://code().workspace('w 1').tenant('t').alias('Sentinel')",
            "loganalytics://code;Work_Space='w 1'; tenant=t;alias=Sentinel;",
        ] {
            let found = parse(text).unwrap();
            assert_eq!((found.kind, found.name.as_str()), (Kind::LogAnalytics, "Sentinel"), "{text}");
            let settings = ["workspace", "tenant", "credential"].map(|key| found.get(key));
            assert_eq!(settings, [Some("w 1"), Some("t"), Some("device_code")], "{text}");
        }
    }

    #[test]
    fn schemes_and_default_names() {
        for (text, kind, name) in [
            ("kusto://code;cluster='help';database='Samples'", Kind::Kusto, "Samples@help"),
            ("adx://cluster='https://help.kusto.windows.net';database='Samples'", Kind::Kusto, "Samples@help"),
            (
                "azuredataexplorer://cluster='http://127.0.0.1:8799';database='hunt';anonymous",
                Kind::Kusto,
                "hunt@127.0.0.1:8799",
            ),
            (
                "appinsights://appid='DEMO_APP';appkey='DEMO_KEY'",
                Kind::ApplicationInsights,
                "DEMO_APP@applicationinsights",
            ),
            ("local://", Kind::Local, "local"),
            ("file://exports/2026", Kind::Files, "exports/2026@file"),
            ("cache://folder='Samples_at_help'", Kind::Files, "Samples_at_help@file"),
        ] {
            let found = parse(text).unwrap();
            assert_eq!((found.kind, found.name.as_str()), (kind, name), "{text}");
        }
    }

    #[test]
    fn mistakes_never_show_the_string() {
        for text in [
            "loganalytics://clientsecret='S3CRET",
            "loganalytics://clientsecret='S3CRET';clientsecret='S3CRET'",
            "loganalytics://secretclient='S3CRET'",
            "loganalytics://clientsecret='S3CRET' x",
            "kusto://clientsecret('S3CRET'",
            "kusto://tenant='S3CRET'S3CRET",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.message.contains("S3CRET"), "{text}: {error}");
        }
        let error = parse("kusto://clientsecret=$NOT_SET_ANYWHERE").unwrap_err();
        assert!(error.message.contains("NOT_SET_ANYWHERE"), "{error}");
        assert!(parse("mysql://x").unwrap_err().message.contains("mysql"));
    }

    #[test]
    fn a_connection_is_told_from_a_query() {
        for (text, length) in [
            ("loganalytics://code;workspace='a b' T | take 1", Some(35)),
            ("Samples@help T", Some(12)),
            ("Sentinel@loganalytics", Some(21)),
            ("@prod T", Some(5)),
            ("SecurityEvent | take 5", None),
            ("T | where a == 'x@y'", None),
            ("print x='a@b'", None),
            ("https://example.com", None),
            ("union(T@x)", None),
            ("", None),
        ] {
            assert_eq!(leading(text), length, "{text}");
        }
    }
}
