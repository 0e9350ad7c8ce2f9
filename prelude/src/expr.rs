//! Column expressions, with polars' names.

use std::ops;

use huntbook_wire::{Aggregate, BinaryOperator, DataType, Expr as Wire, Function, Literal};

/// An expression over the columns of a frame: `col("score").gt(1.0)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr(pub(crate) Wire);

/// A column by name; `col("*")` is all of them.
pub fn col(name: &str) -> Expr {
    Expr(if name == "*" { Wire::All } else { Wire::Column(name.to_owned()) })
}

/// A constant.
pub fn lit(value: impl IntoLiteral) -> Expr {
    Expr(Wire::Literal(value.into_literal()))
}

/// Number of rows, of the frame or of each group.
pub fn len() -> Expr {
    Expr(Wire::Len)
}

/// `when(condition).then(a).otherwise(b)`.
pub fn when(condition: Expr) -> When {
    When(condition)
}

pub struct When(Expr);

impl When {
    pub fn then(self, value: impl Into<Expr>) -> Then {
        Then(self.0, value.into())
    }
}

pub struct Then(Expr, Expr);

impl Then {
    pub fn otherwise(self, value: impl Into<Expr>) -> Expr {
        call(Function::When, [self.0, self.1, value.into()])
    }
}

/// Ascending order, for [`crate::Frame::sort`].
pub fn asc() -> crate::SortOrder {
    crate::SortOrder::Ascending
}

/// Descending order, for [`crate::Frame::sort`].
pub fn desc() -> crate::SortOrder {
    crate::SortOrder::Descending
}

/// Rust values that can stand in an expression.
pub trait IntoLiteral {
    fn into_literal(self) -> Literal;
}

macro_rules! integers {
    ($($type:ty)*) => { $(impl IntoLiteral for $type {
        fn into_literal(self) -> Literal { Literal::Int(self as i64) }
    })* };
}
integers!(i8 i16 i32 i64 u8 u16 u32 isize);

macro_rules! large_integers {
    ($($type:ty)*) => { $(
        /// Values beyond `i64` become floats rather than wrap.
        impl IntoLiteral for $type {
            fn into_literal(self) -> Literal {
                i64::try_from(self).map_or(Literal::Float(self as f64), Literal::Int)
            }
        })* };
}
large_integers!(u64 usize);

impl IntoLiteral for f64 {
    fn into_literal(self) -> Literal {
        Literal::Float(self)
    }
}

impl IntoLiteral for f32 {
    fn into_literal(self) -> Literal {
        Literal::Float(f64::from(self))
    }
}

impl IntoLiteral for bool {
    fn into_literal(self) -> Literal {
        Literal::Bool(self)
    }
}

impl IntoLiteral for &str {
    fn into_literal(self) -> Literal {
        Literal::String(self.to_owned())
    }
}

impl IntoLiteral for String {
    fn into_literal(self) -> Literal {
        Literal::String(self)
    }
}

impl IntoLiteral for &String {
    fn into_literal(self) -> Literal {
        Literal::String(self.clone())
    }
}

impl<T: IntoLiteral> IntoLiteral for Option<T> {
    fn into_literal(self) -> Literal {
        self.map_or(Literal::Null, IntoLiteral::into_literal)
    }
}

impl<T: IntoLiteral> From<T> for Expr {
    fn from(value: T) -> Expr {
        lit(value)
    }
}

/// A column named by text or by `col("name")`.
pub trait IntoName {
    fn into_column(self) -> Expr;
}

impl IntoName for &str {
    fn into_column(self) -> Expr {
        col(self)
    }
}

impl IntoName for Expr {
    fn into_column(self) -> Expr {
        self
    }
}

fn call<const N: usize>(function: Function, arguments: [Expr; N]) -> Expr {
    Expr(Wire::Call { function, arguments: arguments.into_iter().map(|argument| argument.0).collect() })
}

