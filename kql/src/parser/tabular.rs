//! Operators with a grammar of their own: subqueries in brackets, clauses, plug-ins.

use nom::{
    Parser,
    branch::alt,
    combinator::{map, opt, value},
    multi::{many0, many1, separated_list0},
    sequence::{preceded, terminated},
};

use super::{
    Parsed,
    expr::{self, expression},
    operators::{
        comma_list, expand_item, name_pattern_list, named_expression, named_expressions, parameters, sort_key,
        word_or_literal,
    },
    sources::kql_type,
    tokens::{Tokens, keyword, name, nested, punct, required, string},
};
use crate::ast::*;

/// The operators between the brackets of `mv-apply`, `partition` and the like; the first has no `|`.
fn body(input: Tokens<'_>) -> Parsed<'_, Vec<Operator>> {
    nested(punct("("), operators_in_brackets, punct(")"))(input)
}

fn operators_in_brackets(input: Tokens<'_>) -> Parsed<'_, Vec<Operator>> {
    let (rest, _) = opt(punct("|")).parse(input)?;
    let (rest, first) = super::operators::operator(rest)?;
    let (rest, mut operators) = super::pipe_operators(rest)?;
    operators.insert(0, first);
    Ok((rest, operators))
}

/// `mv-apply x = array to typeof(long) limit 5 on ( ... )`
pub(super) fn mv_apply(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&["with_itemindex", "id"])(input)?;
    let (rest, items) = comma_list(expand_item)(rest)?;
    let (rest, limit) = opt(preceded(keyword("limit"), expression)).parse(rest)?;
    // `id some_guid` numbers the rows of a subquery for the engine's own use.
    let (rest, _) = opt((keyword("id"), expr::postfix)).parse(rest)?;
    let (rest, ()) = keyword("on")(rest)?;
    let (rest, body) = body(rest)?;
    Ok((rest, OperatorKind::MvApply(MvApply { parameters, items, limit, body })))
}

/// `make-series a = agg() default = 0, ... on axis from x to y step z by keys`
pub(super) fn make_series(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    fn item(input: Tokens<'_>) -> Parsed<'_, SeriesItem> {
        let (rest, value) = named_expression(input)?;
        let (rest, default) = opt(preceded((keyword("default"), punct("=")), expression)).parse(rest)?;
        Ok((rest, SeriesItem { value, default }))
    }
    let (rest, parameters) = parameters(&["kind"])(input)?;
    let (rest, items) = comma_list(item)(rest)?;
    let (rest, ()) = keyword("on")(rest)?;
    // An axis is no comparison: `in` behind it belongs to `in range(...)`.
    let (rest, axis) = super::operators::named_sum(rest)?;
    let (rest, (from, to, step)) = match keyword("in")(rest) {
        Ok((rest, ())) => series_range(rest)?,
        Err(_) => {
            let (rest, from) = opt(preceded(keyword("from"), expression)).parse(rest)?;
            let (rest, to) = opt(preceded(keyword("to"), expression)).parse(rest)?;
            let (rest, step) = preceded(keyword("step"), expression).parse(rest)?;
            (rest, (from, to, step))
        }
    };
    let (rest, by) = opt(preceded(keyword("by"), |input| required(named_expressions, input))).parse(rest)?;
    let by = by.unwrap_or_default();
    Ok((rest, OperatorKind::MakeSeries(MakeSeries { parameters, items, axis, from, to, step, by })))
}

/// The older `on axis in range(start, stop, step)`.
fn series_range(input: Tokens<'_>) -> Parsed<'_, (Option<Expr>, Option<Expr>, Expr)> {
    let (rest, ()) = keyword("range")(input)?;
    let bounds = (expression, punct(","), expression, punct(","), expression);
    let (rest, (from, (), to, (), step)) = nested(punct("("), bounds, punct(")"))(rest)?;
    Ok((rest, (Some(from), Some(to), step)))
}

/// `search kind=case_sensitive in (tables) predicate`
pub(super) fn search(input: Tokens<'_>) -> Parsed<'_, Search> {
    let (rest, parameters) = parameters(&["kind"])(input)?;
    let (rest, tables) = opt(tables).parse(rest)?;
    let (rest, predicate) = required(term_expression, rest)?;
    Ok((rest, Search { parameters, tables: tables.unwrap_or_default(), predicate: Box::new(predicate) }))
}

pub(super) fn search_operator(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(search, OperatorKind::Search).parse(input)
}

fn tables(input: Tokens<'_>) -> Parsed<'_, Vec<Expr>> {
    let (rest, ()) = keyword("in")(input)?;
    nested(punct("("), comma_list(expr::table_reference), punct(")"))(rest)
}

/// `find in (tables) where predicate project columns`
pub(super) fn find(input: Tokens<'_>) -> Parsed<'_, Find> {
    let (rest, parameters) = parameters(&["withsource", "datascope"])(input)?;
    let (rest, tables) = opt(tables).parse(rest)?;
    let (rest, _) = opt(keyword("where")).parse(rest)?;
    let (rest, predicate) = required(term_expression, rest)?;
    let (rest, columns) = opt(preceded(keyword("project"), comma_list(find_column))).parse(rest)?;
    let (rest, _) = opt(super::operators::operator_word("project-smart")).parse(rest)?;
    let (rest, _) = opt(preceded(super::operators::operator_word("project-away"), name_pattern_list)).parse(rest)?;
    let mut find = Find {
        parameters,
        tables: tables.unwrap_or_default(),
        predicate: Box::new(predicate),
        columns: Vec::new(),
        packed: false,
    };
    for column in columns.unwrap_or_default() {
        match column {
            Some(column) => find.columns.push(column),
            None => find.packed = true,
        }
    }
    Ok((rest, find))
}

/// `name`, `name: type`, or `pack_all()` and its older form `pack(*)`, which are `None`.
fn find_column(input: Tokens<'_>) -> Parsed<'_, Option<(Name, Option<KqlType>)>> {
    let packed_all = value((), (keyword("pack_all"), punct("("), punct(")")));
    let packed = alt((packed_all, value((), (keyword("pack"), punct("("), punct("*"), punct(")")))));
    let column = map((name, opt(preceded(punct(":"), kql_type))), Some);
    alt((value(None, packed), column)).parse(input)
}

/// A predicate in which a bare string is a term, and `column:"term"` looks in one column.
fn term_expression(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, expression) = expression(input)?;
    Ok((rest, as_terms(expression)))
}

/// Strings that stand where a condition is wanted are terms.
fn as_terms(expression: Expr) -> Expr {
    let span = expression.span.clone();
    let kind = match expression.kind {
        ExprKind::Literal(Literal::String(_)) => ExprKind::Term { column: None, value: Box::new(expression) },
        ExprKind::Star => ExprKind::Literal(Literal::Bool(Some(true))),
        ExprKind::And(parts) => ExprKind::And(parts.into_iter().map(as_terms).collect()),
        ExprKind::Or(parts) => ExprKind::Or(parts.into_iter().map(as_terms).collect()),
        ExprKind::Call { name, arguments } if name.text == "not" => {
            let arguments = arguments
                .into_iter()
                .map(|argument| Argument { value: as_terms(argument.value), ..argument })
                .collect();
            ExprKind::Call { name, arguments }
        }
        other => other,
    };
    Expr { kind, span }
}

/// `evaluate plugin(arguments) : (schema)`
pub(super) fn evaluate(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&[])(input)?;
    let (rest, call) = required(expr::call, rest)?;
    let ExprKind::Call { name, arguments } = call else { return input.expected("a plug-in call") };
    let (rest, schema) = opt(preceded(punct(":"), result_schema)).parse(rest)?;
    Ok((rest, OperatorKind::Evaluate { parameters, name, arguments, schema }))
}

/// `(*, name: type)`; the flag tells whether there is a `*`.
fn result_schema(input: Tokens<'_>) -> Parsed<'_, (bool, Vec<(Name, KqlType)>)> {
    let star = map((punct("*"), opt(punct(","))), |_| ());
    let columns = (opt(star), separated_list0(punct(","), super::sources::column_declaration));
    let (rest, (star, columns)) = nested(punct("("), columns, punct(")"))(input)?;
    Ok((rest, (star.is_some(), columns)))
}

/// `parse-kv text as (key: type, ...) with (pair_delimiter = ',', ...)`
pub(super) fn parse_kv(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, value) = expression(input)?;
    let (rest, ()) = keyword("as")(rest)?;
    let (rest, keys) =
        nested(punct("("), separated_list0(punct(","), super::sources::column_declaration), punct(")"))(rest)?;
    let property = map((name, punct("="), word_or_literal), |(name, (), value)| (name, value));
    let list = nested(punct("("), separated_list0(punct(","), property), punct(")"));
    let (rest, properties) = opt(preceded(keyword("with"), list)).parse(rest)?;
    Ok((rest, OperatorKind::ParseKv { value, keys, properties: properties.unwrap_or_default() }))
}

/// `top-nested 3 of a with others = "x" by agg() desc, ...`
pub(super) fn top_nested(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    fn level(input: Tokens<'_>) -> Parsed<'_, NestedLevel> {
        // Deeper levels repeat the operator's name.
        let (input, _) = opt(super::operators::operator_word("top-nested")).parse(input)?;
        let (rest, count) = match keyword("of")(input) {
            Ok(_) => (input, None),
            Err(_) => map(expression, Some).parse(input)?,
        };
        let (rest, ((), of)) = (keyword("of"), named_expression).parse(rest)?;
        let (rest, others) = opt(preceded((keyword("with"), keyword("others"), punct("=")), expression)).parse(rest)?;
        let (rest, ((), by)) = (keyword("by"), named_expression).parse(rest)?;
        let order = alt((value(false, keyword("asc")), value(true, keyword("desc"))));
        let (rest, descending) = opt(order).parse(rest)?;
        Ok((rest, NestedLevel { count, of, others, by, descending: descending.unwrap_or(true) }))
    }
    map(comma_list(level), OperatorKind::TopNested).parse(input)
}

/// `top-hitters 3 of a by weight`
pub(super) fn top_hitters(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, (count, (), of)) = (expression, keyword("of"), named_expression).parse(input)?;
    let (rest, by) = opt(preceded(keyword("by"), named_expression)).parse(rest)?;
    Ok((rest, OperatorKind::TopHitters { count, of, by }))
}

/// `partition by column ( operators )`
pub(super) fn partition(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&[])(input)?;
    let (rest, ((), by)) = (keyword("by"), name).parse(rest)?;
    if rest.symbol() == Some("{") {
        let (rest, query) = nested(punct("{"), super::tabular_expression, punct("}"))(rest)?;
        return Ok((rest, OperatorKind::PartitionQuery { by, query }));
    }
    let (rest, body) = body(rest)?;
    Ok((rest, OperatorKind::Partition { parameters, by, body }))
}

/// `reduce by text with threshold = 0.1, characters = "x"`
pub(super) fn reduce(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&["kind"])(input)?;
    let (rest, ((), value)) = (keyword("by"), expression).parse(rest)?;
    let property = map((name, punct("="), word_or_literal), |(name, (), value)| (name, value));
    let (rest, properties) = opt(preceded(keyword("with"), separated_list0(punct(","), property))).parse(rest)?;
    Ok((rest, OperatorKind::Reduce { parameters, value, properties: properties.unwrap_or_default() }))
}

/// `facet by a, b with ( ... )`
pub(super) fn facet(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, ((), columns)) = (keyword("by"), comma_list(name)).parse(input)?;
    let (rest, with) = opt(preceded(keyword("with"), body)).parse(rest)?;
    Ok((rest, OperatorKind::Facet { columns, with }))
}

/// `fork a = ( ... ) ( ... )`
pub(super) fn fork(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let branch = (opt(terminated(name, punct("="))), body);
    map(many1(branch), OperatorKind::Fork).parse(input)
}

pub(super) fn sample(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(expression, OperatorKind::Sample).parse(input)
}

/// `sample-distinct 5 of a`
pub(super) fn sample_distinct(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, (count, (), of)) = (expression, keyword("of"), named_expression).parse(input)?;
    Ok((rest, OperatorKind::SampleDistinct { count, of }))
}

/// `project-by-names expression, ...`
pub(super) fn project_by_names(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    map(comma_list(expression), OperatorKind::ProjectByNames).parse(input)
}

/// `assert-schema (name: type, ...)`
pub(super) fn assert_schema(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let list = separated_list0(punct(","), super::sources::column_declaration);
    map(nested(punct("("), list, punct(")")), OperatorKind::AssertSchema).parse(input)
}

pub(super) fn consume(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, _) = many0((name, punct("="), word_or_literal)).parse(input)?;
    Ok((rest, OperatorKind::Consume))
}

