//! Identifiers in a piece of Rust: enough to know which frames a cell means.

use ra_ap_syntax::{Edition, SourceFile, SyntaxKind, SyntaxNode};

/// Words outside strings, comments and field or method positions.
fn words(code: &str) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let mut words = Vec::new();
    let mut index = 0;
    while index < bytes.len() {
        let rest = &code[index..];
        if rest.starts_with("//") {
            index += rest.find('\n').unwrap_or(rest.len());
        } else if bytes[index] == b'"' {
            index += 1 + string_end(&bytes[index + 1..]);
        } else if bytes[index].is_ascii_alphabetic() || bytes[index] == b'_' {
            let end =
                rest.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(rest.len());
            words.push((index, &rest[..end]));
            index += end;
        } else {
            index += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    words
}

fn string_end(bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    bytes.len()
}

/// Does the code use `name` as a variable?
pub(crate) fn mentioned(code: &str, name: &str) -> bool {
    words(code).into_iter().any(|(start, word)| {
        let before = code[..start].trim_end();
        word == name && !before.ends_with('.') && !before.ends_with("::")
    })
}

/// Does the code define or assign the variable `name`?
pub(crate) fn assigned(code: &str, name: &str) -> bool {
    words(code).into_iter().any(|(start, word)| {
        let (before, after) = (code[..start].trim_end(), code[start + word.len()..].trim_start());
        let defined =
            before.ends_with("let") || before.ends_with("mut") || before.ends_with(['(', ',']) && code.contains("let");
        let written = after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>");
        word == name && (defined || written)
    })
}

/// Line (from 1) of a `let` that nothing to bind follows.
pub(crate) fn nameless_let(code: &str) -> Option<usize> {
    let nameless = |(start, word): &(usize, &str)| {
        let after = code[start + word.len()..].trim_start();
        *word == "let" && (after.is_empty() || after.starts_with(['=', ';']))
    };
    words(code).iter().find(|word| nameless(word)).map(|(start, _)| code[..*start].matches('\n').count() + 1)
}

/// Does the code await outside functions, closures and blocks that are `async` themselves?
pub(crate) fn awaits(code: &str) -> bool {
    if !mentions_await(code) && !code.contains("tokio::") {
        return false;
    }
    let file = SourceFile::parse(&format!("fn cell() {{{code}\n}}"), Edition::LATEST);
    let is_async = |node: &SyntaxNode| {
        matches!(node.kind(), SyntaxKind::BLOCK_EXPR | SyntaxKind::FN | SyntaxKind::CLOSURE_EXPR)
            && node.children_with_tokens().any(|child| child.kind() == SyntaxKind::ASYNC_KW)
    };
    // tokio's macros await what they are given, wherever they stand.
    let is_macro = |node: &SyntaxNode| {
        const MACROS: [&str; 3] = ["tokio::join!", "tokio::try_join!", "tokio::select!"];
        node.kind() == SyntaxKind::MACRO_CALL && MACROS.iter().any(|name| node.text().to_string().starts_with(name))
    };
    let awaits = |node: &SyntaxNode| {
        (node.kind() == SyntaxKind::AWAIT_EXPR || is_macro(node)) && !node.ancestors().any(|above| is_async(&above))
    };
    file.syntax_node().descendants().any(|node| awaits(&node))
}

fn mentions_await(code: &str) -> bool {
    words(code).into_iter().any(|(start, word)| word == "await" && code[..start].trim_end().ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awaiting_is_told_from_async_code() {
        for code in [
            "f().await",
            "let x = g(1)\n    .await?;\nx",
            "if a { f().await; }",
            "(async { 1 }).await",
            "tokio::join!(f(), g());",
        ] {
            assert!(awaits(code), "{code}");
        }
        for code in [
            "async fn f() { g().await }",
            "let task = async { f().await };",
            "let later = async move { f().await };",
            "let f = async |x: i32| g(x).await;",
            "\".await\"",
            "// f().await",
            "let awaited = 1;",
        ] {
            assert!(!awaits(code), "{code}");
        }
    }

    #[test]
    fn variables_are_told_from_fields_text_and_comments() {
        assert!(mentioned("let n = hits.height();", "hits"));
        assert!(mentioned("f(&hits)", "hits"));
        for code in ["x.hits", "self::hits", "// hits", "\"hits\"", "hits_2", "\"a \\\" hits\""] {
            assert!(!mentioned(code, "hits"), "{code}");
        }
    }

    #[test]
    fn a_let_needs_something_to_bind() {
        assert_eq!(nameless_let("let a = 1;\nlet = ;"), Some(2));
        assert_eq!(nameless_let("let"), Some(1));
        assert_eq!(nameless_let("let (a, b) = f(); // let ="), None);
    }

    #[test]
    fn definitions_and_assignments_are_seen() {
        for code in ["let hits = 1;", "let mut hits = 1;", "hits = other;", "let (hits, b) = f();"] {
            assert!(assigned(code, "hits"), "{code}");
        }
        for code in ["hits == 1", "let n = hits.height();", "f(hits)"] {
            assert!(!assigned(code, "hits"), "{code}");
        }
    }
}
