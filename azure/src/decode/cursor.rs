//! Walks over JSON text and hands out values as slices of it.
//!
//! serde_json reads numbers into 64-bit floats and cannot hand out a value's own text without a feature that would
//! change it for everybody. Decimals and dynamic values must stay digit by digit, so values are cut here and
//! serde_json only checks what is nested.

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use super::DecodeError;

/// A value, by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    /// Between its quotes; `true` if there are escapes in it.
    Text(&'a str, bool),
    /// An array or object with its brackets, not yet checked.
    Nested(&'a str),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes().get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes().get(self.at).copied()
    }

    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.takes(byte) { Ok(()) } else { Err(self.wrong(&format!("`{}` is expected", byte as char))) }
    }

    /// After an element: `true` if another follows, `false` if the list is closed by `close`.
    pub(super) fn more(&mut self, close: u8) -> Result<bool, DecodeError> {
        if self.takes(b',') {
            return Ok(true);
        }
        if self.takes(close) {
            return Ok(false);
        }
        Err(self.wrong(&format!("`,` or `{}` is expected", close as char)))
    }

    pub(super) fn wrong(&self, what: &str) -> DecodeError {
        if self.at >= self.text.len() {
            return DecodeError::Truncated { at: self.text.len() };
        }
        DecodeError::NotJson { at: self.at, what: what.to_owned() }
    }

    pub(super) fn value(&mut self) -> Result<Raw<'a>, DecodeError> {
        match self.peek() {
            Some(b'"') => self.text(),
            Some(b'[' | b'{') => self.nested(),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.bytes().get(self.at) {
                    self.at += 1;
                }
                Ok(Raw::Number(&self.text[start..self.at]))
            }
            Some(b'n') => self.word("null", Raw::Null),
            Some(b't') => self.word("true", Raw::Bool(true)),
            Some(b'f') => self.word("false", Raw::Bool(false)),
            _ => Err(self.wrong("a value is expected")),
        }
    }

    fn word(&mut self, word: &str, value: Raw<'a>) -> Result<Raw<'a>, DecodeError> {
        let rest = &self.bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        if word.as_bytes().starts_with(rest) {
            return Err(DecodeError::Truncated { at: self.text.len() });
        }
        Err(self.wrong("a value is expected"))
    }

    /// At an opening quote.
    fn text(&mut self) -> Result<Raw<'a>, DecodeError> {
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            let rest = self.bytes().get(end..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else {
                return Err(DecodeError::Truncated { at: self.text.len() });
            };
            if rest[found] == b'"' {
                end += found;
                break;
            }
            escaped = true;
            end += found + 2;
        }
        self.at = end + 1;
        Ok(Raw::Text(&self.text[start..end], escaped))
    }

    /// At an opening bracket: to the end of the array or object.
    fn nested(&mut self) -> Result<Raw<'a>, DecodeError> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.bytes().get(self.at) {
                Some(b'[' | b'{') => depth += 1,
                Some(b']' | b'}') => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(Raw::Nested(&self.text[start..self.at]));
                    }
                }
                Some(b'"') => {
                    self.text()?;
                    continue;
                }
                Some(_) => {}
                None => return Err(DecodeError::Truncated { at: self.text.len() }),
            }
            self.at += 1;
        }
    }

    /// The text of the next value, whatever it is.
    pub(super) fn skip(&mut self) -> Result<&'a str, DecodeError> {
        self.space();
        let start = self.at;
        self.value()?;
        Ok(&self.text[start..self.at])
    }

    /// A member's name and its colon.
    pub(super) fn name(&mut self) -> Result<String, DecodeError> {
        self.peek();
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// A value that must be a string.
    pub(super) fn string(&mut self) -> Result<String, DecodeError> {
        let at = self.at;
        match self.value()? {
            Raw::Text(raw, _) => {
                let mut text = String::with_capacity(raw.len());
                unescape(raw, &mut text).map_err(|what| DecodeError::NotJson { at, what: what.to_owned() })?;
                Ok(text)
            }
            _ => Err(DecodeError::NotJson { at, what: "a string is expected".to_owned() }),
        }
    }

    /// Where an element that follows `]` and `,` begins, at or after `from`: a row, or so it seems.
    pub(super) fn next_row(text: &str, from: usize, until: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = from;
        loop {
            at += memchr(b']', bytes.get(at..until)?)? + 1;
            let mut ahead = Cursor::new(text, at);
            if ahead.takes(b',') && ahead.peek() == Some(b'[') {
                return Some(ahead.at);
            }
        }
    }
}

/// Whether a text is JSON.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Puts the text of a JSON string, given without its quotes, at the end of `out`.
///
/// Half a surrogate pair becomes U+FFFD: the services pass on what was logged, and one such name must not cost an answer.
pub(super) fn unescape(raw: &str, out: &mut String) -> Result<(), &'static str> {
    let mut rest = raw;
    while let Some(found) = memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..found]);
        let kind = *rest.as_bytes().get(found + 1).ok_or("a string ends within an escape")?;
        let mut used = 2;
        match kind {
            b'"' | b'\\' | b'/' => out.push(kind as char),
            b'n' => out.push('\n'),
            b't' => out.push('\t'),
            b'r' => out.push('\r'),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'u' => {
                let unit = hex(rest, found + 2).ok_or("a `\\u` without four digits")?;
                used = 6;
                let follows = rest.as_bytes().get(found + 6..found + 8) == Some(b"\\u");
                let low = if follows { hex(rest, found + 8) } else { None };
                let character = match (unit, low) {
                    (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
                        used = 12;
                        char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                    }
                    _ => char::from_u32(unit),
                };
                out.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return Err("an escape that JSON does not have"),
        }
        rest = &rest[found + used..];
    }
    out.push_str(rest);
    Ok(())
}

fn hex(text: &str, at: usize) -> Option<u32> {
    let digits = text.as_bytes().get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + (*digit as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_serde_json_reads_them() {
        for raw in [r#"a\"b\\c\/d"#, r"\b\f\n\r\t", r"\u00e9\u20AC", r"\ud83d\ude00!", "", "é\u{7f}"] {
            let mut out = String::new();
            unescape(raw, &mut out).unwrap();
            assert_eq!(out, serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap(), "{raw}");
        }
    }

    #[test]
    fn half_a_pair_is_replaced_and_nonsense_refused() {
        for (raw, expected) in [(r"x\ud83dy", "x\u{fffd}y"), (r"\udc00", "\u{fffd}"), (r"\ud83d\u0041", "\u{fffd}A")] {
            let mut out = String::new();
            unescape(raw, &mut out).unwrap();
            assert_eq!(out, expected);
        }
        for raw in [r"\x", r"\u12", r"\u12é9", "\\"] {
            assert!(unescape(raw, &mut String::new()).is_err(), "{raw}");
        }
    }

    #[test]
    fn nested_values_end_where_they_end() {
        let text = r#" {"a":[1,"]}\"",{}]} ,7"#;
        let mut cursor = Cursor::new(text, 0);
        assert_eq!(cursor.value().unwrap(), Raw::Nested(r#"{"a":[1,"]}\"",{}]}"#));
        assert!(cursor.takes(b','));
        assert_eq!(cursor.value().unwrap(), Raw::Number("7"));
    }
}
