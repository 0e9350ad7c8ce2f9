//! Shapes of text, for terminals.

/// A bar of eighths of a character; `share` is of the whole `width`.
pub(crate) fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    // Something is never shown as nothing.
    let eighths = if share > 0.0 { eighths.max(1) } else { eighths };
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

/// One character per value between `low` and `high`; a space for none.
pub(crate) fn spark(values: &[f64], low: f64, high: f64) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let level = |value: f64| {
        if value.is_nan() {
            return ' ';
        }
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        LEVELS[((share * 7.0).round() as usize).min(7)]
    };
    values.iter().map(|value| level(*value)).collect()
}

pub(crate) fn clipped(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// Shortened in its middle: the ends tell paths and accounts apart.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= limit {
        return text.to_owned();
    }
    let tail = limit.saturating_sub(1) / 2;
    let head = limit.saturating_sub(1) - tail;
    letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
}

pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_sparks() {
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(1e-9, 4), "▏");
        assert_eq!(bar(f64::NAN, 4), "");
        assert_eq!(spark(&[0.0, f64::NAN, 7.0], 0.0, 7.0), "▁ █");
        assert_eq!(shortened("0123456789", 6), "012…89");
        assert_eq!(spark(&[3.0], 3.0, 3.0), "▅");
    }
}
