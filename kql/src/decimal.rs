//! Exact decimal numbers: up to 38 digits, as the type `decimal` of KQL has them.

use std::{cmp::Ordering, fmt};

/// Most digits behind the point that are kept.
const MAX_SCALE: u32 = 28;

/// `mantissa / 10^scale`, without zeros at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    pub(crate) fn whole(value: impl Into<i128>) -> Self {
        Self { mantissa: value.into(), scale: 0 }
    }

    fn new(mut mantissa: i128, mut scale: u32) -> Self {
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// Reads `-12.5` and `1e-3`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| e.unsigned_abs() < 1000)?),
            None => (text, 0),
        };
        let (negative, digits) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let sound = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !sound(whole) || !sound(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let mut mantissa: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let scale = fraction.len() as i32 - exponent;
        let mantissa = if negative { -mantissa } else { mantissa };
        if scale < 0 {
            let factor = 10i128.checked_pow(scale.unsigned_abs())?;
            return Some(Self::new(mantissa.checked_mul(factor)?, 0));
        }
        Some(Self { mantissa, scale: scale as u32 }.limited())
    }

    /// The shortest decimal that reads back as the same real.
    pub(crate) fn from_real(value: f64) -> Option<Self> {
        value.is_finite().then(|| format!("{value}")).and_then(|text| Self::parse(&text))
    }

    pub(crate) fn to_real(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Towards zero.
    pub(crate) fn to_long(self) -> Option<i64> {
        let whole = 10i128.checked_pow(self.scale).map_or(0, |unit| self.mantissa / unit);
        i64::try_from(whole).ok()
    }

    pub(crate) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Rounds away what does not fit the digits that are kept.
    fn limited(self) -> Self {
        if self.scale <= MAX_SCALE { Self::new(self.mantissa, self.scale) } else { self.rounded(MAX_SCALE) }
    }

    /// Half away from zero.
    pub(crate) fn rounded(self, digits: u32) -> Self {
        if digits >= self.scale {
            return self;
        }
        let Some(unit) = 10i128.checked_pow(self.scale - digits) else { return Self::whole(0) };
        let (quotient, rest) = (self.mantissa / unit, self.mantissa % unit);
        let up = if rest.unsigned_abs() * 2 >= unit.unsigned_abs() { self.mantissa.signum() } else { 0 };
        Self::new(quotient + up, digits)
    }

    /// The largest whole number that is not above.
    pub(crate) fn floor(self) -> Self {
        match 10i128.checked_pow(self.scale) {
            Some(unit) => Self::whole(self.mantissa.div_euclid(unit)),
            None => Self::whole(if self.mantissa < 0 { -1 } else { 0 }),
        }
    }

    pub(crate) fn negated(self) -> Self {
        Self { mantissa: self.mantissa.saturating_neg(), ..self }
    }

    pub(crate) fn abs(self) -> Self {
        if self.mantissa < 0 { self.negated() } else { self }
    }

    /// Both mantissas at the larger scale.
    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let widen = |value: Self| value.mantissa.checked_mul(10i128.checked_pow(scale - value.scale)?);
        Some((widen(self)?, widen(other)?, scale))
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Self::new(left.checked_add(right)?, scale))
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        match self.mantissa.checked_mul(other.mantissa) {
            Some(mantissa) => Some(Self { mantissa, scale: self.scale + other.scale }.limited()),
            // Too long: shorten the longer fraction and try again.
            None if self.scale > 0 || other.scale > 0 => {
                if self.scale >= other.scale {
                    self.rounded(self.scale - 1).times(other)
                } else {
                    self.times(other.rounded(other.scale - 1))
                }
            }
            None => None,
        }
    }

    /// As many digits as fit, at most [`MAX_SCALE`] behind the point.
    pub(crate) fn divided_by(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let (left, right, _) = self.aligned(other)?;
        let (mut quotient, mut rest) = (left / right, left % right);
        let mut scale = 0;
        while rest != 0 && scale < MAX_SCALE {
            let (Some(longer), Some(next)) = (quotient.checked_mul(10), rest.checked_mul(10)) else { break };
            quotient = longer.checked_add(next / right)?;
            rest = next % right;
            scale += 1;
        }
        Some(Self::new(quotient, scale))
    }

    /// Never negative, like the remainder of longs.
    pub(crate) fn modulo(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let (left, right, scale) = self.aligned(other)?;
        Some(Self::new(left.checked_rem_euclid(right)?, scale))
    }

    /// Mantissa for a fixed number of digits behind the point, if it is exact and fits.
    pub(crate) fn mantissa_at(self, scale: u32) -> Option<i128> {
        let factor = 10i128.checked_pow(scale.checked_sub(self.scale)?)?;
        self.mantissa.checked_mul(factor)
    }

    /// Text that sorts like the numbers do.
    pub(crate) fn sort_key(self) -> String {
        let unit = 10u128.checked_pow(self.scale).unwrap_or(u128::MAX);
        let (whole, rest) = (self.mantissa.unsigned_abs() / unit, self.mantissa.unsigned_abs() % unit);
        let fraction = format!("{rest:0width$}", width = self.scale as usize);
        let key = format!("{whole:040}{fraction:0<38}");
        if self.mantissa >= 0 {
            return format!("1{key}");
        }
        // The larger the size, the smaller the number.
        let mirrored = key.bytes().map(|digit| char::from(b'0' + b'9' - digit)).collect::<String>();
        format!("0{mirrored}")
    }

    pub(crate) fn scale(self) -> u32 {
        self.scale
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Some((left, right, _)) => left.cmp(&right),
            // One of them is too large to be brought to the other's scale.
            None => self.to_real().total_cmp(&other.to_real()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = format!("{:0width$}", self.mantissa.unsigned_abs(), width = self.scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn text_goes_there_and_back() {
        for (text, printed) in [("1.50", "1.5"), ("-0.001", "-0.001"), ("1e3", "1000"), ("12e-1", "1.2"), (".5", "0.5")]
        {
            assert_eq!(d(text).to_string(), printed);
        }
        for bad in ["", "x", "1.2.3", "1e99", "--1", "1e-2147483648"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_sort_like_numbers() {
        let numbers = ["-10.5", "-10.25", "-1", "0", "0.05", "0.5", "9", "10"];
        let keys: Vec<String> = numbers.iter().map(|text| d(text).sort_key()).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn tenths_are_exact() {
        assert_eq!(d("0.1").plus(d("0.2")), Some(d("0.3")));
        assert_eq!(d("1").divided_by(d("3")).unwrap().to_string(), "0.3333333333333333333333333333");
        assert_eq!(d("1").divided_by(d("0")), None);
        assert_eq!(d("-7").modulo(d("3")), Some(d("2")));
        assert_eq!(d("2.5").rounded(0), d("3"));
        assert_eq!(d("-2.5").floor(), d("-3"));
        assert!(d("-1.5") < d("-1.25") && d("10") > d("9.99"));
    }
}
