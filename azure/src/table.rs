//! Answers of the query services as typed columns, with no data frame library in sight.
//!
//! Everything is kept as exact as the service sent it: longs as 64-bit integers, decimals as their text, times as
//! ticks of 100 ns, dynamic values as JSON text. [`crate::decode`] fills the columns.

use serde_json::{Map, Value};

use crate::fault::Fault;

/// The scalar types of KQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Bool,
    Int,
    Long,
    Real,
    Decimal,
    String,
    DateTime,
    TimeSpan,
    Guid,
    Dynamic,
}

impl ColumnType {
    /// Reads a type's name in KQL (`long`, `datetime`) or as Kusto's v1 answers have it from .NET (`Int64`, `SqlDecimal`).
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix("System.").unwrap_or(name);
        let name = name.strip_prefix("Data.SqlTypes.").unwrap_or(name);
        Some(match name.to_ascii_lowercase().as_str() {
            "bool" | "boolean" | "sbyte" => Self::Bool,
            "int" | "int32" => Self::Int,
            "long" | "int64" => Self::Long,
            "real" | "double" => Self::Real,
            "decimal" | "sqldecimal" => Self::Decimal,
            "string" => Self::String,
            "datetime" | "date" => Self::DateTime,
            "timespan" | "time" => Self::TimeSpan,
            "guid" | "uuid" | "uniqueid" => Self::Guid,
            "dynamic" | "object" => Self::Dynamic,
            _ => return None,
        })
    }

    /// The name in KQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::Decimal => "decimal",
            Self::String => "string",
            Self::DateTime => "datetime",
            Self::TimeSpan => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }
}

/// The values of one column, one per row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Bool(Vec<Option<bool>>),
    Int(Vec<Option<i32>>),
    Long(Vec<Option<i64>>),
    /// With NaN and both infinities.
    Real(Vec<Option<f64>>),
    /// Exact text, as `-12.5` or `1E-7`.
    Decimal(TextColumn),
    /// A string of KQL is never null: a null that the service sends is an empty string.
    String(TextColumn),
    /// Ticks of 100 ns since 0001-01-01T00:00:00Z.
    DateTime(Vec<Option<i64>>),
    /// Ticks of 100 ns.
    TimeSpan(Vec<Option<i64>>),
    /// Text as the service writes it, usually lower case with dashes.
    Guid(TextColumn),
    /// JSON text, valid, with numbers digit by digit as they came.
    Dynamic(TextColumn),
}

impl Values {
    /// No values yet, of the type given.
    pub fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Bool => Self::Bool(Vec::new()),
            ColumnType::Int => Self::Int(Vec::new()),
            ColumnType::Long => Self::Long(Vec::new()),
            ColumnType::Real => Self::Real(Vec::new()),
            ColumnType::Decimal => Self::Decimal(TextColumn::default()),
            ColumnType::String => Self::String(TextColumn::default()),
            ColumnType::DateTime => Self::DateTime(Vec::new()),
            ColumnType::TimeSpan => Self::TimeSpan(Vec::new()),
            ColumnType::Guid => Self::Guid(TextColumn::default()),
            ColumnType::Dynamic => Self::Dynamic(TextColumn::default()),
        }
    }

    pub fn kind(&self) -> ColumnType {
        match self {
            Self::Bool(_) => ColumnType::Bool,
            Self::Int(_) => ColumnType::Int,
            Self::Long(_) => ColumnType::Long,
            Self::Real(_) => ColumnType::Real,
            Self::Decimal(_) => ColumnType::Decimal,
            Self::String(_) => ColumnType::String,
            Self::DateTime(_) => ColumnType::DateTime,
            Self::TimeSpan(_) => ColumnType::TimeSpan,
            Self::Guid(_) => ColumnType::Guid,
            Self::Dynamic(_) => ColumnType::Dynamic,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Long(values) | Self::DateTime(values) | Self::TimeSpan(values) => values.len(),
            Self::Real(values) => values.len(),
            Self::Decimal(text) | Self::String(text) | Self::Guid(text) | Self::Dynamic(text) => text.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the values of `other` behind these. Both have the same type: a caller that mixes them has a bug.
    pub(crate) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Bool(mine), Self::Bool(mut theirs)) => mine.append(&mut theirs),
            (Self::Int(mine), Self::Int(mut theirs)) => mine.append(&mut theirs),
            (Self::Long(mine), Self::Long(mut theirs))
            | (Self::DateTime(mine), Self::DateTime(mut theirs))
            | (Self::TimeSpan(mine), Self::TimeSpan(mut theirs)) => mine.append(&mut theirs),
            (Self::Real(mine), Self::Real(mut theirs)) => mine.append(&mut theirs),
            (Self::Decimal(mine), Self::Decimal(theirs))
            | (Self::String(mine), Self::String(theirs))
            | (Self::Guid(mine), Self::Guid(theirs))
            | (Self::Dynamic(mine), Self::Dynamic(theirs)) => mine.append(&theirs),
            (mine, theirs) => unreachable!("{} behind {}", theirs.kind().name(), mine.kind().name()),
        }
    }
}

