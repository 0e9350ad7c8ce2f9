//! `join` and `lookup`.

use polars::prelude::*;

use crate::rows::named;

use super::{Binder, Bound, ColumnInfo, Table, lets::Scope, names::Names};
use crate::{
    ast::{BinaryOp, Expr as Ast, ExprKind, Join, KqlType, Literal, Name, Operator, OperatorParameter},
    diagnostics::{Diagnostic, codes, nearest},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    InnerUnique,
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    RightSemi,
    LeftAnti,
    RightAnti,
}

const KINDS: &[(&str, Kind)] = &[
    ("innerunique", Kind::InnerUnique),
    ("inner", Kind::Inner),
    ("leftouter", Kind::LeftOuter),
    ("rightouter", Kind::RightOuter),
    ("fullouter", Kind::FullOuter),
    ("leftsemi", Kind::LeftSemi),
    ("rightsemi", Kind::RightSemi),
    ("leftanti", Kind::LeftAnti),
    ("leftantisemi", Kind::LeftAnti),
    ("anti", Kind::LeftAnti),
    ("rightanti", Kind::RightAnti),
    ("rightantisemi", Kind::RightAnti),
];

/// One pair of key columns.
struct Keys {
    left: String,
    right: String,
}

impl Binder<'_> {
    pub(super) fn join(&self, left: Table, join: &Join, operator: &Operator, scope: &Scope) -> Bound<Table> {
        let kind = kind_of(&join.parameters, Kind::InnerUnique)?;
        let right = self.table(&join.right, &scope.without_rows())?.canonical();
        let left = left.canonical();
        let keys = self.keys_of(join, &left, &right, operator)?;
        Ok(joined(left, right, &keys, kind, false, self.streams.get()))
    }

    pub(super) fn lookup(&self, left: Table, join: &Join, operator: &Operator, scope: &Scope) -> Bound<Table> {
        let kind = kind_of(&join.parameters, Kind::LeftOuter)?;
        if !matches!(kind, Kind::LeftOuter | Kind::Inner) {
            return Err(Diagnostic::new(
                codes::VALUE,
                operator.span.clone(),
                "`lookup` has the kinds leftouter and inner",
            ));
        }
        let right = self.table(&join.right, &scope.without_rows())?.canonical();
        let left = left.canonical();
        let keys = self.keys_of(join, &left, &right, operator)?;
        Ok(joined(left, right, &keys, kind, true, self.streams.get()))
    }

    fn keys_of(&self, join: &Join, left: &Table, right: &Table, operator: &Operator) -> Bound<Vec<Keys>> {
        if join.on.is_empty() {
            return Err(Diagnostic::new(codes::SYNTAX, operator.span.clone(), "`join` needs `on` and its keys")
                .with_hint("for example `on DeviceId`, or `on $left.Id == $right.DeviceId`"));
        }
        let mut keys = Vec::new();
        for condition in &join.on {
            self.condition_keys(condition, left, right, &mut keys)?;
        }
        Ok(keys)
    }

    fn condition_keys(&self, condition: &Ast, left: &Table, right: &Table, keys: &mut Vec<Keys>) -> Bound<()> {
        match &condition.kind {
            ExprKind::And(conditions) => {
                conditions.iter().try_for_each(|condition| self.condition_keys(condition, left, right, keys))
            }
            ExprKind::Name(name) => {
                let name = Name { text: name.clone(), span: condition.span.clone() };
                self.pair(&name, &name, left, right, condition, keys)
            }
            ExprKind::Binary { op: BinaryOp::Equal, left: l, right: r } => match (side(l), side(r)) {
                (Some(("$left", l)), Some(("$right", r))) => self.pair(l, r, left, right, condition, keys),
                (Some(("$right", r)), Some(("$left", l))) => self.pair(l, r, left, right, condition, keys),
                _ => Err(bad_condition(condition)),
            },
            _ => Err(bad_condition(condition)),
        }
    }

    fn pair(
        &self,
        left_name: &Name,
        right_name: &Name,
        left: &Table,
        right: &Table,
        condition: &Ast,
        keys: &mut Vec<Keys>,
    ) -> Bound<()> {
        let find = |table: &Table, name: &Name, which: &str| {
            let known = table.column(&name.text).or_else(|| table.columns.iter().find(|column| column.is_open()));
            known.cloned().ok_or_else(|| {
                let names = table.columns.iter().map(|column| column.name.as_str());
                Diagnostic::new(
                    codes::UNKNOWN_COLUMN,
                    name.span.clone(),
                    format!("the {which} side of the join has no column `{}`", name.text),
                )
                .with_hint("keys with two names are written `$left.a == $right.b`")
                .with_nearest(&name.text, names)
            })
        };
        let (left, right) = (find(left, left_name, "left")?, find(right, right_name, "right")?);
        if left.unknown || right.unknown {
            keys.push(Keys { left: left_name.text.clone(), right: right_name.text.clone() });
            return Ok(());
        }
        let (left_type, right_type) = (left.kql_type, right.kql_type);
        if left_type != right_type {
            let message = format!(
                "join keys must have one type: `{}` is a {left_type} on the left and a {right_type} on the right",
                left_name.text
            );
            return Err(Diagnostic::new(codes::TYPE, condition.span.clone(), message).with_hint(format!(
                "convert one side first, for example extend {} = to{right_type}({})",
                left_name.text, left_name.text
            )));
        }
        if left_type == KqlType::Dynamic {
            return Err(Diagnostic::new(codes::TYPE, condition.span.clone(), "a dynamic cannot be a join key")
                .with_hint("join on tostring() of it"));
        }
        keys.push(Keys { left: left_name.text.clone(), right: right_name.text.clone() });
        Ok(())
    }
}

