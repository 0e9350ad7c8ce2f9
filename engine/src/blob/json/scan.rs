//! One JSON object on one line, read no further than needed: members that nobody wants are only stepped over.
//!
//! Nothing is allocated for a line. Wanted values come out as slices of it; what they mean is `cells.rs`'s to say.

use std::collections::HashMap;

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Raw<'l> {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Number(&'l str),
    /// Between the quotes
    Text(&'l str),
    /// Between the quotes, with `\` sequences in it
    Escaped(&'l str),
    /// An object or array, as it stands
    Nested(&'l str),
}

/// What is wrong with a line. The text says it to a person.
pub(super) type Problem = String;

/// Which members are wanted, and the order in which the last line had its members: lines of one file mostly have one.
pub(super) struct Guide {
    /// Of wanted members
    slots: HashMap<Box<str>, usize>,
    /// Of all members of the last line: the key with its quotes, and its slot
    order: Vec<(Box<[u8]>, Option<usize>)>,
    /// New keys get slots of their own
    open: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All values are in their slots
    Read,
    /// A value was not what is looked for: the rest was not looked at
    Rejected,
}

impl Guide {
    /// Wants these members; with `open`, every other one too, in slots behind them.
    pub(super) fn new<'n>(wanted: impl IntoIterator<Item = &'n str>, open: bool) -> Guide {
        let slots = wanted.into_iter().enumerate().map(|(slot, name)| (name.into(), slot)).collect();
        Guide { slots, order: Vec::new(), open }
    }

    /// Names by slot.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = vec![""; self.slots.len()];
        for (name, slot) in &self.slots {
            names[*slot] = name;
        }
        names
    }

    /// Puts the line's values into `slots`, which become absent first. `is_wanted` hears each value of a slot and may
    /// reject the line with it. If a key is repeated, its last value is the one that stays.
    pub(super) fn read<'l>(
        &mut self,
        line: &'l str,
        slots: &mut Vec<Raw<'l>>,
        mut is_wanted: impl FnMut(usize, &Raw<'l>) -> bool,
    ) -> Result<Step, Problem> {
        slots.iter_mut().for_each(|slot| *slot = Raw::Absent);
        slots.resize(self.slots.len(), Raw::Absent);
        let mut cursor = Cursor { text: line, bytes: line.as_bytes(), at: 0 };
        cursor.blanks();
        if cursor.peek() != Some(b'{') {
            return Err("this is no JSON object".to_owned());
        }
        cursor.at += 1;
        cursor.blanks();
        if cursor.peek() == Some(b'}') {
            cursor.at += 1;
            return cursor.end();
        }
        let mut member = 0;
        loop {
            let slot = self.key(&mut cursor, member)?;
            member += 1;
            cursor.blanks();
            cursor.expect(b':', "a `:` behind the key")?;
            cursor.blanks();
            match slot {
                None => cursor.step_over()?,
                Some(slot) => {
                    let value = cursor.value()?;
                    if !is_wanted(slot, &value) {
                        return cursor.rejected();
                    }
                    if slot >= slots.len() {
                        slots.resize(slot + 1, Raw::Absent);
                    }
                    slots[slot] = value;
                }
            }
            cursor.blanks();
            match cursor.peek() {
                Some(b',') => {
                    cursor.at += 1;
                    cursor.blanks();
                }
                Some(b'}') => {
                    cursor.at += 1;
                    return cursor.end();
                }
                _ => return Err(cursor.missing("a `,` or `}` behind the value")),
            }
        }
    }

    /// The slot of the key at the cursor, which moves behind it.
    fn key(&mut self, cursor: &mut Cursor<'_>, member: usize) -> Result<Option<usize>, Problem> {
        if let Some((expected, slot)) = self.order.get(member)
            && cursor.bytes[cursor.at..].starts_with(expected)
        {
            cursor.at += expected.len();
            return Ok(*slot);
        }
        let start = cursor.at;
        if cursor.peek() != Some(b'"') {
            return Err(cursor.missing("a key in quotes"));
        }
        let key = match cursor.string()? {
            Raw::Text(key) => std::borrow::Cow::Borrowed(key),
            Raw::Escaped(key) => std::borrow::Cow::Owned(unescaped(key)?),
            _ => return Err(cursor.missing("a key in quotes")),
        };
        let mut slot = self.slots.get(&*key).copied();
        if slot.is_none() && self.open {
            slot = Some(self.slots.len());
            self.slots.insert((&*key).into(), self.slots.len());
        }
        self.order.truncate(member);
        if self.order.len() == member {
            self.order.push((cursor.bytes[start..cursor.at].into(), slot));
        }
        Ok(slot)
    }
}

struct Cursor<'l> {
    text: &'l str,
    bytes: &'l [u8],
    at: usize,
}

