//! Pipe operators, and the sources that look like them.

use nom::{
    Parser,
    branch::alt,
    combinator::{map, opt, value},
    multi::{many0, many1, separated_list0, separated_list1},
};

use super::{
    Parsed,
    expr::{self, expression},
    sources::kql_type,
    tabular,
    tokens::{Tokens, keyword, name, nested, punct, required, string},
};
use crate::{
    ast::*,
    diagnostics::{Diagnostic, codes, nearest},
    lexer::TokenKind,
};

type OperatorParser = for<'t> fn(Tokens<'t>) -> Parsed<'t, OperatorKind>;

/// Operators with a grammar here. Aliases share it.
const PARSED: &[(&str, OperatorParser)] = &[
    ("where", filter),
    ("filter", filter),
    ("project", project),
    ("extend", extend),
    ("project-away", project_away),
    ("project-keep", project_keep),
    ("project-rename", project_rename),
    ("project-reorder", project_reorder),
    ("summarize", summarize),
    ("sort", sort),
    ("order", sort),
    ("top", top),
    ("take", take),
    ("limit", take),
    ("count", count),
    ("distinct", distinct),
    ("join", join),
    ("lookup", lookup),
    ("union", union),
    ("render", render),
    ("getschema", get_schema),
    ("serialize", serialize),
    ("as", alias),
    ("invoke", invoke),
    ("mv-expand", mv_expand),
    ("mvexpand", mv_expand),
    ("parse", parse),
    ("parse-where", parse_where),
    ("parse-kv", tabular::parse_kv),
    ("mv-apply", tabular::mv_apply),
    ("mvapply", tabular::mv_apply),
    ("make-series", tabular::make_series),
    ("search", tabular::search_operator),
    ("evaluate", tabular::evaluate),
    ("top-nested", tabular::top_nested),
    ("top-hitters", tabular::top_hitters),
    ("partition", tabular::partition),
    ("reduce", tabular::reduce),
    ("facet", tabular::facet),
    ("fork", tabular::fork),
    ("sample", tabular::sample),
    ("sample-distinct", tabular::sample_distinct),
    ("scan", tabular::scan),
    ("project-by-names", tabular::project_by_names),
    ("assert-schema", tabular::assert_schema),
    ("consume", tabular::consume),
];

/// Operators of the language that are recognised and refused by name.
const REFUSED: &[&str] = &[
    "execute-and-cache",
    "find",
    "graph-mark-components",
    "graph-match",
    "graph-shortest-paths",
    "graph-to-table",
    "graph-where-edges",
    "graph-where-nodes",
    "macro-expand",
    "make-graph",
    "partition-by",
    "__partitionby",
];

/// Every operator name, executed or not.
pub(crate) fn known_operators() -> impl Iterator<Item = &'static str> {
    PARSED.iter().map(|(name, _)| *name).chain(REFUSED.iter().copied())
}

/// Operators that are recognised and refused.
pub(crate) fn refused_operators() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().copied()
}