fn binary(operator: BinaryOperator, left: Expr, right: Expr) -> Expr {
    Expr(Wire::Binary { operator, left: Box::new(left.0), right: Box::new(right.0) })
}

macro_rules! comparisons {
    ($($name:ident $operator:ident)*) => { $(
        pub fn $name(self, other: impl Into<Expr>) -> Expr {
            binary(BinaryOperator::$operator, self, other.into())
        }
    )* };
}

macro_rules! unary_functions {
    ($($name:ident $function:ident)*) => { $(
        pub fn $name(self) -> Expr {
            call(Function::$function, [self])
        }
    )* };
}

macro_rules! aggregates {
    ($($name:ident $aggregate:ident)*) => { $(
        pub fn $name(self) -> Expr {
            self.aggregate(Aggregate::$aggregate)
        }
    )* };
}

impl Expr {
    comparisons! { eq Equal neq NotEqual lt Less lt_eq LessOrEqual gt Greater gt_eq GreaterOrEqual and And or Or }
    unary_functions! {
        abs Abs sqrt Sqrt exp Exp ln Ln is_null IsNull is_not_null IsNotNull is_nan IsNan is_finite IsFinite
        is_infinite IsInfinite str_to_lowercase StrToLowercase str_to_uppercase StrToUppercase str_len StrLen
    }
    aggregates! { sum Sum min Min max Max mean Mean median Median count Count n_unique NUnique first First last Last }

    /// Sample standard deviation.
    pub fn std(self) -> Expr {
        self.aggregate(Aggregate::Std(1))
    }

    /// Linear-interpolated quantile; `q` from 0 to 1.
    pub fn quantile(self, q: f64) -> Expr {
        self.aggregate(Aggregate::Quantile(q))
    }

    pub fn alias(self, name: &str) -> Expr {
        Expr(Wire::Alias { input: Box::new(self.0), name: name.to_owned() })
    }

    pub fn round(self, decimals: u32) -> Expr {
        call(Function::Round(decimals), [self])
    }

    pub fn fill_null(self, value: impl Into<Expr>) -> Expr {
        call(Function::FillNull, [self, value.into()])
    }

    /// Inclusive at both ends.
    pub fn is_between(self, low: impl Into<Expr>, high: impl Into<Expr>) -> Expr {
        self.clone().gt_eq(low).and(self.lt_eq(high))
    }

    pub fn is_in<T: IntoLiteral>(self, values: impl IntoIterator<Item = T>) -> Expr {
        call(Function::IsIn(values.into_iter().map(IntoLiteral::into_literal).collect()), [self])
    }

    /// Contains `text` as it is: no regular expression.
    pub fn str_contains(self, text: impl Into<Expr>) -> Expr {
        call(Function::StrContains, [self, text.into()])
    }

    pub fn str_starts_with(self, text: impl Into<Expr>) -> Expr {
        call(Function::StrStartsWith, [self, text.into()])
    }

    pub fn str_ends_with(self, text: impl Into<Expr>) -> Expr {
        call(Function::StrEndsWith, [self, text.into()])
    }

    pub fn cast(self, to: DataType) -> Expr {
        Expr(Wire::Cast { input: Box::new(self.0), to })
    }

    fn aggregate(self, aggregate: Aggregate) -> Expr {
        Expr(Wire::Aggregate { aggregate, input: Box::new(self.0) })
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $operator:ident)*) => { $(
        impl<T: Into<Expr>> ops::$trait<T> for Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr {
                binary(BinaryOperator::$operator, self, other.into())
            }
        }
    )* };
}
operators! { Add add Add Sub sub Subtract Mul mul Multiply Div div Divide Rem rem Modulo BitAnd bitand And BitOr bitor Or }

impl ops::Not for Expr {
    type Output = Expr;
    fn not(self) -> Expr {
        call(Function::Not, [self])
    }
}

impl ops::Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        call(Function::Negate, [self])
    }
}
