//! Text to tokens. Comments vanish here, and every literal form becomes a typed [`Literal`].

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_till, take_until, take_while, take_while1},
    character::complete::{anychar, char, one_of},
    combinator::{opt, recognize, verify},
    sequence::{pair, preceded},
};

use crate::{
    ast::{KqlType, Literal},
    diagnostics::{Diagnostic, Span, codes},
    ticks,
};

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// Identifier or keyword, with the `!` of `!has` and the `~` of `in~`
    Name(String),
    /// Any literal
    Literal(Literal),
    /// `${name}`
    HostScalar(String),
    /// Operator or bracket
    Punct(&'static str),
    /// A character that KQL has no use for
    Stray(char),
}

type Lexed<'a, T> = IResult<&'a str, T>;

/// Splits the whole text into tokens; problems are reported and skipped.
pub(crate) fn tokenize(source: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut tokens = Vec::new();
    let mut diagnostics = Vec::new();
    let mut rest = skip_blank(source);
    while !rest.is_empty() {
        let start = source.len() - rest.len();
        let (kind, after) = next_token(rest, start, &mut diagnostics);
        let end = source.len() - after.len();
        tokens.push(Token { kind, span: start..end });
        rest = skip_blank(after);
    }
    (tokens, diagnostics)
}

fn next_token<'a>(rest: &'a str, start: usize, diagnostics: &mut Vec<Diagnostic>) -> (TokenKind, &'a str) {
    if let Some((text, after)) = string_literal(rest, start, diagnostics) {
        return (TokenKind::Literal(Literal::String(text)), after);
    }
    if let Some((literal, after)) = typed_literal(rest, start, diagnostics) {
        return (TokenKind::Literal(literal), after);
    }
    if let Some((kind, after)) = number(rest, start, diagnostics) {
        return (kind, after);
    }
    if let Ok((after, kind)) = alt((host_scalar, name, punctuation)).parse(rest) {
        return (kind, after);
    }
    let stray = rest.chars().next().unwrap_or(' ');
    (TokenKind::Stray(stray), &rest[stray.len_utf8()..])
}

/// Skips white space and `// comments`.
fn skip_blank(mut rest: &str) -> &str {
    loop {
        let trimmed = rest.trim_start_matches(is_blank);
        match line_comment(trimmed) {
            Ok((after, _)) => rest = after,
            Err(_) => return trimmed,
        }
    }
}

/// White space, and the invisible characters that copying from web pages leaves.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}')
}

fn line_comment(input: &str) -> Lexed<'_, &str> {
    preceded(tag("//"), take_till(|c| c == '\n')).parse(input)
}

// ---- strings -------------------------------------------------------------------------------

/// `'..'`, `".."`, `@'..'`, `@".."`, fenced text, each perhaps with the `h` of obfuscated strings.
fn string_literal<'a>(rest: &'a str, start: usize, diagnostics: &mut Vec<Diagnostic>) -> Option<(String, &'a str)> {
    let opened = rest.strip_prefix(['h', 'H']).filter(|behind| starts_string(behind)).unwrap_or(rest);
    if let Ok((after, text)) = alt((fenced("```"), fenced("~~~"))).parse(opened) {
        return Some((text.to_string(), after));
    }
    if let Some(verbatim) = opened.strip_prefix('@')
        && let Some(quote) = quote_of(verbatim)
    {
        return Some(verbatim_text(&verbatim[1..], quote).unwrap_or_else(|| unterminated(rest, start, diagnostics)));
    }
    let quote = quote_of(opened)?;
    let body_start = start + (rest.len() - opened.len()) + 1;
    Some(
        escaped_text(&opened[1..], quote, body_start, diagnostics)
            .unwrap_or_else(|| unterminated(rest, start, diagnostics)),
    )
}

fn starts_string(rest: &str) -> bool {
    let rest = rest.strip_prefix('@').unwrap_or(rest);
    quote_of(rest).is_some() || rest.starts_with("```")
}

fn quote_of(rest: &str) -> Option<char> {
    rest.chars().next().filter(|c| matches!(c, '"' | '\''))
}

