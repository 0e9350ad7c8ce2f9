//! `has`, `contains`, `startswith` and their kin against constant needles: the hot loop of a hunt.
//!
//! ASCII needles are found without folding the text. A window of at most three bytes of each needle
//! is searched in all its spellings at once (SIMD, see [`aho_corasick::packed`]); only where one is
//! found are the whole needle and its term boundaries compared. O(text), and nothing is allocated.
//! Other needles are compared with the lower-cased text.

use std::sync::Arc;

use aho_corasick::{
    AhoCorasick,
    packed::{Config, Searcher},
};

use super::string::{has_lowered, lowered, matches, matches_folded};
use crate::ast::{TextMatch, TextOp};

/// Whether a text matches.
pub(crate) type TextTest = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// More spellings than this are left to an automaton.
const MOST_SPELLINGS: usize = 64;

/// The test of a string operator with a constant on its right.
pub(crate) fn test(op: TextOp, needle: &str) -> TextTest {
    let folds = !op.case_sensitive;
    let negated = op.negated;
    let how = op.how;
    if needle.is_empty() {
        // Every text has, contains, begins and ends with nothing.
        return match how {
            TextMatch::Equals => Arc::new(move |text| text.is_empty() != negated),
            _ => Arc::new(move |_| !negated),
        };
    }
    if folds && !needle.is_ascii() {
        let needle = needle.to_lowercase();
        return Arc::new(move |text| matches_folded(how, text, &needle) != negated);
    }
    let same = move |part: &[u8], needle: &[u8]| if folds { part.eq_ignore_ascii_case(needle) } else { part == needle };
    let (bytes, length) = (needle.as_bytes().to_vec(), needle.len());
    match how {
        TextMatch::Equals => Arc::new(move |text| same(text.as_bytes(), &bytes) != negated),
        TextMatch::StartsWith => {
            Arc::new(move |text| text.as_bytes().get(..length).is_some_and(|part| same(part, &bytes)) != negated)
        }
        TextMatch::EndsWith => Arc::new(move |text| {
            let tail = text.len().checked_sub(length).map(|at| &text.as_bytes()[at..]);
            tail.is_some_and(|part| same(part, &bytes)) != negated
        }),
        TextMatch::Contains | TextMatch::Has | TextMatch::HasPrefix | TextMatch::HasSuffix => {
            let needles = vec![Needle::new(how, needle)];
            match Finder::new(needles, folds) {
                Some(finder) => Arc::new(move |text| finder.any(text) != negated),
                None => {
                    let needle = needle.to_string();
                    Arc::new(move |text| {
                        let hit = if folds { matches_folded(how, text, &needle) } else { matches(how, text, &needle) };
                        hit != negated
                    })
                }
            }
        }
    }
}

/// `has_any`: one pass over the text, however many terms there are.
pub(crate) fn has_any(terms: &[String]) -> TextTest {
    if terms.iter().any(String::is_empty) {
        return Arc::new(|_| true);
    }
    let (ascii, other): (Vec<&String>, Vec<&String>) = terms.iter().partition(|term| term.is_ascii());
    let other: Vec<String> = other.into_iter().map(|term| term.to_lowercase()).collect();
    let finder = Finder::new(ascii.iter().map(|term| Needle::new(TextMatch::Has, term)).collect(), true);
    let plain = move |text: &str| !other.is_empty() && has_one(&lowered(text), &other);
    match finder {
        Some(finder) => Arc::new(move |text| finder.any(text) || plain(text)),
        None => {
            let all: Vec<String> = ascii.iter().map(|term| term.to_lowercase()).collect();
            Arc::new(move |text| plain(text) || !all.is_empty() && has_one(&lowered(text), &all))
        }
    }
}

/// `has_all`
pub(crate) fn has_all(terms: &[String]) -> TextTest {
    let has = TextOp { how: TextMatch::Has, negated: false, case_sensitive: false };
    let tests: Vec<TextTest> = terms.iter().map(|term| test(has, term)).collect();
    Arc::new(move |text| tests.iter().all(|test| test(text)))
}

