//! Text from the data: made harmless, measured, clipped and wrapped.

/// Marks above or below one letter that we keep. More would climb over the neighbouring labels.
const MARKS_PER_LETTER: usize = 2;
/// Longer tooltips are cut: they cover the screen and swell the notebook.
const TOOLTIP_CHARS: usize = 600;
/// No label is ever wider than this, so measuring need not look at the rest of a megabyte-long name.
const LABEL_CHARS: usize = 400;
/// Bold letters are wider by this factor at most.
const BOLD: f64 = 1.15;

/// One line of visible text: white space of any kind becomes a space, and what the eye cannot see (control
/// characters, direction overrides, zero-width marks) becomes `�`, because a hidden character in an account name is
/// exactly what a hunter should see.
pub(crate) fn clean_line(text: &str) -> String {
    let line = clean(text.chars().take(LABEL_CHARS + 1), false);
    let line = line.trim();
    if line.is_empty() { "(empty)".to_owned() } else { line.to_owned() }
}

/// Like [`clean_line`], but keeps line breaks: tooltips may have several lines.
pub(crate) fn clean_tooltip(text: &str) -> String {
    let mut kept = clean(text.chars().take(TOOLTIP_CHARS), true);
    if text.chars().nth(TOOLTIP_CHARS).is_some() {
        kept.push('…');
    }
    kept
}

fn clean(text: impl Iterator<Item = char>, keep_line_breaks: bool) -> String {
    let mut cleaned = String::new();
    let mut marks = 0;
    for character in text {
        if is_combining(character) {
            marks += 1;
            if marks > MARKS_PER_LETTER {
                continue;
            }
        } else {
            marks = 0;
        }
        cleaned.push(match character {
            '\n' if keep_line_breaks => '\n',
            '\n' | '\r' | '\t' => ' ',
            _ if is_invisible(character) => '\u{fffd}',
            _ if character.is_whitespace() => ' ',
            _ => character,
        });
    }
    cleaned
}

/// Characters that XML forbids or that change how their neighbours are shown. The joiners U+200C and U+200D stay:
/// several scripts cannot be spelled without them.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xAD | 0x61C
                | 0x180E
                | 0x200B
                | 0x200E..=0x200F
                | 0x2028..=0x202E
                | 0x2060..=0x206F
                | 0xFEFF
                | 0xFFF9..=0xFFFB
                | 0xE0000..=0xE0FFF
        )
        // U+FFFE and U+FFFF of every plane are not characters at all.
        || u32::from(character) & 0xFFFE == 0xFFFE
}

fn is_combining(character: char) -> bool {
    matches!(
        u32::from(character),
        0x300..=0x36F | 0x483..=0x489 | 0x591..=0x5BD | 0x610..=0x61A | 0x64B..=0x65F | 0xE31 | 0xE34..=0xE3A
            | 0xE47..=0xE4E | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE00..=0xFE0F
            | 0xFE20..=0xFE2F
    )
}

/// Escapes text for element content and double-quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// An upper estimate of the width in pixels. We do not know the reader's font, so letters are taken as wide as in
/// DejaVu Sans, the widest of the usual ones.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let ems: f64 = text.chars().map(letter_width).sum();
    ems * size * if bold { BOLD } else { 1.0 }
}

fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '\'' => 0.29,
        ' ' | '.' | ',' | ':' | ';' | '|' | 'I' | '/' | '\\' => 0.35,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' | '!' | '"' => 0.43,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '\u{fffd}' => 1.02,
        'a'..='z' | '_' => 0.64,
        '0'..='9' => 0.65,
        'A'..='Z' => 0.79,
        '#'..='~' => 0.84,
        _ if is_combining(letter) => 0.0,
        _ => wide_letter_width(u32::from(letter)),
    }
}

fn wide_letter_width(code: u32) -> f64 {
    match code {
        0xFDFD => 14.0, // one character that is a whole sentence
        0x12000..=0x1254F => 5.0,
        0xA1..=0x24F => 0.9,
        0x250..=0x10FF => 0.95,
        _ => 1.3,
    }
}

/// Shortens text to `limit` pixels by leaving out its middle: the ends tell long paths and accounts apart.
pub(crate) fn clip_middle(text: &str, limit: f64, size: f64, bold: bool) -> String {
    if width(text, size, bold) <= limit {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let mut budget = limit - width("…", size, bold);
    let (mut head, mut tail) = (0, letters.len());
    while head < tail {
        // The head gets the odd letter.
        let from_head = head <= letters.len() - tail;
        let next = letters[if from_head { head } else { tail - 1 }];
        budget -= width(next.encode_utf8(&mut [0; 4]), size, bold);
        if budget < 0.0 {
            break;
        }
        if from_head {
            head += 1;
        } else {
            tail -= 1;
        }
    }
    letters[..head].iter().chain(&['…']).chain(&letters[tail..]).collect()
}

/// Shortens text to `limit` pixels by leaving out its end: command lines say what they are at their beginning.
pub(crate) fn clip_end(text: &str, limit: f64, size: f64, bold: bool) -> String {
    if width(text, size, bold) <= limit {
        return text.to_owned();
    }
    let mut budget = limit - width("…", size, bold);
    let kept = text.chars().take_while(|letter| {
        budget -= width(letter.encode_utf8(&mut [0; 4]), size, bold);
        budget >= 0.0
    });
    kept.chain(['…']).collect()
}

/// Breaks text at spaces into lines of at most `limit` pixels; a single longer word is clipped.
pub(crate) fn wrap(text: &str, limit: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = clip_middle(word, limit, size, bold);
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, bold) <= limit => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(clean_line("a\u{202e}b\0c\u{200b}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(clean_line("two\r\nlines\there"), "two  lines here");
        assert_eq!(clean_line(" \t "), "(empty)");
        assert_eq!(clean_line("\u{ffff}\u{1fffe}"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn stacked_marks_are_thinned_out() {
        let zalgo = format!("a{}b", "\u{301}".repeat(50));
        assert_eq!(clean_line(&zalgo), "a\u{301}\u{301}b");
    }

    #[test]
    fn clipped_text_fits_and_keeps_both_ends() {
        let name = r"\\fileserver\finance\2026\november\salaries-confidential.xlsx";
        for limit in [0.0, 10.0, 40.0, 120.0, 1e6] {
            let clipped = clip_middle(name, limit, 11.0, false);
            assert!(width(&clipped, 11.0, false) <= limit.max(width("…", 11.0, false)));
        }
        let clipped = clip_middle(name, 120.0, 11.0, false);
        assert!(clipped.starts_with(r"\\file") && clipped.ends_with(".xlsx"), "{clipped}");
    }

    #[test]
    fn wrapped_lines_fit() {
        let text = "some words and oneverylongwordthatdoesnotfitanywhere and more words";
        let lines = wrap(text, 90.0, 11.0, false);
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|line| width(line, 11.0, false) <= 90.0));
    }

    #[test]
    fn tooltips_keep_line_breaks_and_have_a_limit() {
        assert_eq!(clean_tooltip("a\nb\u{1}"), "a\nb\u{fffd}");
        assert_eq!(clean_tooltip(&"x".repeat(5_000)).chars().count(), TOOLTIP_CHARS + 1);
    }
}