fn fenced<'a>(fence: &'static str) -> impl Parser<&'a str, Output = &'a str, Error = nom::error::Error<&'a str>> {
    nom::sequence::delimited(tag(fence), take_until(fence), tag(fence))
}

/// Doubled quotes stand for one; nothing else is special.
fn verbatim_text(body: &str, quote: char) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = body;
    loop {
        let (after, run) = take_till::<_, _, nom::error::Error<&str>>(|c| c == quote || c == '\n').parse(rest).ok()?;
        text.push_str(run);
        let after = after.strip_prefix(quote)?;
        match after.strip_prefix(quote) {
            Some(doubled) => {
                text.push(quote);
                rest = doubled;
            }
            None => return Some((text, after)),
        }
    }
}

fn escaped_text<'a>(
    body: &'a str,
    quote: char,
    start: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(String, &'a str)> {
    let mut text = String::new();
    let mut rest = body;
    loop {
        let (after, run) =
            take_till::<_, _, nom::error::Error<&str>>(|c| c == quote || c == '\\' || c == '\n').parse(rest).ok()?;
        text.push_str(run);
        if let Some(after) = after.strip_prefix(quote) {
            return Some((text, after));
        }
        let escape = after.strip_prefix('\\')?;
        match escape_sequence(escape) {
            Ok((after, character)) => {
                text.push(character);
                rest = after;
            }
            Err(_) => {
                let at = start + (body.len() - after.len());
                let letter = escape.chars().next().filter(|c| *c != '\n')?;
                let problem = format!("`\\{letter}` is not an escape sequence");
                diagnostics.push(
                    Diagnostic::new(codes::LEXICAL, at..at + 1 + letter.len_utf8(), problem)
                        .with_hint("write `\\\\` for a backslash, or a verbatim string @\"...\""),
                );
                text.push('\\');
                rest = escape;
            }
        }
    }
}

fn escape_sequence(input: &str) -> Lexed<'_, char> {
    let (rest, letter) = anychar(input)?;
    match letter {
        'n' => Ok((rest, '\n')),
        't' => Ok((rest, '\t')),
        'r' => Ok((rest, '\r')),
        'a' => Ok((rest, '\u{7}')),
        'b' => Ok((rest, '\u{8}')),
        'f' => Ok((rest, '\u{c}')),
        'v' => Ok((rest, '\u{b}')),
        '0'..='7' => code_point(input, 8, 1..=3),
        'x' => code_point(rest, 16, 2..=2),
        'u' => code_point(rest, 16, 4..=4),
        'U' => code_point(rest, 16, 8..=8),
        '\\' | '"' | '\'' => Ok((rest, letter)),
        _ => Err(not_this(input)),
    }
}

fn code_point(input: &str, radix: u32, length: std::ops::RangeInclusive<usize>) -> Lexed<'_, char> {
    let (rest, digits) =
        nom::bytes::complete::take_while_m_n(*length.start(), *length.end(), |c: char| c.is_digit(radix))
            .parse(input)?;
    match u32::from_str_radix(digits, radix).ok().and_then(char::from_u32) {
        Some(character) => Ok((rest, character)),
        None => Err(not_this(input)),
    }
}

fn not_this(input: &str) -> nom::Err<nom::error::Error<&str>> {
    nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Char))
}

/// Reports the literal and treats the rest of its line as its text, so that later lines still parse.
fn unterminated<'a>(rest: &'a str, start: usize, diagnostics: &mut Vec<Diagnostic>) -> (String, &'a str) {
    let line = rest.find('\n').unwrap_or(rest.len());
    let quote = rest.chars().find(|c| matches!(c, '"' | '\'')).unwrap_or('"');
    diagnostics.push(
        Diagnostic::new(codes::LEXICAL, start..start + line, "this string does not end on its line")
            .with_hint(format!("close it with `{quote}`; text over several lines stands between ``` and ```")),
    );
    (rest[..line].to_string(), &rest[line..])
}

// ---- typed literals: datetime(...), long(...), guid(...) -------------------------------------

