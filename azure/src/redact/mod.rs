//! Takes secrets out of text that a cell shows.
//!
//! Two things are secret: values that were registered (in any of the usual encodings), and what follows a word that
//! announces a secret, such as `AccountKey=` or `Bearer `. The word itself stays, so that one sees what was hidden, and so that text
//! can be looked at piece by piece: only a beginning of a registered value ever has to wait for the next piece.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, LazyLock, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in the place of a secret.
pub const MARK: &str = "[redacted]";

/// A shorter value is part of too many words that are none.
pub const SHORTEST: usize = 6;
/// So much of a registered value at the end of a piece of text makes it wait for the next one.
const SUSPICIOUS: usize = 4;
/// A token is at least so long: `Bearer of news` announces none.
const SHORTEST_TOKEN: usize = 16;
/// Text before a piece that is looked at again: the longest announcement, which is the header of a JWT.
const LOOK_BACK: usize = 600;

/// Hides this value from now on, wherever it is shown: as it is, URL-encoded, in base64, escaped for HTML, JSON or Rust.
/// Very short values are not hidden.
pub fn register(value: &str) {
    let value = value.trim();
    if value.len() < SHORTEST {
        return;
    }
    let mut registry = REGISTRY.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut forms = registry.forms.clone();
    forms.extend(forms_of(value));
    if forms.len() > registry.forms.len()
        && let Some(new) = Registry::new(forms)
    {
        *registry = Arc::new(new);
    }
}

/// The text with its secrets hidden.
pub fn text(text: &str) -> Cow<'_, str> {
    let mut stream = Stream::default();
    let shown = stream.push(text) + &stream.finish();
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// Hides secrets in text that comes piece by piece, whatever the pieces are.
#[derive(Debug, Default)]
pub struct Stream {
    /// The end of what has been given out, as it was before secrets were hidden.
    before: String,
    /// Not given out yet: it may be the beginning of a secret.
    held: String,
    /// The last piece ended within a secret of this kind.
    within: Option<Kind>,
}

impl Stream {
    pub fn new() -> Self {
        Self::default()
    }

    /// What may be shown now. Nearly always that is all.
    pub fn push(&mut self, text: &str) -> String {
        let piece = std::mem::take(&mut self.held) + text;
        self.show(&piece, false)
    }

    /// What is left at the end of the text.
    pub fn finish(&mut self) -> String {
        let piece = std::mem::take(&mut self.held);
        let shown = self.show(&piece, true);
        *self = Stream::default();
        shown
    }

    fn show(&mut self, piece: &str, is_end: bool) -> String {
        if piece.is_empty() {
            return String::new();
        }
        let registry = REGISTRY.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let text = std::mem::take(&mut self.before) + piece;
        let start = text.len() - piece.len();
        let mut shown = String::with_capacity(piece.len());
        let mut at = start;
        if let Some(kind) = self.within.take() {
            at += kind.length(&text[at..]);
            if at == text.len() {
                self.within = Some(kind);
            }
        }
        let mut end = text.len();
        let mut search = Search { text: &text, registry: &registry, is_end, found: [None; 4] };
        while at < text.len() {
            let Some(found) = search.next(at) else { break };
            if found.start > at {
                shown.push_str(&text[at..found.start]);
            }
            match found.what {
                What::Waits => {
                    end = found.start;
                    at = end;
                    break;
                }
                What::Secret(kind) => {
                    shown.push_str(MARK);
                    at = found.end;
                    if at == text.len() {
                        self.within = kind;
                    }
                }
            }
        }
        shown.push_str(&text[at.min(end)..end]);
        self.held = text[end..].to_owned();
        let mut from = end.saturating_sub(LOOK_BACK);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        self.before = text[from..end].to_owned();
        shown
    }
}

#[derive(Clone, Copy)]
struct Found {
    start: usize,
    end: usize,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// `None` for a registered value, which has an end of its own.
    Secret(Option<Kind>),
    /// It may be a secret: the next piece says.
    Waits,
}

