//! What is asked, and where the answer came from.

use std::fmt;
use std::time::Duration;

use huntbook_kql::Literal;
use huntbook_wire::QueryOptions;

use crate::Result;
use crate::time_range::{TimeRange, now};

/// What an answer is that has not all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partial {
    #[default]
    Error,
    /// A result, with a banner
    Warn,
    /// The same; the person says that it is meant
    Ok,
}

/// Whether a query is asked in slices of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Where the answer is too large for one, and the slices can be put together
    #[default]
    Auto,
    Off,
    /// Always, in slices of so many ticks; the column `_slice` says which
    Every(i64),
}

/// Answers that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUse {
    pub name: String,
    /// Only kept answers count.
    pub replay: bool,
    /// Ticks; an older answer does not count.
    pub ttl: Option<i64>,
}

/// A query with everything that was said about how it runs.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    pub query: String,
    /// A connection's name or string; `None` is the current one.
    pub connection: Option<String>,
    pub range: Option<TimeRange>,
    /// The range as it was asked for: `--last 7d` is the same question tomorrow.
    pub range_text: String,
    /// The column that the range means; `None`: `TimeGenerated`
    pub time_column: Option<String>,
    /// Connections or workspaces that are all asked
    pub across: Vec<String>,
    /// Request properties of the service
    pub properties: Vec<(String, String)>,
    /// Values for `${name}` and declared parameters
    pub parameters: Vec<(String, Literal)>,
    pub partial: Partial,
    pub split: Split,
    /// How much is asked at a time
    pub parallel: usize,
    pub cache: Option<CacheUse>,
    pub timeout: Option<Duration>,
    /// Rows that are kept
    pub row_limit: Option<usize>,
}

impl QueryRequest {
    /// On the current connection, without any options.
    pub fn new(query: impl Into<String>) -> QueryRequest {
        QueryRequest {
            query: query.into(),
            connection: None,
            range: None,
            range_text: String::new(),
            time_column: None,
            across: Vec::new(),
            properties: Vec::new(),
            parameters: Vec::new(),
            partial: Partial::Error,
            split: Split::Auto,
            parallel: 4,
            cache: None,
            timeout: None,
            row_limit: None,
        }
    }

    pub(crate) fn of_cell(query: String, options: QueryOptions) -> Result<QueryRequest> {
        let QueryOptions { connection, from, to, last, allow_partial } = options;
        let range = TimeRange::of_options(from.as_deref(), to.as_deref(), last.as_deref(), now())?;
        let partial = if allow_partial { Partial::Ok } else { Partial::Error };
        Ok(QueryRequest { connection, range, partial, ..QueryRequest::new(query) })
    }
}

/// Where an answer came from; shown as one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    pub connection: String,
    pub is_local: bool,
    pub request_ids: Vec<String>,
    pub rows: usize,
    pub milliseconds: u128,
    /// Of the answer as it came over the network
    pub bytes: Option<u64>,
    /// How old a kept answer is, in seconds
    pub cached: Option<i64>,
    /// Why rows are missing
    pub partial: Option<String>,
    /// Slices of time that the answer was put together from
    pub slices: usize,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.connection)?;
        match self.request_ids.as_slice() {
            [] => {}
            [id] => write!(f, " · request {id}")?,
            [first, rest @ ..] => write!(f, " · request {first} and {} more", rest.len())?,
        }
        write!(f, " · {} rows · {} ms", self.rows, self.milliseconds)?;
        if let Some(bytes) = self.bytes {
            write!(f, " · {}", size(bytes))?;
        }
        if self.slices > 1 {
            write!(f, " · split {}", self.slices)?;
        }
        if let Some(age) = self.cached {
            write!(f, " · cached {} ago", span(age))?;
        }
        if self.partial.is_some() {
            write!(f, " · PARTIAL")?;
        }
        Ok(())
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        i64::MIN..120 => format!("{} s", seconds.max(0)),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provenance_is_one_line() {
        let mut provenance = Provenance {
            connection: "prod".into(),
            request_ids: vec!["a-1".into()],
            rows: 5,
            milliseconds: 132,
            bytes: Some(2_140),
            ..Provenance::default()
        };
        assert_eq!(provenance.to_string(), "prod · request a-1 · 5 rows · 132 ms · 2.1 kB");
        provenance.request_ids.push("a-2".into());
        provenance.slices = 2;
        provenance.cached = Some(90);
        provenance.partial = Some("x".into());
        let line = provenance.to_string();
        assert!(
            line.ends_with("2.1 kB · split 2 · cached 90 s ago · PARTIAL") && line.contains("and 1 more"),
            "{line}"
        );
    }
}