fn typed_literal<'a>(rest: &'a str, start: usize, diagnostics: &mut Vec<Diagnostic>) -> Option<(Literal, &'a str)> {
    let (after, word) = identifier(rest).ok()?;
    // `string(...)` and `dynamic(...)` hold more than one word: the parser reads those.
    let kql_type = KqlType::from_name(word).filter(|t| !matches!(t, KqlType::String | KqlType::Dynamic))?;
    let body = after.trim_start().strip_prefix('(')?;
    let end = closing(body)?;
    let text = body[..end].trim();
    let after = &body[end + 1..];
    let parsed = typed_value(kql_type, text);
    if parsed.is_none() && identifier(text).is_ok_and(|(rest, _)| rest.is_empty()) {
        // `datetime(start)` reads like a call: the binder says that a type is no function.
        return None;
    }
    let literal = parsed.unwrap_or_else(|| {
        let span = start..start + (rest.len() - after.len());
        diagnostics.push(Diagnostic::new(codes::LEXICAL, span, format!("`{text}` is not a {kql_type}")));
        null_of(kql_type)
    });
    Some((literal, after))
}

/// Where the bracket of a typed literal closes. No literal has more than 200 characters besides blanks.
fn closing(body: &str) -> Option<usize> {
    let mut shown = 0;
    for (at, character) in body.char_indices() {
        match character {
            ')' => return Some(at),
            blank if is_blank(blank) => {}
            _ if shown == 200 => return None,
            _ => shown += 1,
        }
    }
    None
}

/// The null of a type; strings have none and give `""`.
pub(crate) fn null_of(kql_type: KqlType) -> Literal {
    match kql_type {
        KqlType::Bool => Literal::Bool(None),
        KqlType::Int => Literal::Int(None),
        KqlType::Long => Literal::Long(None),
        KqlType::Real => Literal::Real(None),
        KqlType::Decimal => Literal::Decimal(None),
        KqlType::String => Literal::String(String::new()),
        KqlType::Datetime => Literal::Datetime(None),
        KqlType::Timespan => Literal::Timespan(None),
        KqlType::Guid => Literal::Guid(None),
        KqlType::Dynamic => Literal::Dynamic(serde_json::Value::Null),
    }
}

/// The text between the brackets of `type(text)`.
pub(crate) fn typed_value(kql_type: KqlType, text: &str) -> Option<Literal> {
    let text = unquoted(text);
    if text == "null" {
        return Some(null_of(kql_type));
    }
    Some(match kql_type {
        KqlType::Bool => Literal::Bool(Some(match text.to_lowercase().as_str() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        })),
        KqlType::Int => Literal::Int(Some(i32::try_from(integer(text)?).ok()?)),
        KqlType::Long => Literal::Long(Some(integer(text)?)),
        KqlType::Real => Literal::Real(Some(real(text)?)),
        KqlType::Decimal => Literal::Decimal(Some(real(text).map(|_| text.to_string())?)),
        KqlType::Datetime => Literal::Datetime(
            datetime_parts(text).or_else(|| ticks::parse_datetime(text)).map(Some).or_else(|| year_only(text))?,
        ),
        KqlType::Timespan => Literal::Timespan(Some(timespan(text)?)),
        KqlType::Guid => Literal::Guid(Some(guid(text)?)),
        KqlType::String | KqlType::Dynamic => return None,
    })
}

fn unquoted(text: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text)
}

fn integer(text: &str) -> Option<i64> {
    let (sign, size) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest.trim_start()),
        None => (1, text),
    };
    match size.strip_prefix("0x").or_else(|| size.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok().map(|value| sign * value),
        None => format!("{}{size}", if sign < 0 { "-" } else { "" }).parse().ok(),
    }
}

fn real(text: &str) -> Option<f64> {
    match text.to_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "+inf" | "inf" | "infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        number if number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
            number.parse().ok()
        }
        _ => None,
    }
}