/// Looks for each sort of secret once, not again after each that was found of another sort.
struct Search<'t> {
    text: &'t str,
    registry: &'t Registry,
    is_end: bool,
    /// What each way of looking has found last; `None` before it has looked.
    found: [Option<Option<Found>>; 4],
}

impl Search<'_> {
    /// The first thing to hide at or after `at`, which only grows.
    fn next(&mut self, at: usize) -> Option<Found> {
        for way in 0..self.found.len() {
            let is_behind = self.found[way].is_none_or(|found| found.is_some_and(|found| found.start < at));
            if is_behind {
                self.found[way] = Some(match way {
                    0 => announced(self.text, at, self.is_end),
                    1 => in_base64(self.text, at, self.is_end),
                    2 => jwt(self.text, at),
                    _ => self.registry.find(self.text, at, self.is_end),
                });
            }
        }
        self.found.iter().flatten().flatten().min_by_key(|found| found.start).copied()
    }
}

/// How far a secret reaches behind the word that announces it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// To the end of base64, also URL-encoded
    Base64,
    /// To what ends a part of a connection string
    Part,
    /// To what ends a parameter of a URL
    Parameter,
    /// A token behind a word that also has other uses
    Token,
    /// Payload and signature of a JWT
    Jwt,
}

impl Kind {
    /// Bytes at the beginning of the text that belong to the secret.
    fn length(self, text: &str) -> usize {
        let belongs = |c: char| match self {
            Kind::Base64 => c.is_ascii_alphanumeric() || "+/=%-_".contains(c),
            Kind::Part => !c.is_whitespace() && !";\"'<>\\`&,".contains(c),
            Kind::Parameter => !c.is_whitespace() && !"&;\"'<>\\`#,".contains(c),
            Kind::Token => c.is_ascii_alphanumeric() || "+/=-_.~:".contains(c),
            Kind::Jwt => c.is_ascii_alphanumeric() || "-_.".contains(c),
        };
        text.find(|c| !belongs(c)).unwrap_or(text.len())
    }
}

/// Words that announce a secret. In URLs, `sig=` and `se=` count only as parameters.
const WORDS: [(&str, Kind); 37] = [
    ("AccountKey=", Kind::Base64),
    ("AccountKey%3D", Kind::Base64),
    ("SharedAccessKey=", Kind::Base64),
    ("SharedAccessKey%3D", Kind::Base64),
    ("SharedAccessSignature=", Kind::Part),
    ("SharedAccessSignature%3D", Kind::Part),
    ("Password=", Kind::Part),
    ("client_secret=", Kind::Parameter),
    ("client_assertion=", Kind::Parameter),
    ("refresh_token=", Kind::Parameter),
    ("access_token=", Kind::Parameter),
    ("?sig=", Kind::Parameter),
    ("&sig=", Kind::Parameter),
    (";sig=", Kind::Parameter),
    ("%26sig%3D", Kind::Base64),
    ("?se=", Kind::Parameter),
    ("&se=", Kind::Parameter),
    ("Bearer ", Kind::Token),
    ("SharedKey ", Kind::Token),
    ("SharedKeyLite ", Kind::Token),
    (";Pwd=", Kind::Part),
    ("id_token=", Kind::Parameter),
    ("x-api-key: ", Kind::Token),
    ("access_token\":\"", Kind::Part),
    ("access_token\": \"", Kind::Part),
    ("refresh_token\":\"", Kind::Part),
    ("refresh_token\": \"", Kind::Part),
    ("id_token\":\"", Kind::Part),
    ("id_token\": \"", Kind::Part),
    ("client_secret\":\"", Kind::Part),
    ("client_secret\": \"", Kind::Part),
    ("accessToken\":\"", Kind::Part),
    ("accessToken\": \"", Kind::Part),
    ("clientSecret\":\"", Kind::Part),
    ("clientSecret\": \"", Kind::Part),
    ("accountKey\":\"", Kind::Part),
    ("accountKey\": \"", Kind::Part),
];