impl<'l> Cursor<'l> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8, what: &str) -> Result<(), Problem> {
        if self.peek() != Some(byte) {
            return Err(self.missing(what));
        }
        self.at += 1;
        Ok(())
    }

    #[cold]
    fn missing(&self, what: &str) -> Problem {
        match self.peek() {
            None => format!("the line ends where {what} should be: it is cut short"),
            Some(_) => format!("column {} should be {what}", self.at + 1),
        }
    }

    /// Behind the object there are only blanks.
    fn end(&mut self) -> Result<Step, Problem> {
        self.blanks();
        if self.at == self.bytes.len() { Ok(Step::Read) } else { Err(self.missing("the end of the line")) }
    }

    /// The rest is not looked at, but a line that was cut short does not end like an object.
    fn rejected(&self) -> Result<Step, Problem> {
        let end = self.bytes.trim_ascii_end();
        if end.last() == Some(&b'}') {
            Ok(Step::Rejected)
        } else {
            Err("the line does not end with `}`: it is cut short".to_owned())
        }
    }

    #[inline]
    fn value(&mut self) -> Result<Raw<'l>, Problem> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => {
                let start = self.at;
                self.nested()?;
                Ok(Raw::Nested(&self.text[start..self.at]))
            }
            Some(b't') => self.word("true").map(|()| Raw::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Raw::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Raw::Null),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.number();
                Ok(Raw::Number(&self.text[start..self.at]))
            }
            _ => Err(self.missing("a value")),
        }
    }

    #[inline]
    fn step_over(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.close_string().map(drop)
            }
            Some(b'{' | b'[') => self.nested(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => {
                self.number();
                Ok(())
            }
            _ => Err(self.missing("a value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Problem> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.missing("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn number(&mut self) {
        self.at += 1;
        while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn string(&mut self) -> Result<Raw<'l>, Problem> {
        self.at += 1;
        let start = self.at;
        let is_plain = self.close_string()?;
        let text = &self.text[start..self.at - 1];
        Ok(if is_plain { Raw::Text(text) } else { Raw::Escaped(text) })
    }

    /// Moves behind the closing quote; says whether nothing was escaped.
    #[inline]
    fn close_string(&mut self) -> Result<bool, Problem> {
        let mut is_plain = true;
        loop {
            self.at = quote_or_backslash(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                Some(_) => {
                    is_plain = false;
                    self.at += 2;
                    if self.at > self.bytes.len() {
                        self.at = self.bytes.len();
                        return Err(self.missing("the end of a text"));
                    }
                }
                None => return Err(self.missing("the end of a text")),
            }
        }
    }

    /// Over an object or array, strings in it included. What is in it is not looked at.
    fn nested(&mut self) -> Result<(), Problem> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                Some(b'"') => {
                    self.at += 1;
                    self.close_string()?;
                }
                Some(_) => self.at += 1,
                None => return Err(self.missing("the end of an object or array")),
            }
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The place of the next `"` or `\` from `at` on, or the end. Texts in logs are short: eight bytes at a time, without a
/// call, beat a search that has to be started.
#[inline(always)]
fn quote_or_backslash(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().unwrap_or_default());
        let quotes = word ^ (ONES * u64::from(b'"'));
        let slashes = word ^ (ONES * u64::from(b'\\'));
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let found = zero(quotes) | zero(slashes);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < bytes.len() && bytes[at] != b'"' && bytes[at] != b'\\' {
        at += 1;
    }
    at
}

/// The text that the escapes stand for.
pub(super) fn unescaped(text: &str) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let mut letters = rest[at + 1..].chars();
        let letter = letters.next().ok_or_else(|| "a text ends in `\\`".to_owned())?;
        rest = letters.as_str();
        out.push(match letter {
            '"' | '\\' | '/' => letter,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let (letter, behind) = code_point(rest)?;
                rest = behind;
                letter
            }
            other => return Err(format!("a text has `\\{other}`, which JSON does not know")),
        });
    }
    out.push_str(rest);
    Ok(out)
}

/// The letter of the digits behind `\u`, two groups of them for letters beyond 16 bits, and what follows.
fn code_point(text: &str) -> Result<(char, &str), Problem> {
    let unit = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let bad = || "a text has a `\\u` that is no letter".to_owned();
    let first = unit(text).ok_or_else(bad)?;
    let rest = &text[4..];
    if !(0xd800..0xdc00).contains(&first) {
        return Ok((char::from_u32(first).ok_or_else(bad)?, rest));
    }
    let second =
        rest.strip_prefix("\\u").and_then(unit).filter(|unit| (0xdc00..0xe000).contains(unit)).ok_or_else(bad)?;
    let letter = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(bad)?;
    Ok((letter, &rest[6..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn members(line: &str) -> Result<Vec<(String, Value)>, Problem> {
        let mut guide = Guide::new([], true);
        let mut slots = Vec::new();
        guide.read(line, &mut slots, |_, _| true)?;
        let names = guide.names();
        let value = |raw: &Raw<'_>| -> Result<Value, Problem> {
            Ok(match raw {
                Raw::Absent | Raw::Null => Value::Null,
                Raw::Bool(value) => (*value).into(),
                Raw::Text(text) => (*text).into(),
                Raw::Escaped(text) => unescaped(text)?.into(),
                Raw::Number(text) | Raw::Nested(text) => {
                    serde_json::from_str(text).map_err(|error| error.to_string())?
                }
            })
        };
        names.iter().zip(&slots).map(|(name, raw)| Ok(((*name).to_owned(), value(raw)?))).collect()
    }

    #[test]
    fn members_in_any_order_and_missing_ones() {
        let mut guide = Guide::new(["b", "d"], false);
        let mut slots = Vec::new();
        let lines = [
            (r#"{"a":1,"b":2,"c":[{"d":"}"}],"d":"x\"y"}"#, [Raw::Number("2"), Raw::Escaped("x\\\"y")]),
            (r#" { "a" : 1 , "d" : null , "b" : true } "#, [Raw::Bool(true), Raw::Null]),
            (r#"{"d":{"b":3}}"#, [Raw::Absent, Raw::Nested(r#"{"b":3}"#)]),
            (r#"{}"#, [Raw::Absent, Raw::Absent]),
            (r#"{"b":1,"b":2}"#, [Raw::Number("2"), Raw::Absent]),
            (r#"{"\u0062":1}"#, [Raw::Number("1"), Raw::Absent]),
        ];
        for (line, wanted) in lines {
            assert_eq!(guide.read(line, &mut slots, |_, _| true), Ok(Step::Read), "{line}");
            assert_eq!(slots, wanted, "{line}");
        }
    }

    #[test]
    fn a_rejected_line_is_not_read_on_but_must_be_whole() {
        let mut guide = Guide::new(["id"], false);
        let mut slots = Vec::new();
        let is_seven = |_: usize, raw: &Raw<'_>| *raw == Raw::Number("7");
        assert_eq!(guide.read(r#"{"id":8,"x":"y"}"#, &mut slots, is_seven), Ok(Step::Rejected));
        assert_eq!(guide.read(r#"{"id":7,"x":"y"}"#, &mut slots, is_seven), Ok(Step::Read));
        assert!(guide.read(r#"{"id":8,"x":"y"#, &mut slots, is_seven).unwrap_err().contains("cut short"));
    }

    #[test]
    fn mistakes_are_named() {
        for line in [
            "",
            "[1]",
            "nonsense",
            r#"{"a":1"#,
            r#"{"a":"x"#,
            r#"{"a":"x\"#,
            r#"{"a" 1}"#,
            r#"{a:1}"#,
            r#"{"a":1} x"#,
            r#"{"a":1,}"#,
            r#"{"a":tru}"#,
            r#"{"a":[1,{}"#,
            r#"{"a":}"#,
            r#"{"a":1}{"a":2}"#,
        ] {
            assert!(members(line).is_err(), "{line}");
        }
        assert!(unescaped("\\ud800x").is_err() && unescaped("\\x").is_err() && unescaped("\\u12").is_err());
        assert_eq!(unescaped("\\ud83d\\ude00\\n\\/").unwrap(), "😀\n/");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::from),
            "[\"\\\\a-c\u{e9}\u{1F600}\n\t{}\\[\\]:, ]{0,24}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// serde_json is the judge.
        #[test]
        fn every_object_is_read_as_serde_reads_it(
            object in prop::collection::btree_map("[a-e\"\\\\é]{0,4}", values(), 0..8)
        ) {
            let object: Map<String, Value> = object.into_iter().collect();
            let line = Value::Object(object).to_string();
            let judged: Map<String, Value> = serde_json::from_str(&line).unwrap();
            let read: Map<String, Value> = members(&line).unwrap().into_iter().collect();
            prop_assert_eq!(read, judged);
        }

        #[test]
        fn no_text_makes_it_panic(line in "[{}\\[\\]\":,\\\\a-c0-9.é \u{0}nulltrue-]{0,60}") {
            let _ = members(&line);
        }

        #[test]
        fn a_quote_is_found_where_it_is(text in "[ab\"\\\\é]{0,40}", from in 0usize..40) {
            let bytes = text.as_bytes();
            let from = from.min(bytes.len());
            let slow = bytes[from..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map_or(bytes.len(), |at| from + at);
            prop_assert_eq!(quote_or_backslash(bytes, from), slow);
        }
    }
}
