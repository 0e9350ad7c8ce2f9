//! Tokens to syntax tree, with nom combinators over the token slice.
//!
//! A mistake in one pipe operator is reported and the parser goes on behind the next `|`, so one
//! run shows all of them. Recursion is bounded by [`MAX_DEPTH`]; everything that can be long in
//! real queries (`and`/`or` chains, pipelines, lists) is read by loops.

mod advice;
pub(crate) mod expr;
mod literals;
mod operators;
mod sources;
mod tabular;
mod tokens;

use std::cell::{Cell, RefCell};

use nom::Parser;

use crate::{
    ast::{Expr, ExprKind, Name, OperatorKind, Pattern, PatternCase, Query, Statement},
    diagnostics::{Diagnostic, codes},
    lexer,
};

pub(crate) use operators::{known_operators, refused_operators};
use tokens::{Tokens, keyword, name, punct};

/// Nesting of brackets that the parser follows.
pub(crate) const MAX_DEPTH: u16 = 60;

/// Height of an expression's tree: left-leaning chains such as `a + b + ...` grow it without
/// any bracket, and the binder and polars walk it recursively.
const MAX_HEIGHT: usize = 250;

/// Operators in one pipeline: each is a level of the plan.
const MAX_OPERATORS: usize = 500;

/// A diagnostic per typing slip helps; a thousand do not.
const MAX_DIAGNOSTICS: usize = 20;

type Parsed<'t, T> = nom::IResult<Tokens<'t>, T, tokens::SyntaxError>;

/// What the parser collects besides the tree.
#[derive(Default)]
pub(crate) struct Context {
    diagnostics: RefCell<Vec<Diagnostic>>,
    height: Cell<usize>,
}

impl Context {
    fn report(&self, diagnostic: Diagnostic) {
        let mut all = self.diagnostics.borrow_mut();
        if all.len() < MAX_DIAGNOSTICS {
            all.push(diagnostic);
        }
    }
}

/// Parses a query. With `piped`, the text may begin with an operator, its `|` optional.
pub(crate) fn parse(source: &str, piped: bool) -> (Query, Vec<Diagnostic>) {
    let (tokens, lexical) = lexer::tokenize(source);
    let context = Context::default();
    let input = Tokens::new(&tokens, source.len(), &context);
    let statements = statements(input, piped);
    let mut diagnostics = lexical;
    diagnostics.truncate(MAX_DIAGNOSTICS);
    diagnostics.extend(context.diagnostics.into_inner());
    let diagnostics =
        diagnostics.into_iter().map(|problem| advice::advised(problem, &tokens, source).located(source)).collect();
    (Query { statements }, diagnostics)
}

fn statements(mut input: Tokens<'_>, piped: bool) -> Vec<Statement> {
    let mut statements = Vec::new();
    loop {
        while let Ok((rest, ())) = punct(";")(input) {
            input = rest;
        }
        if input.is_empty() {
            return statements;
        }
        match statement(input, piped) {
            Ok((rest, statement)) => {
                statements.push(statement);
                input = rest;
                if !input.is_empty() && punct(";")(input).is_err() {
                    input.report(input.unexpected("`|` or `;`"));
                    input = input.skip_to(&[";"]);
                }
            }
            Err(error) => {
                input.report(tokens::syntax_error(error));
                let after = input.skip_to(&[";"]);
                input = if after.remaining() == input.remaining() { after.behind() } else { after };
            }
        }
    }
}