static ANNOUNCERS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = WORDS.iter().map(|(word, _)| *word);
    AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest).build(words).ok()
});

/// `AccountKey=` and `SharedAccessKey=` within base64, where they begin at the first, second or third byte of a group.
static IN_BASE64: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = ["AccountKey=", "SharedAccessKey=", "SharedAccessSignature="];
    AhoCorasick::new(words.iter().flat_map(|word| base64_within(word.as_bytes()))).ok()
});

fn announced(text: &str, at: usize, is_end: bool) -> Option<Found> {
    // A word that the text before ends with announces what begins here.
    let from = at.saturating_sub(LOOK_BACK);
    ANNOUNCERS.as_ref()?.find_iter(&text.as_bytes()[from..]).find_map(|word| {
        let kind = WORDS[word.pattern().as_usize()].1;
        behind(text, from + word.end(), at, kind, is_end)
    })
}

fn in_base64(text: &str, at: usize, is_end: bool) -> Option<Found> {
    let from = at.saturating_sub(LOOK_BACK);
    let mut found = IN_BASE64.as_ref()?.find_iter(&text.as_bytes()[from..]);
    found.find_map(|word| behind(text, from + word.end(), at, Kind::Base64, is_end))
}

/// The secret that begins at `start`, if there is any of it at or after `at`.
fn behind(text: &str, start: usize, at: usize, kind: Kind, is_end: bool) -> Option<Found> {
    let length = kind.length(&text[start..]);
    let end = start + length;
    if length == 0 || end <= at || start < at {
        return None;
    }
    if kind == Kind::Token && length < SHORTEST_TOKEN {
        let may_go_on = end == text.len() && !is_end;
        return may_go_on.then_some(Found { start, end, what: What::Waits });
    }
    Some(Found { start, end, what: What::Secret(Some(kind)) })
}

/// `eyJ` (base64 of `{"`), more of a header, a dot: what follows is payload and signature.
fn jwt(text: &str, at: usize) -> Option<Found> {
    let from = at.saturating_sub(LOOK_BACK);
    let from = (from..=at).find(|from| text.is_char_boundary(*from))?;
    text[from..].match_indices("eyJ").find_map(|(offset, _)| {
        let header = from + offset;
        let is_header = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let dot = header + text[header..].find(|c| !is_header(c))?;
        let start = dot + 1;
        if dot - header < 10 || !text[dot..].starts_with('.') || start < at {
            return None;
        }
        let length = Kind::Jwt.length(&text[start..]);
        (length > 0).then(|| Found { start, end: start + length, what: What::Secret(Some(Kind::Jwt)) })
    })
}

static REGISTRY: LazyLock<RwLock<Arc<Registry>>> = LazyLock::new(RwLock::default);

/// Registered values in all their forms.
#[derive(Default)]
struct Registry {
    forms: BTreeSet<String>,
    finder: Option<AhoCorasick>,
}