fn has_one(lowered: &str, terms: &[String]) -> bool {
    terms.iter().any(|term| has_lowered(lowered, term))
}

/// An ASCII text to find, and which of its edges must be the edge of a term. An edge needs a
/// boundary only where the needle's own edge character belongs to a term.
struct Needle {
    bytes: Vec<u8>,
    starts_term: bool,
    ends_term: bool,
}

impl Needle {
    fn new(how: TextMatch, text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        let in_term = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        Self {
            starts_term: matches!(how, TextMatch::Has | TextMatch::HasPrefix) && in_term(bytes.first()),
            ends_term: matches!(how, TextMatch::Has | TextMatch::HasSuffix) && in_term(bytes.last()),
            bytes,
        }
    }

    /// The needle stands at `start`, and its edges are right.
    fn stands_at(&self, start: usize, text: &str, folds: bool) -> bool {
        let end = start + self.bytes.len();
        let Some(part) = text.as_bytes().get(start..end) else { return false };
        let same = if folds { part.eq_ignore_ascii_case(&self.bytes) } else { part == self.bytes };
        same && !(self.starts_term && term_goes_on_before(text, start))
            && !(self.ends_term && term_goes_on_after(text, end))
    }
}

fn term_goes_on_before(text: &str, at: usize) -> bool {
    match text.as_bytes()[..at].last() {
        None => false,
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text[..at].chars().next_back().is_some_and(char::is_alphanumeric),
    }
}

fn term_goes_on_after(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at) {
        None => false,
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text[at..].chars().next().is_some_and(char::is_alphanumeric),
    }
}

/// Finds any of several ASCII needles.
struct Finder {
    needles: Vec<Needle>,
    folds: bool,
    shortest: usize,
    search: Search,
}

enum Search {
    /// Windows of equal length, so that no two of them begin at one place; per window the needles
    /// it is part of, and where in them.
    Windows {
        searcher: Searcher,
        places: Vec<Vec<(usize, usize)>>,
    },
    Automaton(AhoCorasick),
}

impl Finder {
    /// `None` if there is no needle, or more text than an automaton holds.
    fn new(needles: Vec<Needle>, folds: bool) -> Option<Self> {
        let shortest = needles.iter().map(|needle| needle.bytes.len()).min()?;
        let search = (1..=shortest.min(3)).rev().find_map(|width| windows(&needles, width, folds)).or_else(|| {
            let patterns = needles.iter().map(|needle| &needle.bytes);
            AhoCorasick::builder().ascii_case_insensitive(folds).build(patterns).ok().map(Search::Automaton)
        })?;
        Some(Self { needles, folds, shortest, search })
    }

    fn any(&self, text: &str) -> bool {
        if text.len() < self.shortest {
            return false;
        }
        match &self.search {
            Search::Windows { searcher, places } => {
                let mut span = aho_corasick::Span::from(0..text.len());
                while let Some(hit) = searcher.find_in(text, span) {
                    let stands = |(needle, offset): &(usize, usize)| {
                        let start = hit.start().checked_sub(*offset);
                        start.is_some_and(|start| self.needles[*needle].stands_at(start, text, self.folds))
                    };
                    if places[hit.pattern().as_usize()].iter().any(stands) {
                        return true;
                    }
                    span.start = hit.start() + 1;
                }
                false
            }
            Search::Automaton(automaton) => automaton
                .find_overlapping_iter(text)
                .any(|hit| self.needles[hit.pattern().as_usize()].stands_at(hit.start(), text, self.folds)),
        }
    }
}

fn windows(needles: &[Needle], width: usize, folds: bool) -> Option<Search> {
    let mut spelled: Vec<Vec<u8>> = Vec::new();
    let mut places: Vec<Vec<(usize, usize)>> = Vec::new();
    for (at, needle) in needles.iter().enumerate() {
        let offset = rarest_window(&needle.bytes, width);
        for spelling in spellings(&needle.bytes[offset..offset + width], folds) {
            let known = spelled.iter().position(|known| *known == spelling).unwrap_or_else(|| {
                spelled.push(spelling);
                places.push(Vec::new());
                spelled.len() - 1
            });
            places[known].push((at, offset));
        }
        if spelled.len() > MOST_SPELLINGS {
            return None;
        }
    }
    let searcher = Config::new().builder().extend(&spelled).build()?;
    Some(Search::Windows { searcher, places })
}