/// `2025, 6, 14, 10, 30`
fn datetime_parts(text: &str) -> Option<i64> {
    let parts: Option<Vec<i64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let parts = parts.filter(|parts| (2..=6).contains(&parts.len()))?;
    let part = |at: usize, default: i64| parts.get(at).copied().unwrap_or(default);
    let time = part(3, 0) * ticks::HOUR + part(4, 0) * ticks::MINUTE + part(5, 0) * ticks::SECOND;
    ticks::from_civil(part(0, 1), part(1, 1), part(2, 1), time)
}

/// The real engine reads `datetime(2025)` as null rather than as a year.
fn year_only(text: &str) -> Option<Option<i64>> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then_some(None)
}

fn timespan(text: &str) -> Option<i64> {
    let (negative, size) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let split = size.find(|c: char| c.is_ascii_alphabetic());
    let value = match split {
        Some(at) => ticks::unit_amount(&size[..at], &size[at..])?,
        None => ticks::parse_timespan(size).or_else(|| ticks::unit_amount(size, "d"))?,
    };
    Some(if negative { -value } else { value })
}

fn guid(text: &str) -> Option<String> {
    let lowered = text.trim_matches(['{', '}']).to_lowercase();
    let plain: String = lowered.chars().filter(|c| *c != '-').collect();
    let valid = plain.len() == 32 && plain.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then(|| format!("{}-{}-{}-{}-{}", &plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]))
}

// ---- numbers, names, punctuation -------------------------------------------------------------

fn number<'a>(rest: &'a str, start: usize, diagnostics: &mut Vec<Diagnostic>) -> Option<(TokenKind, &'a str)> {
    if let Ok((after, digits)) = preceded(
        alt((tag("0x"), tag("0X"))),
        take_while1::<_, _, nom::error::Error<&str>>(|c: char| c.is_ascii_hexdigit()),
    )
    .parse(rest)
    {
        let value = u64::from_str_radix(digits, 16).ok().map(|bits| bits as i64);
        return Some((checked(value.map(|v| Literal::Long(Some(v))), rest, after, start, diagnostics), after));
    }
    let (after, (text, is_real)) = decimal_number(rest).ok()?;
    let (behind, suffix) =
        take_while::<_, _, nom::error::Error<&str>>(|c: char| c.is_alphanumeric() || c == '_').parse(after).ok()?;
    if suffix.is_empty() {
        let literal = if is_real {
            text.parse().ok().map(|v| Literal::Real(Some(v)))
        } else {
            text.parse().ok().map(|v| Literal::Long(Some(v)))
        };
        return Some((checked(literal, rest, after, start, diagnostics), after));
    }
    if ticks::unit_ticks(suffix).is_some() {
        let literal = ticks::unit_amount(text, suffix).map(|t| Literal::Timespan(Some(t)));
        return Some((checked(literal, rest, behind, start, diagnostics), behind));
    }
    // Identifiers may begin with digits, as in `4625Events`.
    Some((TokenKind::Name(rest[..rest.len() - behind.len()].to_string()), behind))
}

fn decimal_number(input: &str) -> Lexed<'_, (&str, bool)> {
    let digits = || take_while1(|c: char| c.is_ascii_digit());
    let fraction = pair(char('.'), digits());
    let exponent = (one_of("eE"), opt(one_of("+-")), digits());
    let (rest, (text, (_, fraction, exponent))) =
        nom::combinator::consumed((digits(), opt(fraction), opt(exponent))).parse(input)?;
    Ok((rest, (text, fraction.is_some() || exponent.is_some())))
}

fn checked(
    literal: Option<Literal>,
    rest: &str,
    after: &str,
    start: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> TokenKind {
    TokenKind::Literal(literal.unwrap_or_else(|| {
        let text = &rest[..rest.len() - after.len()];
        let shown: String = text.chars().take(40).collect();
        diagnostics.push(Diagnostic::new(
            codes::LEXICAL,
            start..start + text.len(),
            format!("the number `{shown}` is out of range"),
        ));
        Literal::Long(None)
    }))
}

fn identifier(input: &str) -> Lexed<'_, &str> {
    recognize(pair(
        verify(anychar, |c| c.is_alphabetic() || *c == '_'),
        take_while(|c: char| c.is_alphanumeric() || c == '_'),
    ))
    .parse(input)
}