fn statement(input: Tokens<'_>, piped: bool) -> Parsed<'_, Statement> {
    if let Ok((rest, ())) = punct(".")(input)
        && let Some(word) = rest.word()
    {
        let keyword = Name { text: format!(".{word}"), span: input.here().start..rest.here().end };
        return Ok((rest.skip_to(&[";"]), Statement::Unsupported { keyword }));
    }
    if let Some(word) = input.word() {
        match word {
            "let" => return let_statement(input),
            "set" if input.behind().word().is_some() => return set_statement(input),
            "declare" if input.behind().word() == Some("query_parameters") => return query_parameters(input),
            "declare"
                if input.behind().word() == Some("pattern")
                    && input.behind().behind().behind().symbol() == Some("=") =>
            {
                return pattern(input);
            }
            "declare" | "restrict" | "alias" | "pattern" if input.behind().word().is_some() => {
                return unsupported_statement(input);
            }
            _ => {}
        }
    }
    let (rest, value) =
        if piped && starts_with_operator(input) { piped_pipeline(input)? } else { tabular_expression(input)? };
    Ok((rest, Statement::Expression(value)))
}

fn starts_with_operator(input: Tokens<'_>) -> bool {
    if punct("|")(input).is_ok() {
        return true;
    }
    let Ok((rest, name)) = operators::operator_name(input) else { return false };
    // `print`, `union` and `search` are sources too, and a table may be called `count`.
    known_operators().any(|known| known == name.text) && punct("|")(rest).is_err() && !rest.is_empty()
        || matches!(name.text.as_str(), "count" | "getschema" | "serialize")
}

fn piped_pipeline(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let source = Expr { kind: ExprKind::PipedInput, span: input.here() };
    let (rest, first) = match punct("|")(input) {
        Ok(_) => (input, None),
        Err(_) => operators::operator(input).map(|(rest, operator)| (rest, Some(operator)))?,
    };
    let (rest, mut operators) = pipe_operators(rest)?;
    operators.splice(0..0, first);
    let span = source.span.start..rest.previous_end();
    Ok((rest, Expr { kind: ExprKind::Pipeline { source: Box::new(source), operators }, span }))
}

/// `source | operator | operator`
fn tabular_expression(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, source) = source(input)?;
    let (rest, operators) = pipe_operators(rest)?;
    if operators.is_empty() {
        return Ok((rest, source));
    }
    let span = source.span.start..rest.previous_end();
    Ok((rest, Expr { kind: ExprKind::Pipeline { source: Box::new(source), operators }, span }))
}

