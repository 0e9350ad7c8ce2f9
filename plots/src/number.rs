//! Numbers as a reader wants them: short, with thousands separators, never `-0`.

/// At most three decimals, thousands separated; very large and very small numbers in scientific notation.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e9).contains(&size) {
        return scientific(value);
    }
    let fixed = format!("{value:.3}");
    let trimmed = fixed.trim_end_matches('0').trim_end_matches('.');
    separated(trimmed)
}

/// A number on an axis whose ticks are `step` apart: as many decimals as tell two ticks apart.
pub(crate) fn on_axis(value: f64, step: f64) -> String {
    let value = if value.abs() < step / 1e6 { 0.0 } else { value };
    if value != 0.0 && !(1e-4..1e9).contains(&value.abs().max(step)) {
        return scientific(value);
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    separated(&format!("{value:.decimals$}"))
}

pub(crate) fn count(value: usize) -> String {
    separated(&value.to_string())
}

fn scientific(value: f64) -> String {
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            format!("{digits}e{exponent}")
        }
        _ => text,
    }
}

/// Puts a comma between groups of three digits left of the decimal point.
fn separated(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let zero = digits.chars().all(|digit| matches!(digit, '0' | '.'));
    format!("{}{grouped}{fraction}", if zero { "" } else { sign })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (12.0, "12"),
            (1234.5, "1,234.5"),
            (-1_234_567.0, "-1,234,567"),
            (0.1 + 0.2, "0.3"),
            (2.5e12, "2.5e12"),
            (1e-9, "1e-9"),
            (-999.0, "-999"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn ticks_show_as_many_decimals_as_their_step() {
        assert_eq!(on_axis(0.5, 0.25), "0.5");
        assert_eq!(on_axis(0.25, 0.05), "0.25");
        assert_eq!(on_axis(-2.0, 1.0), "-2");
        assert_eq!(on_axis(1e-17, 0.5), "0.0");
        assert_eq!(on_axis(2000.0, 500.0), "2,000");
        assert_eq!(on_axis(2e12, 5e11), "2e12");
    }
}