/// `$left.column`
fn side(expression: &Ast) -> Option<(&str, &Name)> {
    match &expression.kind {
        ExprKind::Member { base, member } => match &base.kind {
            ExprKind::Name(side) => Some((side, member)),
            _ => None,
        },
        _ => None,
    }
}

fn bad_condition(condition: &Ast) -> Diagnostic {
    Diagnostic::new(
        codes::SYNTAX,
        condition.span.clone(),
        "a join condition is a column of both sides, or `$left.a == $right.b`",
    )
}

fn kind_of(parameters: &[OperatorParameter], default: Kind) -> Bound<Kind> {
    let Some(parameter) = parameters.iter().find(|parameter| parameter.name.text == "kind") else { return Ok(default) };
    let name = match &parameter.value.kind {
        ExprKind::Name(name) => name.as_str(),
        ExprKind::Literal(Literal::String(name)) => name.as_str(),
        _ => "",
    };
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind).ok_or_else(|| {
        let diagnostic =
            Diagnostic::new(codes::VALUE, parameter.value.span.clone(), format!("unknown join kind `{name}`"));
        match nearest(name, KINDS.iter().map(|(known, _)| *known)) {
            Some(close) => diagnostic.with_hint(format!("did you mean `{close}`?")),
            None => diagnostic.with_hint(
                "the kinds are innerunique, inner, leftouter, rightouter, fullouter, leftsemi, rightsemi, leftanti and rightanti",
            ),
        }
    })
}

/// Whether a join keeps one left row per key: the default kind.
pub(super) fn is_inner_unique(join: &Join) -> bool {
    kind_of(&join.parameters, Kind::InnerUnique).is_ok_and(|kind| kind == Kind::InnerUnique)
}

fn joined(left: Table, right: Table, keys: &[Keys], kind: Kind, drop_right_keys: bool, streams: bool) -> Table {
    let weight = left.weight + right.weight + 1;
    let (how, swapped) = match kind {
        Kind::InnerUnique | Kind::Inner => (JoinType::Inner, false),
        Kind::LeftOuter => (JoinType::Left, false),
        Kind::RightOuter => (JoinType::Left, true),
        Kind::FullOuter => (JoinType::Full, false),
        Kind::LeftSemi => (JoinType::Semi, false),
        Kind::RightSemi => (JoinType::Semi, true),
        Kind::LeftAnti => (JoinType::Anti, false),
        Kind::RightAnti => (JoinType::Anti, true),
    };
    let one_sided = matches!(how, JoinType::Semi | JoinType::Anti);
    let left_frame = match kind {
        Kind::InnerUnique => {
            let subset = by_name(keys.iter().map(|key| key.left.as_str()), true, false);
            match streams {
                true => left.frame.clone().unique(Some(subset), UniqueKeepStrategy::Any),
                false => left.frame.clone().unique_stable(Some(subset), UniqueKeepStrategy::First),
            }
        }
        _ => left.frame.clone(),
    };
    // Right columns get their final names before the join, so that the sides never clash.
    let mut names = Names::default();
    for column in &left.columns {
        names.claim(&column.name);
    }
    let is_key = |name: &str| keys.iter().any(|key| key.right == name);
    let renamed: Vec<(ColumnInfo, String)> =
        right.columns.iter().map(|column| (column.clone(), format!("__right_{}", column.name))).collect();
    let right_frame = right.frame.clone().select(
        renamed.iter().map(|(column, inner)| named(column.name.as_str()).alias(inner.as_str())).collect::<Vec<_>>(),
    );
    let left_keys: Vec<Expr> = keys.iter().map(|key| named(key.left.as_str())).collect();
    let right_keys: Vec<Expr> = keys.iter().map(|key| named(format!("__right_{}", key.right))).collect();
    let mut arguments = JoinArgs::new(how);
    arguments.nulls_equal = true;
    arguments.coalesce = if one_sided { JoinCoalesce::JoinSpecific } else { JoinCoalesce::KeepColumns };
    let keeps_order = !swapped && (left.serialized || !streams);
    arguments.maintain_order = if keeps_order { MaintainOrderJoin::Left } else { MaintainOrderJoin::None };
    let frame = if swapped {
        right_frame.join(left_frame, right_keys, left_keys, arguments)
    } else {
        left_frame.join(right_frame, left_keys, right_keys, arguments)
    };

    let left_padded = matches!(kind, Kind::RightOuter | Kind::FullOuter);
    let right_padded = matches!(kind, Kind::LeftOuter | Kind::FullOuter);
    let mut expressions = Vec::new();
    let mut columns = Vec::new();
    if !(one_sided && swapped) {
        for column in &left.columns {
            expressions
                .push(padded(named(column.name.as_str()), column.kql_type, left_padded).alias(column.name.as_str()));
            columns.push(ColumnInfo::new(&column.name, column.kql_type));
        }
    } else {
        names = Names::default();
    }
    if !one_sided || swapped {
        for (column, inner) in renamed.iter().filter(|(column, _)| !(drop_right_keys && is_key(&column.name))) {
            let name = names.unique(&column.name);
            expressions.push(padded(named(inner.as_str()), column.kql_type, right_padded).alias(name.as_str()));
            columns.push(ColumnInfo::new(name, column.kql_type));
        }
    }
    let any_order = streams && !keeps_order || left.any_order;
    Table { weight, any_order, ..Table::new(frame.select(expressions), columns) }
}

/// A row without a partner has `""` in its string columns, null elsewhere.
fn padded(column: Expr, kql_type: KqlType, is_padded: bool) -> Expr {
    if is_padded && kql_type == KqlType::String { column.fill_null(lit("")) } else { column }
}
