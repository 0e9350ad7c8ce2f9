//! Tables of this machine within a time range, as a service gives them.

use std::sync::Arc;

use huntbook_kql::{
    Catalog, Column as KqlColumn, Diagnostic, GeoDatabase, KqlType, Literal, StoredFunction, TableFunction, ticks,
};
use polars::prelude::*;

use crate::time_range::TimeRange;

const TIME_COLUMN: &str = "TimeGenerated";

/// Tables without the rows whose time is outside a range. A table without the time column has all its rows.
pub(crate) struct InRange<C> {
    inner: C,
    range: TimeRange,
    column: String,
}

impl<C: Catalog> InRange<C> {
    pub(crate) fn new(inner: C, range: TimeRange, column: Option<String>) -> InRange<C> {
        InRange { inner, range, column: column.unwrap_or_else(|| TIME_COLUMN.to_owned()) }
    }

    fn narrowed(&self, table: &str, mut frame: LazyFrame) -> PolarsResult<LazyFrame> {
        let schema = frame.collect_schema()?;
        let time = Expr::Column(PlSmallStr::from_str(&self.column));
        let unit = match schema.get(&self.column) {
            Some(DataType::Datetime(unit, _)) => unit,
            // Files of text have times as text.
            Some(DataType::String) if self.inner.column_type(table, &self.column) == Some(KqlType::Datetime) => {
                return Ok(frame.filter(texts_within(time, self.range)));
            }
            _ => return Ok(frame),
        };
        let per_unit = |ticks: i64| {
            let since_1970 = ticks - ticks::UNIX_EPOCH;
            match unit {
                TimeUnit::Nanoseconds => since_1970.saturating_mul(100),
                TimeUnit::Microseconds => rounded_up(since_1970, ticks::MICROSECOND),
                TimeUnit::Milliseconds => rounded_up(since_1970, ticks::MILLISECOND),
            }
        };
        let moment = |value: i64| lit(value).cast(DataType::Datetime(*unit, None));
        let since = time.clone().gt_eq(moment(per_unit(self.range.from)));
        let until = time.lt(moment(per_unit(self.range.to)));
        Ok(frame.filter(since.and(until)))
    }
}

/// Is the time that a text tells within the range?
fn texts_within(time: Expr, range: TimeRange) -> Expr {
    let within =
        move |text: &str| ticks::parse_datetime(text).is_some_and(|time| (range.from..range.to).contains(&time));
    let run = move |column: Column| -> PolarsResult<Column> {
        let hits: BooleanChunked = column.str()?.iter().map(|text| Some(text.is_some_and(within))).collect();
        Ok(hits.with_name(column.name().clone()).into_column())
    };
    time.map(run, |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)))
}

/// A bound between two units belongs to the later one: rows have whole units.
fn rounded_up(ticks: i64, unit: i64) -> i64 {
    ticks.div_euclid(unit) + i64::from(ticks.rem_euclid(unit) > 0)
}

impl<C: Catalog> Catalog for InRange<C> {
    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        let Some(frame) = self.inner.table(name)? else { return Ok(None) };
        self.narrowed(name, frame).map(Some).map_err(|error| error.to_string())
    }

    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    fn scalar(&self, name: &str) -> Option<Literal> {
        self.inner.scalar(name)
    }

    fn schema(&self, table: &str) -> Option<Arc<[KqlColumn]>> {
        self.inner.schema(table)
    }

    fn function_names(&self) -> Vec<String> {
        self.inner.function_names()
    }

    fn function(&self, name: &str) -> Result<Option<Arc<StoredFunction>>, Diagnostic> {
        self.inner.function(name)
    }

    fn table_function(&self, name: &str) -> Option<Arc<TableFunction>> {
        self.inner.table_function(name)
    }

    fn table_function_names(&self) -> Vec<String> {
        self.inner.table_function_names()
    }

    fn call_table_function(&self, name: &str, arguments: &[(String, Literal)]) -> Result<LazyFrame, String> {
        self.inner.call_table_function(name, arguments)
    }

    fn invoke_table_function(
        &self,
        name: &str,
        rows: DataFrame,
        arguments: &[(String, Literal)],
    ) -> Result<LazyFrame, String> {
        self.inner.invoke_table_function(name, rows, arguments)
    }

    fn external_data(&self, address: &str) -> Result<Vec<u8>, String> {
        self.inner.external_data(address)
    }

    fn geo_database(&self) -> Result<Arc<dyn GeoDatabase>, String> {
        self.inner.geo_database()
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        self.inner.column_type(table, column)
    }
}

#[cfg(test)]
mod tests {
    use huntbook_kql::catalogs::{Files, Frames};

    use super::*;

    #[test]
    fn rows_within_the_range_are_left_and_tables_without_times_stay() {
        let times = |unit, values: [i64; 3]| Int64Chunked::new(TIME_COLUMN.into(), values).into_datetime(unit, None);
        let frame = |unit, values| DataFrame::new(3, vec![times(unit, values).into_column()]).unwrap();
        let frames = Frames::new()
            .with("Micro", frame(TimeUnit::Microseconds, [0, 1, 2]))
            .with("Nano", frame(TimeUnit::Nanoseconds, [900, 1000, 2000]))
            .with("Other", df!("a" => [1]).unwrap());
        let epoch = ticks::UNIX_EPOCH;
        let range = TimeRange { from: epoch + 9, to: epoch + 20 };
        let engine = huntbook_kql::Engine::new(InRange::new(frames, range, None));
        for (table, rows) in [("Micro", 1), ("Nano", 2), ("Other", 1)] {
            assert_eq!(engine.run(table).unwrap().frame.height(), rows, "{table}");
        }
    }

    #[test]
    fn times_of_text_files_count_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let line = |day: i64| format!("{{\"TimeGenerated\": \"2026-03-0{day}T00:00:00Z\"}}\n");
        std::fs::write(&path, (1..=3).map(line).collect::<String>()).unwrap();
        let range = TimeRange::of_options(Some("2026-03-02"), Some("2026-03-03"), None, 0).unwrap().unwrap();
        let engine = huntbook_kql::Engine::new(InRange::new(Files::new().with("Events", path), range, None));
        assert_eq!(engine.run("Events").unwrap().frame.height(), 1);
    }
}
