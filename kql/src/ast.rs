//! The syntax tree. Everything carries the span it was written at.

use crate::diagnostics::Span;

/// KQL's scalar types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KqlType {
    /// `bool`
    Bool,
    /// 32-bit `int`
    Int,
    /// 64-bit `long`
    Long,
    /// 64-bit floating point `real`
    Real,
    /// `decimal`
    Decimal,
    /// `string`; never null
    String,
    /// `datetime`, 100 ns ticks from 0001-01-01 to 9999-12-31
    Datetime,
    /// `timespan`, 100 ns ticks
    Timespan,
    /// `guid`
    Guid,
    /// `dynamic`: any JSON value
    Dynamic,
}

impl KqlType {
    /// The name hunters write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::Decimal => "decimal",
            Self::String => "string",
            Self::Datetime => "datetime",
            Self::Timespan => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }

    /// The .NET name that `getschema` shows.
    pub fn dotnet_name(self) -> &'static str {
        match self {
            Self::Bool => "System.SByte",
            Self::Int => "System.Int32",
            Self::Long => "System.Int64",
            Self::Real => "System.Double",
            Self::Decimal => "System.Data.SqlTypes.SqlDecimal",
            Self::String => "System.String",
            Self::Datetime => "System.DateTime",
            Self::Timespan => "System.TimeSpan",
            Self::Guid => "System.Guid",
            Self::Dynamic => "System.Object",
        }
    }

    /// Reads a type name, with the aliases the language accepts.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Self::Bool,
            "int" | "int32" => Self::Int,
            "long" | "int64" => Self::Long,
            "real" | "double" => Self::Real,
            "decimal" => Self::Decimal,
            "string" => Self::String,
            "datetime" | "date" => Self::Datetime,
            "timespan" | "time" => Self::Timespan,
            "guid" | "uuid" | "uniqueid" => Self::Guid,
            "dynamic" => Self::Dynamic,
            _ => return None,
        })
    }
}

impl std::fmt::Display for KqlType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A typed constant; `None` is the null of that type.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true`
    Bool(Option<bool>),
    /// `int(1)`
    Int(Option<i32>),
    /// `1`
    Long(Option<i64>),
    /// `1.5`
    Real(Option<f64>),
    /// `decimal(1.5)`, as text
    Decimal(Option<String>),
    /// `"x"`
    String(String),
    /// Ticks since 0001-01-01
    Datetime(Option<i64>),
    /// Ticks
    Timespan(Option<i64>),
    /// Lower-case text
    Guid(Option<String>),
    /// `dynamic(...)`
    Dynamic(serde_json::Value),
}

impl Literal {
    /// The type of the constant.
    pub fn kql_type(&self) -> KqlType {
        match self {
            Self::Bool(_) => KqlType::Bool,
            Self::Int(_) => KqlType::Int,
            Self::Long(_) => KqlType::Long,
            Self::Real(_) => KqlType::Real,
            Self::Decimal(_) => KqlType::Decimal,
            Self::String(_) => KqlType::String,
            Self::Datetime(_) => KqlType::Datetime,
            Self::Timespan(_) => KqlType::Timespan,
            Self::Guid(_) => KqlType::Guid,
            Self::Dynamic(_) => KqlType::Dynamic,
        }
    }
}

/// An identifier and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The identifier, without brackets or quotes.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A whole query: `let` statements and expressions between semicolons.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// In source order; the last expression is the result.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `let name = value`
    Let { name: Name, value: Expr },
    /// A scalar or tabular expression
    Expression(Expr),
    /// `set option = value`: accepted and without effect on a local engine
    Set { span: Span },
    /// `declare query_parameters(name: type = default, ...)`
    QueryParameters(Vec<Parameter>),
    /// `declare pattern name = (parameters)[path] { (values).[path] = { body }; ... }`
    Pattern(Pattern),
    /// A statement that is recognised but not executed (`restrict`, `alias`, `declare pattern`)
    Unsupported { keyword: Name },
}

/// A `declare pattern` statement: a table chosen by constants.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Its name.
    pub name: Name,
    /// Scalar parameters.
    pub parameters: Vec<Parameter>,
    /// The parameter behind the dot.
    pub path: Option<Parameter>,
    /// What to give for which values.
    pub cases: Vec<PatternCase>,
}

/// One case of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternCase {
    /// Values of the parameters.
    pub values: Vec<Expr>,
    /// Value of the path.
    pub path: Option<String>,
    /// What the case gives.
    pub body: Vec<Statement>,
}

/// An expression and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// Binary operators other than `and`/`or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
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
    /// A string operator such as `has` or `!startswith_cs`
    Text(TextOp),
    /// `matches regex`
    MatchesRegex {
        negated: bool,
    },
}

