//! What looks like a secret of Azure, though nobody registered it.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

/// The letters of which a secret consists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// To the next separator of a connection string, URL or sentence.
    Value,
    /// To the next separator of a connection string: a SAS has several parameters.
    Signature,
    /// As tokens and keys in headers are written.
    Token,
    /// A date in a URL.
    Date,
    /// Between quotes.
    Quoted,
    /// Base64 for URLs, with dots.
    Jwt,
}

impl Class {
    fn has(self, byte: u8) -> bool {
        let token =
            || byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':');
        match self {
            Self::Value => !matches!(byte, b';' | b'&' | b'"' | b'\'' | b'<' | b'>' | b'#' | b'\\' | 0..=b' '),
            Self::Signature => byte == b'&' || Self::Value.has(byte),
            Self::Token => token(),
            Self::Date => byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'%' | b'T' | b'Z' | b'A' | b'a'),
            Self::Quoted => !matches!(byte, b'"' | b'\'' | b'\\' | b'\n' | b'\r'),
            Self::Jwt => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
        }
    }

    /// What follows the letters of the class.
    pub(super) fn skip(self, text: &str) -> &str {
        // A class ends at ASCII only, so the cut is between letters.
        let length = text.bytes().take_while(|byte| self.has(*byte)).count();
        text.get(length..).unwrap_or_default()
    }
}

/// What stands in front of a secret.
struct Keyword {
    text: &'static str,
    class: Class,
    /// Fewer letters than these are no secret, but prose.
    shortest: usize,
    before: Before,
    /// Quotes, spaces, and `:` or `=` stand between the keyword and the value.
    separated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Anything,
    /// Not within a word.
    NoWord,
    /// As the parameter of a URL or a connection string.
    Parameter,
}

const fn assigned(text: &'static str) -> Keyword {
    Keyword { text, class: Class::Value, shortest: 8, before: Before::Anything, separated: false }
}

const fn parameter(text: &'static str) -> Keyword {
    Keyword { text, class: Class::Value, shortest: 8, before: Before::Parameter, separated: false }
}

const fn header(text: &'static str, shortest: usize) -> Keyword {
    Keyword { text, class: Class::Token, shortest, before: Before::NoWord, separated: false }
}

const fn member(text: &'static str) -> Keyword {
    Keyword { text, class: Class::Value, shortest: 8, before: Before::NoWord, separated: true }
}

const KEYWORDS: [Keyword; 24] = [
    assigned("AccountKey="),
    assigned("SharedAccessKey="),
    Keyword { class: Class::Signature, ..assigned("SharedAccessSignature=") },
    assigned("AccountKey%3D"),
    assigned("SharedAccessSignature%3D"),
    Keyword { shortest: 1, ..assigned(";Password=") },
    Keyword { shortest: 1, ..assigned(";Pwd=") },
    parameter("sig="),
    assigned("&sig%3D"),
    Keyword { class: Class::Date, ..parameter("se=") },
    header("Bearer ", 16),
    header("SharedKey ", 20),
    header("SharedKeyLite ", 20),
    member("access_token"),
    member("refresh_token"),
    member("id_token"),
    member("client_secret"),
    member("client_assertion"),
    member("device_code"),
    member("accessToken"),
    member("clientSecret"),
    member("accountKey"),
    member("x-api-key"),
    // The first letters of base64 for `{"`: the header of a JWT.
    Keyword { text: "eyJ", class: Class::Jwt, shortest: 24, before: Before::NoWord, separated: false },
];

/// The header of a JWT is not longer; what runs on without a dot is some other base64.
const LONGEST_JWT_HEADER: usize = 4096;

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasickBuilder::new().ascii_case_insensitive(true).build(KEYWORDS.iter().map(|keyword| keyword.text)).ok()
});

/// A secret that was found.
#[derive(Debug)]
pub(super) struct Hit {
    /// Where the keyword begins.
    pub(super) keyword: usize,
    /// Without the keyword.
    pub(super) range: Range<usize>,
    pub(super) class: Class,
}

enum Looked {
    Hit(Hit),
    /// The text ends before it can be told.
    Unfinished,
    Nothing,
}

/// What one look at a text finds.
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    /// Where a pattern may begin that the text does not show to its end; the text's length if there is none.
    pub(super) unfinished: usize,
}