/// One operator behind its `|`.
pub(super) fn operator(input: Tokens<'_>) -> Parsed<'_, Operator> {
    let (rest, name) = required(operator_name, input)?;
    let start = name.span.start;
    let (rest, kind) = match PARSED.iter().find(|(known, _)| *known == name.text) {
        Some((_, parser)) => required(*parser, rest)?,
        None if REFUSED.contains(&name.text.as_str()) => {
            (rest.skip_to(&["|", ";"]), OperatorKind::Unsupported { name })
        }
        None => return Err(nom::Err::Failure(unknown_operator(&name).into())),
    };
    Ok((rest, Operator { kind, span: start..rest.previous_end() }))
}

fn unknown_operator(name: &Name) -> Diagnostic {
    let diagnostic =
        Diagnostic::new(codes::UNKNOWN_OPERATOR, name.span.clone(), format!("unknown operator `{}`", name.text));
    let foreign = super::advice::FOREIGN_OPERATORS.iter().find(|(foreign, _)| *foreign == name.text.to_lowercase());
    if let Some((_, advice)) = foreign {
        return diagnostic.with_hint(*advice);
    }
    match nearest(&name.text, known_operators()) {
        Some(close) => diagnostic.with_hint(format!("did you mean `{close}`?")),
        None => diagnostic,
    }
}

/// `project-away` is three tokens that touch.
pub(super) fn operator_name(input: Tokens<'_>) -> Parsed<'_, Name> {
    let Some(word) = input.word() else { return input.expected("an operator") };
    let mut text = word.to_string();
    let start = input.here().start;
    let mut rest = input.behind();
    while rest.symbol() == Some("-") && rest.touches_previous() && rest.behind().touches_previous() {
        let Some(more) = rest.behind().word() else { break };
        let longer = format!("{text}-{more}");
        // `take-5` or `count-x` must not swallow an expression.
        if !known_operators().any(|known| known.starts_with(&longer)) && known_operators().any(|known| known == text) {
            break;
        }
        text = longer;
        rest = rest.behind().behind();
    }
    Ok((rest, Name { text, span: start..rest.previous_end() }))
}

/// A dashed word such as `project-away` in the middle of an operator.
pub(super) fn operator_word<'t>(wanted: &'static str) -> impl Fn(Tokens<'t>) -> Parsed<'t, ()> {
    move |input| match operator_name(input) {
        Ok((rest, name)) if name.text == wanted => Ok((rest, ())),
        _ => input.expected(&format!("`{wanted}`")),
    }
}

pub(super) fn comma_list<'t, T>(item: fn(Tokens<'t>) -> Parsed<'t, T>) -> impl FnMut(Tokens<'t>) -> Parsed<'t, Vec<T>> {
    move |input| {
        let (mut rest, first) = item(input)?;
        let mut items = vec![first];
        while let Ok((after, ())) = punct(",")(rest) {
            let (after, next) = required(item, after)?;
            items.push(next);
            rest = after;
        }
        Ok((rest, items))
    }
}

/// `name = value`, `(a, b) = value` or `value`
pub(super) fn named_expression(input: Tokens<'_>) -> Parsed<'_, NamedExpr> {
    named_by(expression, input)
}

/// As [`named_expression`], with arithmetic only.
pub(super) fn named_sum(input: Tokens<'_>) -> Parsed<'_, NamedExpr> {
    named_by(expr::sum, input)
}

fn named_by<'t>(value: fn(Tokens<'t>) -> Parsed<'t, Expr>, input: Tokens<'t>) -> Parsed<'t, NamedExpr> {
    let several = map(nested(punct("("), separated_list1(punct(","), name), punct(")")), |names| names);
    let single = map(name, |name| vec![name]);
    let mut named = opt(nom::sequence::terminated(alt((single, several)), punct("=")));
    let (rest, names) = match named.parse(input) {
        Ok(found) => found,
        // `(a + b) * c` begins like a list of names and is none.
        Err(_) => (input, None),
    };
    let (rest, value) = value(rest)?;
    Ok((rest, NamedExpr { names: names.unwrap_or_default(), value }))
}

pub(super) fn named_expressions(input: Tokens<'_>) -> Parsed<'_, Vec<NamedExpr>> {
    comma_list(named_expression)(input)
}

// ---- parameters -------------------------------------------------------------------------------

/// `kind=inner hint.strategy=shuffle`: names from `allowed`, or hints.
pub(super) fn parameters<'t>(
    allowed: &'static [&'static str],
) -> impl FnMut(Tokens<'t>) -> Parsed<'t, Vec<OperatorParameter>> {
    move |input| many0(move |input| parameter_of(allowed, input)).parse(input)
}

fn parameter_of<'t>(allowed: &[&str], input: Tokens<'t>) -> Parsed<'t, OperatorParameter> {
    let (rest, name) = dotted_name(input)?;
    if !allowed.contains(&name.text.as_str()) && !name.text.starts_with("hint.") {
        return input.expected("a parameter");
    }
    let (rest, ()) = punct("=")(rest)?;
    let (rest, value) = parameter_value(rest)?;
    Ok((rest, OperatorParameter { name, value }))
}

