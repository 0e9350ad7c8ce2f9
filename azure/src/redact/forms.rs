//! Registered values in all the forms in which they travel.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::SHORTEST;

/// A line of a longer secret (a private key) that is worth to be looked for by itself.
const LONG_LINE: usize = 20;
/// Shorter texts are too common in base64.
const SHORTEST_IN_BASE64: usize = 8;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A set of secrets to look for.
#[derive(Debug, Default)]
pub(super) struct Values {
    finder: Option<AhoCorasick>,
    forms: BTreeSet<String>,
    /// For each first byte of a form, the bytes that follow it: all but a few places of a text are ruled out by them.
    heads: Vec<Option<Box<[bool; 256]>>>,
    longest: usize,
}

impl Values {
    pub(super) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        for value in values {
            add_forms(value, &mut forms);
            if value.contains('\n') {
                for line in value.lines().map(str::trim).filter(|line| line.len() >= LONG_LINE) {
                    add_forms(line, &mut forms);
                }
            }
        }
        let longest = forms.iter().map(String::len).max().unwrap_or_default();
        // A table for each state would take megabytes for one long key. It fails beyond two billion states only.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let finder = AhoCorasick::builder().kind(kind).match_kind(MatchKind::LeftmostLongest).build(&forms).ok();
        let mut heads = vec![None; 256];
        for form in &forms {
            if let [first, second, ..] = form.as_bytes() {
                heads[usize::from(*first)].get_or_insert_with(|| Box::new([false; 256]))[usize::from(*second)] = true;
            }
        }
        Self { finder: finder.filter(|_| longest > 0), forms, heads, longest }
    }

    pub(super) fn hits<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.finder.iter().flat_map(move |finder| finder.find_iter(text)).map(|hit| hit.range())
    }

    fn may_begin(&self, tail: &[u8]) -> bool {
        let following = tail.first().and_then(|first| self.heads.get(usize::from(*first))?.as_deref());
        following.is_some_and(|following| tail.get(1).is_none_or(|second| following[usize::from(*second)]))
    }

    /// Where a secret may begin that the text does not show to its end; the text's length if there is none.
    pub(super) fn unfinished(&self, text: &str) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        (from..text.len())
            .filter(|start| self.may_begin(&text.as_bytes()[*start..]) && text.is_char_boundary(*start))
            .find(|start| {
                let tail = &text[*start..];
                let next =
                    self.forms.range::<str, _>((std::ops::Bound::Excluded(tail), std::ops::Bound::Unbounded)).next();
                next.is_some_and(|form| form.starts_with(tail))
            })
            .unwrap_or(text.len())
    }
}

fn add_forms(value: &str, forms: &mut BTreeSet<String>) {
    let mut add = |form: String| {
        if form.len() >= SHORTEST {
            forms.insert(form);
        }
    };
    add(value.to_owned());
    let encoded = utf8_percent_encode(value, UNRESERVED).to_string();
    add(lower_hex(&encoded));
    add(encoded.replace("%20", "+"));
    add(encoded);
    // A URL's path and query keep more signs as they are.
    add(utf8_percent_encode(value, percent_encoding::CONTROLS).to_string());
    let once = escaped(value);
    add(once.replace('/', "\\/"));
    // JSON within JSON, as dynamic columns have it.
    add(escaped(&once));
    add(once);
    add(html(value, "&#39;"));
    add(html(value, "&#x27;"));
    if value.len() >= SHORTEST_IN_BASE64 {
        for shift in 0..3 {
            add(in_base64(value, shift, |bytes| BASE64_STANDARD_NO_PAD.encode(bytes)));
            add(in_base64(value, shift, |bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes)));
        }
    }
}

/// As it stands between the quotes of a JSON string.
fn escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// `%2B` as `%2b`.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // Two digits follow each `%` that the encoder wrote.
        let (digits, rest) = part.split_at(2);
        out.push('%');
        out.push_str(&digits.to_ascii_lowercase());
        out.push_str(rest);
    }
    out
}

/// The letters of `value` within the base64 of a text that has `shift` bytes in front of it: those that do not depend on
/// what stands around it.
fn in_base64(value: &str, shift: usize, encode: impl Fn(&[u8]) -> String) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value.as_bytes());
    let whole = bytes.len() * 8 / 6;
    let text = encode(&bytes);
    text[(shift * 8).div_ceil(6)..whole].to_owned()
}

fn html(value: &str, quote: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', quote)
}