impl BinaryOp {
    /// As written.
    pub fn symbol(self) -> String {
        match self {
            Self::Add => "+".into(),
            Self::Subtract => "-".into(),
            Self::Multiply => "*".into(),
            Self::Divide => "/".into(),
            Self::Modulo => "%".into(),
            Self::Equal => "==".into(),
            Self::NotEqual => "!=".into(),
            Self::Less => "<".into(),
            Self::LessOrEqual => "<=".into(),
            Self::Greater => ">".into(),
            Self::GreaterOrEqual => ">=".into(),
            Self::Text(text) => text.symbol(),
            Self::MatchesRegex { negated: false } => "matches regex".into(),
            Self::MatchesRegex { negated: true } => "!matches regex".into(),
        }
    }
}

/// How a string operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TextMatch {
    /// `=~`
    Equals,
    Has,
    HasPrefix,
    HasSuffix,
    Contains,
    StartsWith,
    EndsWith,
}

/// A string operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOp {
    /// What is compared.
    pub how: TextMatch,
    /// `!has`
    pub negated: bool,
    /// `has_cs`
    pub case_sensitive: bool,
}

impl TextOp {
    /// As written.
    pub fn symbol(self) -> String {
        let word = match self.how {
            TextMatch::Equals => return if self.negated { "!~" } else { "=~" }.into(),
            TextMatch::Has => "has",
            TextMatch::HasPrefix => "hasprefix",
            TextMatch::HasSuffix => "hassuffix",
            TextMatch::Contains => "contains",
            TextMatch::StartsWith => "startswith",
            TextMatch::EndsWith => "endswith",
        };
        format!("{}{word}{}", if self.negated { "!" } else { "" }, if self.case_sensitive { "_cs" } else { "" })
    }
}

/// Operators whose right side is a parenthesised list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ListOp {
    In { negated: bool, case_sensitive: bool },
    HasAny,
    HasAll,
}

impl ListOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::In { negated: false, case_sensitive: true } => "in",
            Self::In { negated: false, case_sensitive: false } => "in~",
            Self::In { negated: true, case_sensitive: true } => "!in",
            Self::In { negated: true, case_sensitive: false } => "!in~",
            Self::HasAny => "has_any",
            Self::HasAll => "has_all",
        }
    }
}

