//! Takes secrets out of text before anybody sees it.
//!
//! Two kinds: values that were registered, in the forms in which they travel (plain, URL-encoded, base64, escaped), and
//! what looks like a secret of Azure (`AccountKey=..`, `sig=..`, bearer tokens, JWTs, see `patterns`). [`Stream`]
//! does it to text that comes in pieces, however it is cut.
//!
//! A secret that code takes apart on purpose (reversed, letter by letter) is not found. This protects from accidents,
//! not from the person at the notebook.

mod forms;
mod patterns;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use forms::Values;
use patterns::Class;

/// What stands where a secret was.
pub const MARK: &str = "[redacted]";

/// A value shorter than this is not taken out: it would tear holes into all text.
pub const SHORTEST: usize = 5;

#[derive(Default)]
struct Registry {
    known: HashSet<String>,
    /// Built when it is next needed.
    values: Option<Arc<Values>>,
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

/// From now on takes `value` out of all text of this process. [`Secret`](crate::secret::Secret) does it by itself.
///
/// Nothing is done for values shorter than [`SHORTEST`], and for JWTs, which are found by their look: there is a new one
/// every hour.
pub fn register(value: &str) {
    if value.len() < SHORTEST || patterns::is_jwt(value) {
        return;
    }
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    if !registry.known.contains(value) {
        registry.known.insert(value.to_owned());
        registry.values = None;
    }
}

fn values() -> Arc<Values> {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    if registry.values.is_none() {
        registry.values = Some(Arc::new(Values::new(registry.known.iter().map(String::as_str))));
    }
    // It was set in the line before.
    registry.values.clone().unwrap_or_default()
}

/// The text without secrets; the same text if there are none.
pub fn text(text: &str) -> Cow<'_, str> {
    redact_with(&values(), text)
}

fn redact_with<'a>(values: &Values, text: &'a str) -> Cow<'a, str> {
    let hits =
        merged(values.hits(text).chain(patterns::find(text, None).hits.into_iter().map(|hit| hit.range)).collect());
    if hits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    write_redacted(text, &hits, &mut out);
    Cow::Owned(out)
}

fn write_redacted(text: &str, hits: &[Range<usize>], out: &mut String) {
    let mut at = 0;
    for hit in hits {
        out.push_str(&text[at..hit.start]);
        out.push_str(MARK);
        at = hit.end;
    }
    out.push_str(&text[at..]);
}

/// In order, with those that overlap made one.
fn merged(mut hits: Vec<Range<usize>>) -> Vec<Range<usize>> {
    hits.sort_unstable_by_key(|hit| (hit.start, hit.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
            _ => merged.push(hit),
        }
    }
    merged
}

/// Text that comes in pieces: what may be the beginning of a secret is held back until more comes.
///
/// No more is held back than the longest registered secret or the beginning of a pattern; other text passes at once.
#[derive(Debug, Default)]
pub struct Stream {
    held: String,
    /// The last byte that was let through: some patterns ask what is in front of them.
    before: Option<u8>,
    /// The rest of a secret that was marked already.
    swallowing: Option<Class>,
}

impl Stream {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece, and returns the text that can be shown now.
    pub fn push(&mut self, piece: &str) -> String {
        self.pass_with(&values(), piece, false)
    }

    /// Returns what is held back, at the end of the text or when it must be shown (a prompt that waits for an answer).
    pub fn finish(&mut self) -> String {
        self.pass_with(&values(), "", true)
    }

    fn pass_with(&mut self, values: &Values, piece: &str, end: bool) -> String {
        let piece = self.swallow(piece);
        self.held.push_str(piece);
        if end {
            self.swallowing = None;
        }
        let text = std::mem::take(&mut self.held);
        let patterns::Found { hits: found, unfinished } = patterns::find(&text, self.before);
        let hits: Vec<Range<usize>> =
            merged(values.hits(&text).chain(found.iter().map(|hit| hit.range.clone())).collect());
        let mut keep = text.len();
        let mut swallow = None;
        if !end {
            keep = values.unfinished(&text);
            // A value that runs to the end is a secret already: marked now, its rest is swallowed. If a registered
            // secret may have begun in it, it has to wait.
            swallow = found.iter().find(|hit| hit.range.end == text.len() && keep == text.len()).map(|hit| hit.class);
            if swallow.is_none() {
                keep = keep.min(unfinished);
            }
            // A secret is never cut, nor what stands in front of it and tells that it is one.
            let spans: Vec<Range<usize>> =
                hits.iter().cloned().chain(found.iter().map(|hit| hit.keyword..hit.range.end)).collect();
            while let Some(span) = spans.iter().find(|span| span.start < keep && keep < span.end) {
                keep = span.start;
            }
        }
        let whole: Vec<Range<usize>> = hits.into_iter().take_while(|hit| hit.end <= keep).collect();
        let mut out = String::new();
        write_redacted(&text[..keep], &whole, &mut out);
        self.before = text[..keep].bytes().last().or(self.before);
        self.held = text[keep..].to_owned();
        self.swallowing = swallow.or(self.swallowing.filter(|_| piece.is_empty() && !end));
        out
    }

    /// Leaves out what belongs to the secret that was marked last.
    fn swallow<'a>(&mut self, piece: &'a str) -> &'a str {
        let Some(class) = self.swallowing else { return piece };
        let rest = class.skip(piece);
        self.before = piece[..piece.len() - rest.len()].bytes().last().or(self.before);
        if !rest.is_empty() {
            self.swallowing = None;
        }
        rest
    }
}

#[cfg(test)]
mod tests;