fn dotted_name(input: Tokens<'_>) -> Parsed<'_, Name> {
    let (rest, parts) = separated_list1(punct("."), name).parse(input)?;
    let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".");
    Ok((rest, Name { text, span: input.here().start..rest.previous_end() }))
}

/// A literal or a single word.
pub(super) fn word_or_literal(input: Tokens<'_>) -> Parsed<'_, Expr> {
    match input.symbol() {
        Some("-") => {
            let (rest, value) = parameter_value(input.behind())?;
            let span = input.here().start..value.span.end;
            Ok((rest, Expr { kind: ExprKind::Negate(Box::new(value)), span }))
        }
        _ => match input.word() {
            Some("true" | "false") | Some("dynamic") => expr::postfix(input),
            _ => parameter_value(input),
        },
    }
}

/// What a literal or word says, as text.
pub(super) fn literal_text(value: &Expr) -> String {
    match &value.kind {
        ExprKind::Name(text) | ExprKind::Literal(Literal::String(text)) => text.clone(),
        ExprKind::Literal(Literal::Bool(Some(flag))) => flag.to_string(),
        ExprKind::Literal(Literal::Long(Some(number))) => number.to_string(),
        ExprKind::Literal(Literal::Real(Some(number))) => number.to_string(),
        _ => String::new(),
    }
}

/// A literal or a single word: a whole expression would swallow what follows.
fn parameter_value(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let span = input.here();
    match input.first().map(|token| &token.kind) {
        Some(TokenKind::Literal(literal)) => {
            Ok((input.behind(), Expr { kind: ExprKind::Literal(literal.clone()), span }))
        }
        _ => map(name, move |name| Expr { kind: ExprKind::Name(name.text), span: span.clone() }).parse(input),
    }
}

// ---- operators --------------------------------------------------------------------------------

fn filter(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    let (rest, condition) = expression(rest)?;
    let Ok((after, ())) = punct("=")(rest) else { return Ok((rest, OperatorKind::Where(condition))) };
    // A slip that the binder explains better than the parser could.
    let (rest, value) = required(expression, after)?;
    let span = condition.span.start..value.span.end;
    let kind = ExprKind::Assignment { target: Box::new(condition), value: Box::new(value) };
    Ok((rest, OperatorKind::Where(Expr { kind, span })))
}

fn project(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    if input.ends_operator() {
        return Ok((input, OperatorKind::Project(Vec::new())));
    }
    map(named_expressions, OperatorKind::Project).parse(input)
}

fn extend(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(named_expressions, OperatorKind::Extend).parse(input)
}

fn serialize(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    if rest.ends_operator() {
        return Ok((rest, OperatorKind::Serialize(Vec::new())));
    }
    map(named_expressions, OperatorKind::Serialize).parse(rest)
}

fn project_away(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(comma_list(name_pattern), OperatorKind::ProjectAway).parse(input)
}

pub(super) fn name_pattern_list(input: Tokens<'_>) -> Parsed<'_, Vec<NamePattern>> {
    comma_list(name_pattern)(input)
}

fn project_keep(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(comma_list(name_pattern), OperatorKind::ProjectKeep).parse(input)
}

/// `Source*`, `*Id`, `a*b`: words and stars that touch.
fn name_pattern(input: Tokens<'_>) -> Parsed<'_, NamePattern> {
    let start = input.here().start;
    let mut text = String::new();
    let mut wildcard = false;
    let mut rest = input;
    loop {
        if rest.symbol() == Some("*") && (text.is_empty() || rest.touches_previous()) {
            wildcard = true;
            text.push('*');
            rest = rest.behind();
        } else if wildcard
            && rest.touches_previous()
            && let Some(TokenKind::Literal(Literal::Long(Some(digits)))) = rest.first().map(|token| &token.kind)
        {
            text.push_str(&digits.to_string());
            rest = rest.behind();
        } else if (text.is_empty() || (wildcard && rest.touches_previous()))
            && let Ok((after, part)) = name(rest)
        {
            text.push_str(&part.text);
            rest = after;
        } else {
            break;
        }
    }
    if text.is_empty() {
        return input.expected("a column name");
    }
    Ok((rest, NamePattern { text, wildcard, span: start..rest.previous_end() }))
}

fn project_rename(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    fn renaming(input: Tokens<'_>) -> Parsed<'_, (Name, Name)> {
        let (rest, (new, (), old)) = (name, punct("="), name).parse(input)?;
        Ok((rest, (new, old)))
    }
    map(comma_list(renaming), OperatorKind::ProjectRename).parse(input)
}

fn project_reorder(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    fn item(input: Tokens<'_>) -> Parsed<'_, (NamePattern, ReorderBy)> {
        (name_pattern, reorder_by).parse(input)
    }
    map(comma_list(item), OperatorKind::ProjectReorder).parse(input)
}

fn reorder_by(input: Tokens<'_>) -> Parsed<'_, ReorderBy> {
    let granny = |word| (keyword("granny"), punct("-"), keyword(word));
    let (rest, order) = opt(alt((
        value(ReorderBy::Ascending, keyword("asc")),
        value(ReorderBy::Descending, keyword("desc")),
        value(ReorderBy::GrannyAscending, granny("asc")),
        value(ReorderBy::GrannyDescending, granny("desc")),
    )))
    .parse(input)?;
    Ok((rest, order.unwrap_or(ReorderBy::Input)))
}

fn summarize(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    let (rest, aggregates) = if rest.word() == Some("by") && rest.behind().symbol() != Some("(") {
        (rest, Vec::new())
    } else {
        named_expressions(rest)?
    };
    let (rest, by) =
        opt(nom::sequence::preceded(keyword("by"), |input| required(named_expressions, input))).parse(rest)?;
    Ok((rest, OperatorKind::Summarize { aggregates, by: by.unwrap_or_default() }))
}

fn sort(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    let (rest, ()) = keyword("by")(rest)?;
    map(comma_list(sort_key), OperatorKind::Sort).parse(rest)
}

pub(super) fn sort_key(input: Tokens<'_>) -> Parsed<'_, SortKey> {
    let (rest, by) = expression(input)?;
    let (rest, order) = opt(alt((value(false, keyword("asc")), value(true, keyword("desc"))))).parse(rest)?;
    let placed =
        nom::sequence::preceded(keyword("nulls"), alt((value(true, keyword("first")), value(false, keyword("last")))));
    let (rest, nulls_first) = opt(placed).parse(rest)?;
    let descending = order.unwrap_or(true);
    Ok((rest, SortKey { value: by, descending, nulls_first: nulls_first.unwrap_or(!descending) }))
}

fn top(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    let (rest, (count, (), key)) = (expression, keyword("by"), sort_key).parse(rest)?;
    Ok((rest, OperatorKind::Top { count, key }))
}

fn take(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(expression, OperatorKind::Take).parse(input)
}

fn count(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, name) = opt(nom::sequence::preceded(keyword("as"), name)).parse(input)?;
    Ok((rest, OperatorKind::Count { name }))
}

fn distinct(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    if rest.symbol() == Some("*") && rest.behind().ends_operator() {
        return Ok((rest.behind(), OperatorKind::Distinct(Vec::new())));
    }
    map(named_expressions, OperatorKind::Distinct).parse(rest)
}

fn join(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(join_clause, OperatorKind::Join).parse(input)
}

fn lookup(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(join_clause, OperatorKind::Lookup).parse(input)
}

fn join_clause(input: Tokens<'_>) -> Parsed<'_, Join> {
    let (rest, parameters) = parameters(&["kind"])(input)?;
    let (rest, right) = expr::postfix(rest)?;
    let (rest, on) =
        opt(nom::sequence::preceded(keyword("on"), |input| required(comma_list(expression), input))).parse(rest)?;
    Ok((rest, Join { parameters, right, on: on.unwrap_or_default() }))
}

fn union(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(union_clause, OperatorKind::Union).parse(input)
}

pub(super) fn union_clause(input: Tokens<'_>) -> Parsed<'_, Union> {
    let (rest, parameters) = parameters(&["kind", "withsource", "with_source", "isfuzzy"])(input)?;
    let (rest, tables) = comma_list(expr::table_reference)(rest)?;
    Ok((rest, Union { parameters, tables }))
}

fn render(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, kind) = name(input)?;
    let (rest, _) = opt(keyword("with")).parse(rest)?;
    let (rest, properties) = match punct("(")(rest) {
        Ok(_) => nested(punct("("), separated_list0(punct(","), render_property), punct(")"))(rest)?,
        // The first KQL versions wrote `render timechart title="x"`.
        Err(_) => many0(render_property).parse(rest)?,
    };
    Ok((rest, OperatorKind::Render { kind, properties }))
}

fn render_property(input: Tokens<'_>) -> Parsed<'_, (String, String)> {
    let (rest, (name, ())) = (name, punct("=")).parse(input)?;
    let (mut rest, first) = render_value(rest)?;
    let mut values = vec![first];
    // `ycolumns=a, b, title="x"`: a comma continues the list unless a new property follows.
    while let Ok((after, ())) = punct(",")(rest)
        && after.behind().symbol() != Some("=")
    {
        let (after, next) = render_value(after)?;
        values.push(next);
        rest = after;
    }
    Ok((rest, (name.text, values.join(", "))))
}

fn render_value(input: Tokens<'_>) -> Parsed<'_, String> {
    let (input, minus) = opt(punct("-")).parse(input)?;
    let sign = if minus.is_some() { "-" } else { "" };
    let (rest, text) = match input.first().map(|token| &token.kind) {
        Some(TokenKind::Literal(Literal::Long(Some(value)))) => (input.behind(), value.to_string()),
        Some(TokenKind::Literal(Literal::Real(Some(value)))) => (input.behind(), value.to_string()),
        Some(TokenKind::Literal(Literal::String(_))) => string(input)?,
        _ => map(name, |name| name.text).parse(input)?,
    };
    Ok((rest, format!("{sign}{text}")))
}

fn get_schema(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    Ok((input, OperatorKind::GetSchema))
}

fn alias(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = parameters(&[])(input)?;
    map(name, OperatorKind::As).parse(rest)
}

fn invoke(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(expr::postfix, OperatorKind::Invoke).parse(input)
}

fn mv_expand(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&["kind", "bagexpansion", "with_itemindex"])(input)?;
    let (rest, items) = comma_list(expand_item)(rest)?;
    let (rest, limit) = opt(nom::sequence::preceded(keyword("limit"), expression)).parse(rest)?;
    Ok((rest, OperatorKind::MvExpand { parameters, items, limit }))
}

pub(super) fn expand_item(input: Tokens<'_>) -> Parsed<'_, ExpandItem> {
    let (rest, name) = opt(nom::sequence::terminated(name, punct("="))).parse(input)?;
    let (rest, value) = expression(rest)?;
    let (rest, to) = opt(nom::sequence::preceded(keyword("to"), type_of)).parse(rest)?;
    Ok((rest, ExpandItem { name, value, to }))
}

fn type_of(input: Tokens<'_>) -> Parsed<'_, KqlType> {
    nom::sequence::preceded(keyword("typeof"), nested(punct("("), kql_type, punct(")"))).parse(input)
}

fn parse(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    parse_clause(input, false)
}

fn parse_where(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    parse_clause(input, true)
}

fn parse_clause(input: Tokens<'_>, only_matches: bool) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&["kind", "flags"])(input)?;
    let (rest, (value, ())) = (expression, keyword("with")).parse(rest)?;
    let (rest, pattern) = many1(parse_part).parse(rest)?;
    Ok((rest, OperatorKind::Parse { parameters, value, pattern, only_matches }))
}

fn parse_part(input: Tokens<'_>) -> Parsed<'_, ParsePart> {
    fn column(input: Tokens<'_>) -> Parsed<'_, ParsePart> {
        let (rest, name) = name(input)?;
        let (rest, kql_type) = opt(nom::sequence::preceded(punct(":"), kql_type)).parse(rest)?;
        Ok((rest, ParsePart::Column { name, kql_type: kql_type.unwrap_or(KqlType::String) }))
    }
    alt((value(ParsePart::Star, punct("*")), map(string, ParsePart::Text), column)).parse(input)
}