/// Kinds of expression, scalar and tabular.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ExprKind {
    Literal(Literal),
    /// A column, `let` name or table
    Name(String),
    /// `Device*` in a `union`
    Wildcard(String),
    /// `*`
    Star,
    /// `${name}`: a typed value of the host
    HostScalar(String),
    /// `base.member`
    Member {
        base: Box<Expr>,
        member: Name,
    },
    /// `base[index]`
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    Call {
        name: Name,
        arguments: Vec<Argument>,
    },
    /// `base.function(...)`: only `cluster("c").database("d")` and the like
    Method {
        base: Box<Expr>,
        name: Name,
        arguments: Vec<Argument>,
    },
    /// `-x`
    Negate(Box<Expr>),
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Two or more operands; flat, because generated queries chain thousands
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Between {
        negated: bool,
        value: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
    },
    List {
        op: ListOp,
        value: Box<Expr>,
        items: Vec<Expr>,
    },
    /// `source | operator | ...`
    Pipeline {
        source: Box<Expr>,
        operators: Vec<Operator>,
    },
    /// The frame the host pipes in
    PipedInput,
    Datatable {
        columns: Vec<(Name, KqlType)>,
        values: Vec<Expr>,
    },
    Range {
        column: Name,
        from: Box<Expr>,
        to: Box<Expr>,
        step: Box<Expr>,
    },
    Print(Vec<NamedExpr>),
    Union(Union),
    Lambda {
        /// Declared with `view`: a wildcard of `union` finds it
        view: bool,
        parameters: Vec<Parameter>,
        body: Vec<Statement>,
    },
    /// `externaldata(name: type, ...) [uri, ...] with (property = value, ...)`
    ExternalData {
        columns: Vec<(Name, KqlType)>,
        uris: Vec<Expr>,
        properties: Vec<(String, String)>,
    },
    /// `search in (tables) predicate`
    Search(Search),
    /// `find in (tables) where predicate project columns`
    Find(Find),
    /// `has "x"` of `search`: a term in `column`, or in any
    Term {
        column: Option<Name>,
        value: Box<Expr>,
    },
    /// A column that the planner made; it never gives its name to a result
    Made(String),
    /// A source that is recognised but not executed (`macro-expand`)
    UnsupportedSource(String),
    /// `a = b` where a condition is wanted: a slip for `==`
    Assignment {
        target: Box<Expr>,
        value: Box<Expr>,
    },
    /// A place where the parser gave up; a diagnostic has been reported
    Error,
}

/// One argument of a call, perhaps `name = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Set for `name = value`.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// One parameter of a `let` function.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Scalar type, or `None` for a tabular parameter.
    pub scalar_type: Option<KqlType>,
    /// Columns of a tabular parameter; empty means `(*)`.
    pub columns: Vec<(Name, KqlType)>,
    /// Default value.
    pub default: Option<Expr>,
}

/// `name = expression`, `(a, b) = expression` or a bare expression.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedExpr {
    /// Empty when the name is derived.
    pub names: Vec<Name>,
    /// The value.
    pub value: Expr,
}

/// A column name, or a pattern with `*`.
#[derive(Debug, Clone, PartialEq)]
pub struct NamePattern {
    /// As written.
    pub text: String,
    /// Whether `*` in it is a wildcard.
    pub wildcard: bool,
    /// Where it stands.
    pub span: Span,
}

/// How `project-reorder` sorts the columns a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReorderBy {
    Input,
    Ascending,
    Descending,
    GrannyAscending,
    GrannyDescending,
}

/// One key of `sort` or `top`.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// What to sort by.
    pub value: Expr,
    /// `desc` is the default.
    pub descending: bool,
    /// `nulls first` / `nulls last`; by default nulls are the smallest.
    pub nulls_first: bool,
}

/// `kind=inner`, `hint.strategy=shuffle`, `isfuzzy=true`
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorParameter {
    /// Dotted name.
    pub name: Name,
    /// A literal or name.
    pub value: Expr,
}

/// A `union`, as source or behind a pipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Union {
    /// `kind`, `withsource`, `isfuzzy`, hints
    pub parameters: Vec<OperatorParameter>,
    /// Tables, subqueries or wildcards
    pub tables: Vec<Expr>,
}

/// A `join` or `lookup`.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// `kind` and hints
    pub parameters: Vec<OperatorParameter>,
    /// The right side
    pub right: Expr,
    /// The conditions after `on`
    pub on: Vec<Expr>,
}

/// One item of `mv-expand`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpandItem {
    /// New or replaced column
    pub name: Option<Name>,
    /// The dynamic to expand
    pub value: Expr,
    /// `to typeof(type)`
    pub to: Option<KqlType>,
}