/// `name`, `$left`, `!has`, `in~`, `!in~`
fn name(input: &str) -> Lexed<'_, TokenKind> {
    let (rest, word) = recognize(pair(opt(one_of("!$")), identifier)).parse(input)?;
    let tilde = if matches!(word, "in" | "!in") { rest.strip_prefix('~') } else { None };
    match tilde {
        Some(rest) => Ok((rest, TokenKind::Name(format!("{word}~")))),
        None => Ok((rest, TokenKind::Name(word.to_string()))),
    }
}

fn host_scalar(input: &str) -> Lexed<'_, TokenKind> {
    let (rest, word) =
        nom::sequence::delimited(tag("${"), nom::sequence::delimited(blanks, identifier, blanks), char('}'))
            .parse(input)?;
    Ok((rest, TokenKind::HostScalar(word.to_string())))
}

fn blanks(input: &str) -> Lexed<'_, &str> {
    take_while(|c: char| c == ' ').parse(input)
}

/// Longest first.
const PUNCTUATION: [&str; 29] = [
    "==", "=~", "!=", "!~", "<>", "<=", ">=", "..", "=>", "=", "<", ">", "+", "-", "*", "/", "%", ".", ",", ":", ";",
    "|", "(", ")", "[", "]", "{", "}", "?",
];

fn punctuation(input: &str) -> Lexed<'_, TokenKind> {
    match PUNCTUATION.iter().find(|symbol| input.starts_with(**symbol)) {
        Some(symbol) => Ok((&input[symbol.len()..], TokenKind::Punct(symbol))),
        None => Err(not_this(input)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind> {
        let (tokens, diagnostics) = tokenize(source);
        assert_eq!(diagnostics, vec![], "{source}");
        tokens.into_iter().map(|token| token.kind).collect()
    }

    fn literal(source: &str) -> Literal {
        match kinds(source).as_slice() {
            [TokenKind::Literal(literal)] => literal.clone(),
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn urls_in_strings_are_not_comments() {
        assert_eq!(literal("\"http://x\" // a comment \"unclosed"), Literal::String("http://x".into()));
    }

    #[test]
    fn strings_have_many_forms() {
        for (source, wanted) in [
            (r#""a\tb\\""#, "a\tb\\"),
            (r#"@"C:\dir""q""#, r#"C:\dir"q"#),
            ("@'it''s'", "it's"),
            ("h'secret'", "secret"),
            ("h@\"\\d\"", "\\d"),
            ("```two\nlines```", "two\nlines"),
            (r#"'é'"#, "é"),
        ] {
            assert_eq!(literal(source), Literal::String(wanted.into()), "{source}");
        }
    }

    #[test]
    fn literals_are_typed() {
        assert_eq!(literal("1d"), Literal::Timespan(Some(ticks::DAY)));
        assert_eq!(literal("1tick"), Literal::Timespan(Some(1)));
        assert_eq!(literal("time(1.02:00:00)"), Literal::Timespan(Some(26 * ticks::HOUR)));
        assert_eq!(literal("0x1F"), Literal::Long(Some(31)));
        assert_eq!(literal("1e3"), Literal::Real(Some(1000.0)));
        assert_eq!(literal("int(-5)"), Literal::Int(Some(-5)));
        assert_eq!(literal("long(null)"), Literal::Long(None));
        assert_eq!(literal("datetime(1970-01-01)"), Literal::Datetime(Some(ticks::UNIX_EPOCH)));
        assert_eq!(literal("datetime(2025)"), Literal::Datetime(None));
        assert_eq!(
            literal("guid(ABCDEF00-0000-0000-0000-000000000001)"),
            Literal::Guid(Some("abcdef00-0000-0000-0000-000000000001".into()))
        );
        assert_eq!(kinds("2..10").len(), 3);
    }

    #[test]
    fn an_unterminated_string_is_reported_and_the_next_line_survives() {
        let (tokens, diagnostics) = tokenize("T | where a == \"x\n| take 5");
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(tokens.last().unwrap().kind, TokenKind::Literal(Literal::Long(Some(5))));
    }
}
