//! Cell expressions onto polars expressions.

use huntbook_wire::{Aggregate, BinaryOperator, DataType, Expr, Function, Literal};
use polars::prelude::{self as pl, TimeUnit};

use crate::{Error, Result};

pub(crate) fn lower_all(exprs: &[Expr]) -> Result<Vec<pl::Expr>> {
    exprs.iter().map(lower).collect()
}

pub(crate) fn lower(expr: &Expr) -> Result<pl::Expr> {
    Ok(match expr {
        Expr::Column(name) => pl::col(name.as_str()),
        Expr::All => pl::all().as_expr(),
        Expr::Len => pl::len(),
        Expr::Literal(value) => literal(value),
        Expr::Alias { input, name } => lower(input)?.alias(name.as_str()),
        Expr::Cast { input, to } => lower(input)?.strict_cast(polars_type(*to)?),
        Expr::Binary { operator, left, right } => binary(*operator, lower(left)?, lower(right)?),
        Expr::Aggregate { aggregate, input } => aggregated(aggregate, lower(input)?),
        Expr::Call { function, arguments } => call(function, lower_all(arguments)?)?,
    })
}

fn literal(value: &Literal) -> pl::Expr {
    match value {
        Literal::Null => pl::lit(pl::NULL),
        Literal::Bool(value) => pl::lit(*value),
        Literal::Int(value) => pl::lit(*value),
        Literal::Float(value) => pl::lit(*value),
        Literal::String(value) => pl::lit(value.clone()),
    }
}

fn polars_type(data_type: DataType) -> Result<pl::DataType> {
    Ok(match data_type {
        DataType::Bool => pl::DataType::Boolean,
        DataType::Int32 => pl::DataType::Int32,
        DataType::Int64 => pl::DataType::Int64,
        DataType::Float64 => pl::DataType::Float64,
        DataType::String => pl::DataType::String,
        DataType::Datetime => pl::DataType::Datetime(TimeUnit::Nanoseconds, None),
        DataType::Duration => pl::DataType::Duration(TimeUnit::Nanoseconds),
        DataType::Other => return Err(Error::new("ColumnError", "cannot cast to a type without a name")),
    })
}

fn binary(operator: BinaryOperator, left: pl::Expr, right: pl::Expr) -> pl::Expr {
    match operator {
        BinaryOperator::Add => left + right,
        BinaryOperator::Subtract => left - right,
        BinaryOperator::Multiply => left * right,
        BinaryOperator::Divide => left / right,
        BinaryOperator::Modulo => left % right,
        BinaryOperator::Equal => left.eq(right),
        BinaryOperator::NotEqual => left.neq(right),
        BinaryOperator::Less => left.lt(right),
        BinaryOperator::LessOrEqual => left.lt_eq(right),
        BinaryOperator::Greater => left.gt(right),
        BinaryOperator::GreaterOrEqual => left.gt_eq(right),
        BinaryOperator::And => left.and(right),
        BinaryOperator::Or => left.or(right),
    }
}

fn aggregated(aggregate: &Aggregate, input: pl::Expr) -> pl::Expr {
    match aggregate {
        Aggregate::Sum => input.sum(),
        Aggregate::Min => input.min(),
        Aggregate::Max => input.max(),
        Aggregate::Mean => input.mean(),
        Aggregate::Median => input.median(),
        Aggregate::Std(ddof) => input.std(*ddof),
        Aggregate::Count => input.count(),
        Aggregate::NUnique => input.n_unique(),
        Aggregate::First => input.first(),
        Aggregate::Last => input.last(),
        Aggregate::Quantile(q) => input.quantile(pl::lit(*q), pl::QuantileMethod::Linear),
    }
}

fn call(function: &Function, arguments: Vec<pl::Expr>) -> Result<pl::Expr> {
    let wanted = match function {
        Function::FillNull | Function::StrContains | Function::StrStartsWith | Function::StrEndsWith => 2,
        Function::When => 3,
        _ => 1,
    };
    if arguments.len() != wanted {
        let message = format!("{function:?} takes {wanted} argument(s), {} were given", arguments.len());
        return Err(Error::new("ColumnError", message));
    }
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().unwrap_or_else(|| pl::lit(pl::NULL));
    let first = next();
    Ok(match function {
        Function::Not => first.not(),
        Function::Negate => -first,
        Function::Abs => first.abs(),
        Function::Round(decimals) => first.round(*decimals, pl::RoundMode::HalfToEven),
        Function::Sqrt => first.sqrt(),
        Function::Exp => first.exp(),
        Function::Ln => first.log(pl::lit(std::f64::consts::E)),
        Function::IsNull => first.is_null(),
        Function::IsNotNull => first.is_not_null(),
        Function::IsNan => first.is_nan(),
        Function::IsFinite => first.is_finite(),
        Function::IsInfinite => first.is_infinite(),
        Function::FillNull => first.fill_null(next()),
        Function::IsIn(values) => is_in(first, values),
        Function::StrContains => first.str().contains_literal(next()),
        Function::StrStartsWith => first.str().starts_with(next()),
        Function::StrEndsWith => first.str().ends_with(next()),
        Function::StrToLowercase => first.str().to_lowercase(),
        Function::StrToUppercase => first.str().to_uppercase(),
        Function::StrLen => first.str().len_chars(),
        Function::When => pl::when(first).then(next()).otherwise(next()),
    })
}

/// A chain of comparisons: lists in cells are short, and it keeps each value's own type.
fn is_in(input: pl::Expr, values: &[Literal]) -> pl::Expr {
    let equal = |value: &Literal| match value {
        Literal::Null => input.clone().is_null(),
        other => input.clone().eq(literal(other)),
    };
    values.iter().map(equal).reduce(|left, right| left.or(right)).unwrap_or_else(|| pl::lit(false))
}