/// A `search`, as source or behind a pipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// `kind`
    pub parameters: Vec<OperatorParameter>,
    /// Empty: every table, or the piped one
    pub tables: Vec<Expr>,
    /// Terms are [`ExprKind::Term`]
    pub predicate: Box<Expr>,
}

/// A `find`.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// `withsource`
    pub parameters: Vec<OperatorParameter>,
    /// Empty: every table
    pub tables: Vec<Expr>,
    /// Terms are [`ExprKind::Term`]
    pub predicate: Box<Expr>,
    /// Columns with the type that was asked for; empty: `project-smart`
    pub columns: Vec<(Name, Option<KqlType>)>,
    /// Whether `pack(*)` was asked for
    pub packed: bool,
}

/// One aggregate of `make-series`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesItem {
    /// The aggregate
    pub value: NamedExpr,
    /// What an empty bin holds
    pub default: Option<Expr>,
}

/// A `make-series`.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeSeries {
    /// `kind`
    pub parameters: Vec<OperatorParameter>,
    /// The series
    pub items: Vec<SeriesItem>,
    /// The axis
    pub axis: NamedExpr,
    /// First value of the axis
    pub from: Option<Expr>,
    /// End of the axis, not part of it
    pub to: Option<Expr>,
    /// Width of a bin
    pub step: Expr,
    /// Keys
    pub by: Vec<NamedExpr>,
}

/// A `mv-apply`.
#[derive(Debug, Clone, PartialEq)]
pub struct MvApply {
    /// `with_itemindex`
    pub parameters: Vec<OperatorParameter>,
    /// What is expanded
    pub items: Vec<ExpandItem>,
    /// Elements of an array that are used
    pub limit: Option<Expr>,
    /// What is done with the elements of each row
    pub body: Vec<Operator>,
}

/// One level of `top-nested`.
#[derive(Debug, Clone, PartialEq)]
pub struct NestedLevel {
    /// How many; `None` is all
    pub count: Option<Expr>,
    /// The column
    pub of: NamedExpr,
    /// `with others = value`
    pub others: Option<Expr>,
    /// The aggregate
    pub by: NamedExpr,
    /// `asc` / `desc`
    pub descending: bool,
}

/// One step of `scan`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanStep {
    /// Its name
    pub name: Name,
    /// `optional`: matching may skip it
    pub optional: bool,
    /// `output = all | last | none`
    pub output: Option<String>,
    /// When a row belongs to the step
    pub condition: Expr,
    /// Values that the row gets
    pub assignments: Vec<(Name, Expr)>,
}

/// A `scan`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// `with_match_id`
    pub parameters: Vec<OperatorParameter>,
    /// `order by`
    pub order: Vec<SortKey>,
    /// `partition by`
    pub partition: Vec<NamedExpr>,
    /// `declare (name: type = default)`
    pub declared: Vec<Parameter>,
    /// The steps, in order
    pub steps: Vec<ScanStep>,
}

/// One piece of a `parse` pattern.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ParsePart {
    Star,
    Text(String),
    Column { name: Name, kql_type: KqlType },
}

/// A pipe operator and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    /// What it does.
    pub kind: OperatorKind,
    /// From the operator's name to its end.
    pub span: Span,
}