impl Registry {
    fn new(forms: BTreeSet<String>) -> Option<Registry> {
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms).ok()?;
        Some(Registry { forms, finder: Some(finder) })
    }

    /// A value of which some is at or after `at`, or what may be the beginning of one at the end of the text.
    fn find(&self, text: &str, at: usize, is_end: bool) -> Option<Found> {
        let finder = self.finder.as_ref()?;
        // Up to so many characters of a value may have been shown.
        let mut from = at.saturating_sub(SUSPICIOUS - 1);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let whole = finder.find_iter(&text[from..]).map(|found| (from + found.start(), from + found.end()));
        let whole = whole.filter(|(_, end)| *end > at).map(|(start, end)| (start.max(at), end)).next();
        let cut = self.beginning_at_end(text, from).map(|start| start.max(at));
        match (whole, cut) {
            (Some((start, end)), cut) if cut.is_none_or(|cut| start <= cut) => {
                Some(Found { start, end, what: What::Secret(None) })
            }
            (_, Some(start)) if !is_end => Some(Found { start, end: text.len(), what: What::Waits }),
            // A secret cut short by the end of the text is still most of one.
            (_, Some(start)) if text.len() - start >= 2 * SUSPICIOUS => {
                Some(Found { start, end: text.len(), what: What::Secret(None) })
            }
            (Some((start, end)), _) => Some(Found { start, end, what: What::Secret(None) }),
            _ => None,
        }
    }

    /// Where the longest end of the text begins that is a beginning of a value.
    fn beginning_at_end(&self, text: &str, from: usize) -> Option<usize> {
        let longest = self.forms.iter().map(String::len).max()?;
        let first = from.max(text.len().saturating_sub(longest - 1));
        let candidates = (first..=text.len().saturating_sub(SUSPICIOUS)).filter(|start| text.is_char_boundary(*start));
        let is_beginning = |end: &str| {
            let mut after = self.forms.range::<str, _>((Bound::Included(end), Bound::Unbounded));
            after.next().is_some_and(|form| form.len() > end.len() && form.starts_with(end))
        };
        let mut candidates = candidates;
        candidates.find(|start| is_beginning(&text[*start..]))
    }
}

/// The ways in which a value may be written.
fn forms_of(value: &str) -> impl Iterator<Item = String> {
    let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    // What most encoders leave alone, others do not.
    let lenient = ["%2D", "%2E", "%5F", "%7E"].iter().zip(["-", ".", "_", "~"]);
    let lenient = lenient.fold(encoded.clone(), |text, (code, plain)| text.replace(code, plain));
    let lower = |text: &str| {
        let mut out = String::with_capacity(text.len());
        let mut pieces = text.split('%');
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (code, rest) = piece.split_at(2.min(piece.len()));
            out.push('%');
            out.push_str(&code.to_ascii_lowercase());
            out.push_str(rest);
        }
        out
    };
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = html.replace('"', "&quot;").replace('\'', "&#39;");
    let debug = format!("{value:?}");
    let debug = debug[1..debug.len() - 1].to_owned();
    let slashes = value.replace('/', "\\/");
    let plain = [value.to_owned(), lower(&encoded), lower(&lenient), encoded, lenient, html, quoted, debug, slashes];
    plain.into_iter().chain(base64_within(value.as_bytes())).filter(|form| form.len() >= SHORTEST)
}