/// `scan order by ... partition by ... declare (...) with (step name: condition => a = b; ...)`
pub(super) fn scan(input: Tokens<'_>) -> Parsed<'_, OperatorKind> {
    let (rest, parameters) = parameters(&["with_match_id", "kind"])(input)?;
    let (rest, order) = opt(preceded((keyword("order"), keyword("by")), comma_list(sort_key))).parse(rest)?;
    let (rest, partition) = opt(preceded((keyword("partition"), keyword("by")), named_expressions)).parse(rest)?;
    let declared = nested(punct("("), separated_list0(punct(","), super::sources::parameter), punct(")"));
    let (rest, declared) = opt(preceded(keyword("declare"), declared)).parse(rest)?;
    let (rest, ()) = keyword("with")(rest)?;
    let (rest, steps) = nested(punct("("), steps, punct(")"))(rest)?;
    Ok((
        rest,
        OperatorKind::Scan(Scan {
            parameters,
            order: order.unwrap_or_default(),
            partition: partition.unwrap_or_default(),
            declared: declared.unwrap_or_default(),
            steps,
        }),
    ))
}

fn steps(input: Tokens<'_>) -> Parsed<'_, Vec<ScanStep>> {
    let (mut rest, first) = step(input)?;
    let mut steps = vec![first];
    loop {
        while let Ok((after, ())) = punct(";")(rest) {
            rest = after;
        }
        if rest.word() != Some("step") {
            return Ok((rest, steps));
        }
        let (after, next) = step(rest)?;
        steps.push(next);
        rest = after;
    }
}

fn step(input: Tokens<'_>) -> Parsed<'_, ScanStep> {
    let (rest, ()) = keyword("step")(input)?;
    let (rest, name_of_step) = name(rest)?;
    let (rest, optional) = opt(keyword("optional")).parse(rest)?;
    let (rest, output) = opt(preceded((keyword("output"), punct("=")), name)).parse(rest)?;
    let (rest, ((), condition)) = (punct(":"), expression).parse(rest)?;
    let assignment = map((name, punct("="), expression), |(name, (), value)| (name, value));
    let (rest, assignments) = opt(preceded(punct("=>"), separated_list0(punct(","), assignment))).parse(rest)?;
    Ok((
        rest,
        ScanStep {
            name: name_of_step,
            optional: optional.is_some(),
            output: output.map(|output| output.text),
            condition,
            assignments: assignments.unwrap_or_default(),
        },
    ))
}

/// `externaldata(name: type, ...) [uri, ...] with (property = value, ...)`
pub(super) fn external_data(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let start = input.here().start;
    let (rest, _) = parameters(&[])(input.behind())?;
    let (rest, columns) = required(super::sources::declared_columns, rest)?;
    // The address may stand behind `with` in older queries.
    let (rest, early) = opt(uris).parse(rest)?;
    let (rest, properties) = opt(preceded(keyword("with"), external_properties)).parse(rest)?;
    let (rest, late) = if early.is_none() { map(uris, Some).parse(rest)? } else { (rest, None) };
    let uris = early.or(late).unwrap_or_default();
    let kind = ExprKind::ExternalData { columns, uris, properties: properties.unwrap_or_default() };
    Ok((rest, Expr { kind, span: start..rest.previous_end() }))
}

fn uris(input: Tokens<'_>) -> Parsed<'_, Vec<Expr>> {
    let list = nom::sequence::terminated(separated_list0(punct(","), expression), opt(punct(",")));
    nested(punct("["), list, punct("]"))(input)
}

fn external_properties(input: Tokens<'_>) -> Parsed<'_, Vec<(String, String)>> {
    fn text(input: Tokens<'_>) -> Parsed<'_, String> {
        alt((string, map(word_or_literal, |value| super::operators::literal_text(&value)))).parse(input)
    }
    let property = map((name, punct("="), text), |(name, (), value)| (name.text, value));
    nested(punct("("), separated_list0(punct(","), property), punct(")"))(input)
}
