use serde::{Deserialize, Serialize};

/// A column expression. Names and semantics are polars'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// A column by name.
    Column(String),
    /// Every column.
    All,
    /// A constant.
    Literal(Literal),
    /// Number of rows of the group or frame.
    Len,
    Binary {
        operator: BinaryOperator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// A function of one or more expressions.
    Call {
        function: Function,
        arguments: Vec<Expr>,
    },
    Aggregate {
        aggregate: Aggregate,
        input: Box<Expr>,
    },
    Cast {
        input: Box<Expr>,
        to: DataType,
    },
    Alias {
        input: Box<Expr>,
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    /// IEEE 754 bits, because JSON has no infinity and no NaN.
    Float(#[serde(with = "float_bits")] f64),
    String(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Function {
    Not,
    Negate,
    Abs,
    /// Rounds to this many decimals.
    Round(u32),
    Sqrt,
    Exp,
    Ln,
    IsNull,
    IsNotNull,
    IsNan,
    IsFinite,
    IsInfinite,
    /// First argument where not null, else the second.
    FillNull,
    /// First argument is one of the literals.
    IsIn(Vec<Literal>),
    /// First argument contains the second as literal text.
    StrContains,
    StrStartsWith,
    StrEndsWith,
    StrToLowercase,
    StrToUppercase,
    /// Length in characters.
    StrLen,
    /// `when(first).then(second).otherwise(third)`.
    When,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Aggregate {
    Sum,
    Min,
    Max,
    Mean,
    Median,
    /// Standard deviation with this many delta degrees of freedom.
    Std(u8),
    /// Number of values that are not null.
    Count,
    NUnique,
    First,
    Last,
    /// Linear-interpolated quantile, 0 to 1.
    Quantile(#[serde(with = "float_bits")] f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataType {
    Bool,
    Int32,
    Int64,
    Float64,
    String,
    /// Nanoseconds since 1970-01-01 UTC.
    Datetime,
    /// Nanoseconds.
    Duration,
    /// Anything a cell cannot take as a column of its own; shown, not transferred.
    Other,
}

mod float_bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}