/// The pipe operators.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum OperatorKind {
    Where(Expr),
    Project(Vec<NamedExpr>),
    Extend(Vec<NamedExpr>),
    ProjectAway(Vec<NamePattern>),
    ProjectKeep(Vec<NamePattern>),
    ProjectRename(Vec<(Name, Name)>),
    ProjectReorder(Vec<(NamePattern, ReorderBy)>),
    Summarize {
        aggregates: Vec<NamedExpr>,
        by: Vec<NamedExpr>,
    },
    Sort(Vec<SortKey>),
    Top {
        count: Expr,
        key: SortKey,
    },
    Take(Expr),
    Count {
        name: Option<Name>,
    },
    /// Empty means `*`
    Distinct(Vec<NamedExpr>),
    Join(Join),
    Lookup(Join),
    Union(Union),
    Render {
        kind: Name,
        properties: Vec<(String, String)>,
    },
    GetSchema,
    Serialize(Vec<NamedExpr>),
    As(Name),
    Invoke(Expr),
    MvExpand {
        parameters: Vec<OperatorParameter>,
        items: Vec<ExpandItem>,
        limit: Option<Expr>,
    },
    /// `parse` and `parse-where`
    Parse {
        parameters: Vec<OperatorParameter>,
        value: Expr,
        pattern: Vec<ParsePart>,
        only_matches: bool,
    },
    MvApply(MvApply),
    MakeSeries(MakeSeries),
    Search(Search),
    /// `evaluate plugin(...) : (schema)`; the flag says that the schema begins with `*`
    Evaluate {
        parameters: Vec<OperatorParameter>,
        name: Name,
        arguments: Vec<Argument>,
        schema: Option<(bool, Vec<(Name, KqlType)>)>,
    },
    ParseKv {
        value: Expr,
        keys: Vec<(Name, KqlType)>,
        properties: Vec<(Name, Expr)>,
    },
    TopNested(Vec<NestedLevel>),
    TopHitters {
        count: Expr,
        of: NamedExpr,
        by: Option<NamedExpr>,
    },
    Partition {
        parameters: Vec<OperatorParameter>,
        by: Name,
        body: Vec<Operator>,
    },
    /// `partition by column { query }`: the query has a source of its own
    PartitionQuery {
        by: Name,
        query: Expr,
    },
    Reduce {
        /// `kind=source`
        parameters: Vec<OperatorParameter>,
        value: Expr,
        /// `threshold` and `characters`
        properties: Vec<(Name, Expr)>,
    },
    Facet {
        columns: Vec<Name>,
        /// `with (operators)`
        with: Option<Vec<Operator>>,
    },
    /// Named subqueries
    Fork(Vec<(Option<Name>, Vec<Operator>)>),
    Sample(Expr),
    SampleDistinct {
        count: Expr,
        of: NamedExpr,
    },
    Scan(Scan),
    ProjectByNames(Vec<Expr>),
    AssertSchema(Vec<(Name, KqlType)>),
    Consume,
    /// A real KQL operator that the embedded engine does not execute yet
    Unsupported {
        name: Name,
    },
}

impl Expr {
    /// The operands, in source order; subqueries and function bodies are worlds of their own.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Member { base, .. } | ExprKind::Negate(base) => vec![base],
            ExprKind::Index { base, index } => vec![base, index],
            ExprKind::Call { arguments, .. } => arguments.iter().map(|argument| &argument.value).collect(),
            ExprKind::Binary { left, right, .. } => vec![left, right],
            ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter().collect(),
            ExprKind::Between { value, low, high, .. } => vec![value, low, high],
            ExprKind::List { value, items, .. } => std::iter::once(value.as_ref()).chain(items).collect(),
            _ => Vec::new(),
        }
    }

    /// As [`Expr::children`], to change them.
    pub(crate) fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.kind {
            ExprKind::Member { base, .. } | ExprKind::Negate(base) => vec![base],
            ExprKind::Index { base, index } => vec![base, index],
            ExprKind::Call { arguments, .. } => arguments.iter_mut().map(|argument| &mut argument.value).collect(),
            ExprKind::Binary { left, right, .. } => vec![left, right],
            ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter_mut().collect(),
            ExprKind::Between { value, low, high, .. } => vec![value, low, high],
            ExprKind::List { value, items, .. } => std::iter::once(value.as_mut()).chain(items).collect(),
            _ => Vec::new(),
        }
    }
}