/// What of a text's base64 is the same whatever stands before and after the text: for each of the three places in a group
/// of three bytes at which it may begin, in both alphabets.
fn base64_within(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for shift in 0..3 {
        let shifted: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
        // The first characters also hold bits of what stands before, the last of what stands behind.
        let first = [0, 2, 3][shift];
        let last = shifted.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let within = text[first..last].to_owned();
            if !found.contains(&within) {
                found.push(within);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v+/Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cQ==";

    fn connection_string() -> String {
        format!("DefaultEndpointsProtocol=https;AccountName=hunts;AccountKey={KEY};EndpointSuffix=core.windows.net")
    }

    /// Hides in pieces of this many characters.
    fn in_pieces(text: &str, size: usize) -> String {
        let characters: Vec<char> = text.chars().collect();
        let mut stream = Stream::default();
        let pieces = characters.chunks(size).map(|piece| stream.push(&piece.iter().collect::<String>()));
        let shown: String = pieces.collect();
        shown + &stream.finish()
    }

    #[test]
    fn announced_secrets_are_hidden_and_all_else_stays() {
        let signature = "sv=2024-11-04&se=2030-01-01T00%3A00%3A00Z&sig=abcDEF%2Bghi%3D&sp=r";
        for (text, shown) in [
            (connection_string(), connection_string().replace(KEY, MARK)),
            (
                format!("https://x.blob.core.windows.net/c?{signature}"),
                "https://x.blob.core.windows.net/c?sv=2024-11-04&se=[redacted]&sig=[redacted]&sp=r".into(),
            ),
            ("Authorization: Bearer abcdefghijklmnop1234".into(), "Authorization: Bearer [redacted]".into()),
            ("SharedKey ws-id:abcdefghijklmnop=".into(), "SharedKey [redacted]".into()),
            ("{\"access_token\": \"a.b-c\", \"n\": 1}".into(), "{\"access_token\": \"[redacted]\", \"n\": 1}".into()),
            ("Password=p@ss!word;Server=x".into(), "Password=[redacted];Server=x".into()),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln end".into(), "eyJhbGciOiJIUzI1NiJ9.[redacted] end".into()),
        ] {
            assert_eq!(super::text(&text), shown);
            for size in 1..text.len() {
                assert_eq!(in_pieces(&text, size), shown, "in pieces of {size}");
            }
        }
        for text in
            ["Bearer of news", "design=1", "sig=0.05", "a SharedKey b", "eyJ", "", "Ünïcode ✓ AccountKey", "se=5"]
        {
            assert!(matches!(super::text(text), Cow::Borrowed(_)), "{text}");
            assert_eq!(in_pieces(text, 1), text);
        }
    }

    #[test]
    fn a_connection_string_in_an_encoding_is_hidden() {
        let part = &KEY[..20];
        let encoded = utf8_percent_encode(&connection_string(), NON_ALPHANUMERIC).to_string();
        assert!(!text(&encoded).contains(part) && text(&encoded).contains("AccountName"));
        for before in ["", "x", "xy"] {
            let encoded = STANDARD_NO_PAD.encode(format!("{before}{}", connection_string()));
            let shown = text(&encoded);
            assert!(shown.ends_with(MARK), "{shown}");
            let tail = &encoded[encoded.len() - 90..encoded.len() - 60];
            assert!(!shown.contains(tail));
            assert_eq!(in_pieces(&encoded, 7), shown);
        }
    }

    #[test]
    fn a_registered_value_is_hidden_in_every_form() {
        let value = "s3cr3t/va+lue&<it>\"is\"";
        register(value);
        let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let forms = [
            value.to_owned(),
            format!("{value:?}"),
            html.clone(),
            html.replace('"', "&quot;"),
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            "s3cr3t%2fva%2blue%26%3cit%3e%22is%22".to_owned(),
        ];
        for form in forms {
            let shown = super::text(&form);
            assert!(shown.contains(MARK) && !shown.contains("s3cr3t"), "{shown}");
        }
        for (before, after) in [("", ""), ("a", "b"), ("ab", "c"), ("abc", "defg")] {
            let encoded = STANDARD_NO_PAD.encode(format!("{before}{value}{after}"));
            let shown = text(&encoded);
            assert!(shown.contains(MARK), "{shown}");
            assert!(!shown.contains(&encoded[8..16]), "{shown}");
        }
    }

    #[test]
    fn pieces_do_not_matter_and_ordinary_text_does_not_wait() {
        register("correct-horse-battery");
        let text = "one correct-horse-battery two correct-horse-bat";
        for size in 1..text.len() {
            let shown = in_pieces(text, size);
            assert!(
                !shown.contains("horse") && shown.starts_with("one ") && shown.contains(" two "),
                "{size}: {shown}"
            );
        }
        let mut stream = Stream::default();
        for piece in ["10 %", " ... corr", "ect answer\n", "cor"] {
            let shown = stream.push(piece);
            let waits = piece.ends_with("corr");
            assert_eq!(shown.len() < piece.len(), waits, "{piece}");
        }
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn short_values_are_not_hidden() {
        register("abc");
        assert_eq!(text("abcabc"), "abcabc");
    }
}