fn pipe_operators(mut input: Tokens<'_>) -> Parsed<'_, Vec<crate::ast::Operator>> {
    let mut operators = Vec::new();
    while let Ok((rest, ())) = punct("|")(input) {
        if operators.len() >= MAX_OPERATORS {
            let message = format!("a pipeline has more than {MAX_OPERATORS} operators");
            return Err(nom::Err::Failure(Diagnostic::new(codes::TOO_DEEP, rest.here(), message).into()));
        }
        match operators::operator(rest) {
            Ok((rest, operator)) => {
                let is_refused = matches!(operator.kind, OperatorKind::Unsupported { .. });
                operators.push(operator);
                input = rest;
                if !is_refused && !input.ends_operator() {
                    input.report(input.unexpected("`|` or the end of the operator"));
                    input = input.skip_to(&["|", ";"]);
                }
            }
            Err(error) => {
                rest.report(tokens::syntax_error(error));
                input = rest.skip_to(&["|", ";"]);
            }
        }
    }
    Ok((input, operators))
}

fn source(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let next_is_operand = input.behind().starts_operand();
    match input.word() {
        Some("print") if next_is_operand => sources::print(input),
        Some("range") if input.behind().word().is_some() => sources::range(input),
        Some("union") if next_is_operand => sources::union_source(input),
        Some("datatable") => sources::datatable(input),
        Some("externaldata" | "external_data") if next_is_operand => tabular::external_data(input),
        Some("search") if next_is_operand => sources::search_source(input),
        Some("find") if next_is_operand => sources::find_source(input),
        Some(word @ ("macro-expand" | "evaluate")) if next_is_operand => sources::unsupported_source(input, word),
        _ => expr::expression(input),
    }
}

fn let_statement(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (rest, ()) = keyword("let")(input)?;
    let (rest, name) = tokens::required(name, rest)?;
    let (rest, ()) = tokens::required(punct("="), rest)?;
    let (rest, value) = if starts_lambda(rest) { lambda(rest)? } else { tabular_expression(rest)? };
    Ok((rest, Statement::Let { name, value }))
}

fn set_statement(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let rest = input.skip_to(&[";"]);
    Ok((rest, Statement::Set { span: input.here().start..rest.previous_end() }))
}

/// `declare query_parameters(name: type = default, ...)`
fn query_parameters(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let list = nom::multi::separated_list0(punct(","), sources::parameter);
    let (rest, parameters) = tokens::required(tokens::nested(punct("("), list, punct(")")), input.behind().behind())?;
    Ok((rest, Statement::QueryParameters(parameters)))
}

/// `declare pattern name = (parameters)[path: type] { (values).[path] = { body }; ... }`
fn pattern(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (rest, name) = tokens::required(name, input.behind().behind())?;
    let (rest, ()) = punct("=")(rest)?;
    let list = nom::multi::separated_list0(punct(","), sources::parameter);
    let (rest, parameters) = tokens::required(tokens::nested(punct("("), list, punct(")")), rest)?;
    let (rest, path) = nom::combinator::opt(tokens::nested(punct("["), sources::parameter, punct("]"))).parse(rest)?;
    let (rest, cases) = tokens::required(tokens::nested(punct("{"), pattern_cases, punct("}")), rest)?;
    Ok((rest, Statement::Pattern(Pattern { name, parameters, path, cases })))
}

fn pattern_cases(mut input: Tokens<'_>) -> Parsed<'_, Vec<PatternCase>> {
    let mut cases = Vec::new();
    loop {
        while let Ok((rest, ())) = punct(";")(input) {
            input = rest;
        }
        if input.symbol() != Some("(") {
            return Ok((input, cases));
        }
        let values = nom::multi::separated_list0(punct(","), expr::expression);
        let (rest, values) = tokens::nested(punct("("), values, punct(")"))(input)?;
        let path = (punct("."), tokens::nested(punct("["), tokens::string, punct("]")));
        let (rest, path) = nom::combinator::opt(path).parse(rest)?;
        let (rest, ()) = tokens::required(punct("="), rest)?;
        let (rest, body) = tokens::required(tokens::nested(punct("{"), lambda_body, punct("}")), rest)?;
        cases.push(PatternCase { values, path: path.map(|((), path)| path), body });
        input = rest;
    }
}

fn unsupported_statement(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (rest, keyword) = name(input)?;
    Ok((rest.skip_to(&[";"]), Statement::Unsupported { keyword: Name { ..keyword } }))
}

/// A lambda is `(` ... `)` `{`, perhaps behind `view`.
fn starts_lambda(input: Tokens<'_>) -> bool {
    let input = keyword("view")(input).map_or(input, |(rest, ())| rest);
    match punct("(")(input) {
        Ok((inside, ())) => punct("{")(inside.skip_to(&[")"]).behind()).is_ok(),
        Err(_) => false,
    }
}

fn lambda(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let start = input.here().start;
    let (rest, view) = nom::combinator::opt(keyword("view")).parse(input)?;
    let (rest, parameters) =
        tokens::nested(punct("("), nom::multi::separated_list0(punct(","), sources::parameter), punct(")"))(rest)?;
    let (rest, body) = tokens::nested(punct("{"), lambda_body, punct("}"))(rest)?;
    Ok((
        rest,
        Expr { kind: ExprKind::Lambda { view: view.is_some(), parameters, body }, span: start..rest.previous_end() },
    ))
}

fn lambda_body(mut input: Tokens<'_>) -> Parsed<'_, Vec<Statement>> {
    let mut body = Vec::new();
    loop {
        while let Ok((rest, ())) = punct(";")(input) {
            input = rest;
        }
        if punct("}")(input).is_ok() || input.is_empty() {
            return Ok((input, body));
        }
        let (rest, statement) = statement(input, false)?;
        body.push(statement);
        if punct(";")(rest).is_err() && punct("}")(rest).is_err() {
            return Err(nom::Err::Failure(rest.unexpected("`;` or `}`").into()));
        }
        input = rest;
    }
}

/// Measures the tree that `parser` builds on its own, then joins it to what stands beside it.
fn measured<'t, T>(parser: impl FnOnce(Tokens<'t>) -> Parsed<'t, T>, input: Tokens<'t>) -> Parsed<'t, T> {
    let height = &input.context().height;
    let beside = height.replace(0);
    let result = parser(input);
    height.set(height.get().max(beside));
    result
}

/// One more level on top of what was measured last.
fn grow(input: Tokens<'_>) -> Result<(), nom::Err<tokens::SyntaxError>> {
    let height = &input.context().height;
    height.set(height.get() + 1);
    if height.get() > MAX_HEIGHT { Err(nom::Err::Failure(too_long(input).into())) } else { Ok(()) }
}

fn too_long(input: Tokens<'_>) -> Diagnostic {
    Diagnostic::new(codes::TOO_DEEP, input.here(), format!("the expression is more than {MAX_HEIGHT} operators deep"))
        .with_hint("name parts of it with `let` or `extend`")
}

/// Reports nesting that goes too deep.
fn too_deep(input: Tokens<'_>) -> Diagnostic {
    Diagnostic::new(codes::TOO_DEEP, input.here(), format!("brackets are nested more than {MAX_DEPTH} deep"))
        .with_hint("name the inner parts with `let`")
}