/// Looks for secrets in a text. `before` is the byte in front of it.
pub(super) fn find(text: &str, before: Option<u8>) -> Found {
    let mut found = Found { hits: Vec::new(), unfinished: unfinished_keyword(text, before) };
    for (keyword, start, end) in candidates(text) {
        match look(text, before, keyword, start, end) {
            Looked::Hit(hit) => found.hits.push(hit),
            Looked::Unfinished => found.unfinished = found.unfinished.min(start),
            Looked::Nothing => {}
        }
    }
    found
}

/// Whether the whole text is a JWT.
pub(super) fn is_jwt(text: &str) -> bool {
    find(text, None).hits.iter().any(|hit| hit.class == Class::Jwt && hit.range == (0..text.len()))
}

/// Where the text ends within a keyword.
fn unfinished_keyword(text: &str, before: Option<u8>) -> usize {
    let longest = KEYWORDS.iter().map(|keyword| keyword.text.len()).max().unwrap_or_default();
    let start = (text.len().saturating_sub(longest)..text.len()).find(|start| {
        let tail = &text.as_bytes()[*start..];
        KEYWORDS.iter().any(|keyword| {
            let head = keyword.text.as_bytes();
            tail.len() < head.len()
                && head[..tail.len()].eq_ignore_ascii_case(tail)
                && allowed(text, before, keyword, *start)
        })
    });
    start.unwrap_or(text.len())
}

fn candidates(text: &str) -> impl Iterator<Item = (&'static Keyword, usize, usize)> {
    FINDER
        .iter()
        .flat_map(move |finder| finder.find_overlapping_iter(text))
        .map(|hit| (&KEYWORDS[hit.pattern().as_usize()], hit.start(), hit.end()))
}

fn look(text: &str, before: Option<u8>, keyword: &Keyword, start: usize, end: usize) -> Looked {
    if !allowed(text, before, keyword, start) {
        return Looked::Nothing;
    }
    if keyword.class == Class::Jwt {
        return look_for_jwt(text, start);
    }
    let (value, class) = if keyword.separated {
        match separator(text, end) {
            Some((value, _)) if value == text.len() => return Looked::Unfinished,
            Some((value, quoted)) => (value, if quoted { Class::Quoted } else { keyword.class }),
            None => return Looked::Nothing,
        }
    } else {
        (end, keyword.class)
    };
    let length = text.len() - value - class.skip(&text[value..]).len();
    if length >= keyword.shortest {
        return Looked::Hit(Hit { keyword: start, range: value..value + length, class });
    }
    if value + length == text.len() { Looked::Unfinished } else { Looked::Nothing }
}

fn allowed(text: &str, before: Option<u8>, keyword: &Keyword, start: usize) -> bool {
    let in_front = if start == 0 { before } else { Some(text.as_bytes()[start - 1]) };
    let Some(byte) = in_front else { return true };
    match keyword.before {
        Before::Anything => true,
        Before::NoWord => !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')),
        Before::Parameter => matches!(byte, b'?' | b'&' | b';' | b'"' | b'\'' | b'(' | b'=' | b'>' | 0..=b' '),
    }
}

/// `"name": "value"`, `name=value`, `\"name\":\"value\"`: where the value begins, and whether it is in quotes.
fn separator(text: &str, end: usize) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let mut at = end;
    let mut assigned = false;
    let mut quoted = false;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b':' | b'=' if !assigned => assigned = true,
            b'"' | b'\'' => quoted = assigned,
            b' ' | b'\t' | b'\\' => {}
            _ => break,
        }
        at += 1;
        if quoted {
            break;
        }
    }
    (assigned || at == text.len()).then_some((at, quoted))
}

/// Two or three parts of base64 with dots between.
fn look_for_jwt(text: &str, start: usize) -> Looked {
    let length = text.len() - start - Class::Jwt.skip(&text[start..]).len();
    let token = &text[start..start + length];
    let at_end = start + length == text.len();
    // A sentence's full stop is not the token's.
    let token = if at_end { token } else { token.trim_end_matches('.') };
    match token.find('.') {
        Some(dot) if dot >= 10 && token.len() >= 24 && token.len() > dot + 2 => {
            Looked::Hit(Hit { keyword: start, range: start..start + token.len(), class: Class::Jwt })
        }
        Some(_) | None if at_end && token.len() < LONGEST_JWT_HEADER => Looked::Unfinished,
        _ => Looked::Nothing,
    }
}