/// Texts, some of them null, in one buffer: ten million small strings would cost more than the answer itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextColumn {
    buffer: String,
    /// Where each text ends in the buffer; it begins where the one before ends.
    ends: Vec<usize>,
    valid: Vec<bool>,
}

impl TextColumn {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a row; `None` if it is null.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        self.valid[row].then(|| &self.buffer[start..self.ends[row]])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Bytes of all texts together.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    pub fn push(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.buffer.push_str(text);
                self.close(true);
            }
            None => self.close(false),
        }
    }

    /// The buffer, and where the text that is being written begins in it.
    pub(crate) fn open(&mut self) -> (&mut String, usize) {
        let start = self.buffer.len();
        (&mut self.buffer, start)
    }

    pub(crate) fn close(&mut self, valid: bool) {
        self.ends.push(self.buffer.len());
        self.valid.push(valid);
    }

    fn append(&mut self, other: &Self) {
        let shift = self.buffer.len();
        self.buffer.push_str(&other.buffer);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
        self.valid.extend_from_slice(&other.valid);
    }
}

impl<'a> FromIterator<Option<&'a str>> for TextColumn {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(texts: I) -> Self {
        let mut column = Self::default();
        for text in texts {
            column.push(text);
        }
        column
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

impl Column {
    pub fn kind(&self) -> ColumnType {
        self.values.kind()
    }
}

/// What a table of an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// A result of the query.
    Primary,
    /// `@ExtendedProperties`, query status, table of contents: what Kusto says about the query.
    Secondary,
}

/// A table: every column has `rows` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    pub kind: TableKind,
    pub columns: Vec<Column>,
    pub rows: usize,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A column of text type, by name.
    pub fn texts(&self, name: &str) -> Option<&TextColumn> {
        match &self.column(name)?.values {
            Values::String(text) | Values::Guid(text) | Values::Dynamic(text) | Values::Decimal(text) => Some(text),
            _ => None,
        }
    }
}

/// How the query asked to be drawn (`render`).
#[derive(Debug, Clone, PartialEq)]
pub struct Render {
    /// `barchart`, `timechart`, ...
    pub visualization: String,
    /// The other properties, with names as Log Analytics spells them (`title`, `kind`, `xColumn`).
    pub properties: Map<String, Value>,
}

/// What a service answered to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Results in the order of the query's statements, then what Kusto says about them.
    pub tables: Vec<Table>,
    pub render: Option<Render>,
    /// `statistics` of Log Analytics, as it came.
    pub statistics: Option<Value>,
    /// Why the rows are not all. Empty, unless the caller allowed partial answers.
    pub partial: Vec<Fault>,
    /// What the service remarks on a complete answer.
    pub warnings: Vec<Fault>,
}

impl Answer {
    /// The results of the query, without the tables that speak about it.
    pub fn results(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| table.kind == TableKind::Primary)
    }

    /// Takes the results out.
    pub fn into_results(self) -> Vec<Table> {
        self.tables.into_iter().filter(|table| table.kind == TableKind::Primary).collect()
    }
}