/// Where the window begins whose bytes are least common in logs.
fn rarest_window(needle: &[u8], width: usize) -> usize {
    let commonness = |window: &[u8]| window.iter().map(|byte| u32::from(common(*byte))).sum::<u32>();
    let starts = 0..=needle.len() - width;
    starts.min_by_key(|at| commonness(&needle[*at..*at + width])).unwrap_or(0)
}

/// Roughly how often a byte occurs in command lines and paths, 0 to 9.
fn common(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b'e' | b'i' | b's' | b't' | b'o' | b'n' | b'r' | b'a' => 9,
        b' ' | b'\\' | b'.' | b'c' | b'l' | b'd' | b'm' => 8,
        b'p' | b'u' | b'w' | b'h' | b'0'..=b'3' | b'-' | b'/' | b'_' | b'"' => 6,
        b'f' | b'g' | b'b' | b'v' | b'y' | b'4'..=b'9' | b':' | b'=' => 4,
        _ => 1,
    }
}

fn spellings(window: &[u8], folds: bool) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::with_capacity(window.len())];
    for byte in window {
        let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
        let choices = if !folds {
            vec![*byte]
        } else if lower == upper {
            vec![lower]
        } else {
            vec![lower, upper]
        };
        all = all
            .iter()
            .flat_map(|begun| choices.iter().map(move |choice| begun.iter().copied().chain([*choice]).collect()))
            .collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOW: [TextMatch; 7] = [
        TextMatch::Equals,
        TextMatch::Has,
        TextMatch::HasPrefix,
        TextMatch::HasSuffix,
        TextMatch::Contains,
        TextMatch::StartsWith,
        TextMatch::EndsWith,
    ];

    fn has(text: &str, term: &str) -> bool {
        test(TextOp { how: TextMatch::Has, negated: false, case_sensitive: false }, term)(text)
    }

    #[test]
    fn terms_end_where_letters_and_digits_do() {
        assert!(has("an ERROR code", "error"));
        assert!(!has("errorlog", "error"));
        assert!(has("a_error", "error"));
        assert!(has("cmd.exe /c whoami", "cmd.exe"));
        assert!(has("a errorlog and an error", "error"));
        assert!(!has("\u{fc}error", "error"), "a letter before it, not in ASCII");
        assert!(has("x\u{2019}error", "error"), "a quotation mark before it");
    }

    #[test]
    fn many_terms_are_found_by_an_automaton() {
        let terms: Vec<String> = (0..200).map(|at| format!("term{at}x")).collect();
        let test = has_any(&terms);
        assert!(test("one of TERM117X here"));
        assert!(!test("one of TERM117XY here"));
    }

    proptest! {
        /// The fast way and the lower-casing way agree on every operator.
        #[test]
        fn windows_find_what_folding_finds(
            text in "[aAbBkK_ .\u{e9}1]{0,40}", needle in "[aAbBkK_ .1]{1,6}", other in "[aAbB ]{1,4}"
        ) {
            for how in HOW {
                let op = TextOp { how, negated: false, case_sensitive: false };
                prop_assert_eq!(test(op, &needle)(&text), matches_folded(how, &text, &needle.to_lowercase()), "{:?}", how);
                let op = TextOp { case_sensitive: true, ..op };
                prop_assert_eq!(test(op, &needle)(&text), matches(how, &text, &needle), "{:?}", how);
            }
            let either = has(&text, &needle) || has(&text, &other);
            let both = has(&text, &needle) && has(&text, &other);
            let terms = [needle, other];
            prop_assert_eq!(has_any(&terms)(&text), either);
            prop_assert_eq!(has_all(&terms)(&text), both);
        }
    }
}
