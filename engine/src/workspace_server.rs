//! The KQL engine behind the workspace server: what `huntbook serve` answers queries with.

mod mistakes;
mod results;

use std::sync::Arc;

use huntbook_kql::catalogs::Layered;
use huntbook_kql::{
    CancelToken, Catalog, Column, Diagnostic, Engine as KqlEngine, GeoDatabase, KqlTable, KqlType,
    Literal as KqlLiteral, QueryError, Stopped, StoredFunction, TableFunction, declared_parameters,
};
use huntbook_workspace::server::{
    Mistake, QueryAnswer, QueryFailure, QueryRequest, QueryService, Rendering, ResultColumn, ResultTable, TimeScope,
};
use huntbook_workspace::{ColumnSchema, ColumnType};
use polars::prelude::*;

use crate::catalog::damage;
use crate::{Engine, Error};
use mistakes::mistaken;
use results::results_of;

/// Bytes of a result and of rows held for one: far more than the server delivers.
const MEMORY: u64 = 4_000_000_000;

/// Answers the workspace server's queries.
pub struct WorkspaceQueries {
    engine: Arc<Engine>,
}

impl WorkspaceQueries {
    pub fn new(engine: Arc<Engine>) -> WorkspaceQueries {
        WorkspaceQueries { engine }
    }

    fn engine(&self, request: &QueryRequest) -> Result<KqlEngine, QueryFailure> {
        let catalog = self.engine.kql_catalog().map_err(unreadable)?;
        let token = CancelToken::new();
        let cancelled = token.clone();
        request.cancel.on_cancel(move || cancelled.cancel());
        let served = Served { catalog, scopes: request.scopes.clone() };
        // A query whose client has gone must stop wherever it is.
        let mut engine = KqlEngine::new(served).with_cancel_token(token).with_memory_limit(MEMORY).in_batches();
        if let Some(rows) = request.first_rows {
            engine = engine.with_first_rows(rows);
        }
        for (name, value) in bound_parameters(request)? {
            engine = engine.with_parameter(name, value);
        }
        Ok(engine)
    }

    fn failed(&self, error: &QueryError, query: &str) -> QueryFailure {
        match error {
            QueryError::Diagnostics(diagnostics) => match diagnostics.first() {
                Some(first) => mistaken(first, query),
                None => QueryFailure::Execution(error.to_string()),
            },
            QueryError::Stopped(Stopped::Cancelled) => QueryFailure::Cancelled,
            QueryError::Stopped(stopped) => QueryFailure::Execution(stopped.to_string()),
            QueryError::Execution(why) => {
                // A query that was right but could not read its rows: say which file is damaged.
                let damaged = damage(self.engine.workspace(), query).map(|damage| damage.message);
                QueryFailure::Execution(damaged.unwrap_or_else(|| why.clone()))
            }
        }
    }
}

impl QueryService for WorkspaceQueries {
    fn run(&self, request: &QueryRequest) -> Result<QueryAnswer, QueryFailure> {
        let engine = self.engine(request)?;
        let began = std::time::Instant::now();
        let mut tables = Vec::new();
        let (mut render, mut scanned_rows) = (None, 0);
        for query in results_of(&request.text) {
            let ran = engine.run(&query).map_err(|error| self.failed(&error, &request.text))?;
            scanned_rows += ran.stats.scanned_rows;
            render = ran
                .render
                .as_ref()
                .map(|render| Rendering { kind: render.kind.clone(), properties: render.properties.clone() });
            tables.push(result_table(ran));
        }
        Ok(QueryAnswer { tables, render, scanned_rows, took: began.elapsed() })
    }

    fn transform(&self, query: &str, source: DataFrame, columns: &[ColumnSchema]) -> Result<ResultTable, QueryFailure> {
        let engine = KqlEngine::new(Source { frame: source, columns: columns.to_vec() });
        engine.run(query).map(result_table).map_err(|error| self.failed(&error, query))
    }

    fn functions(&self) -> Vec<(String, String)> {
        let Ok(catalog) = self.engine.kql_catalog() else { return Vec::new() };
        let text = |name: String| {
            let function = catalog.function(&name).ok().flatten()?;
            Some((name, function.text().to_owned()))
        };
        let mut functions: Vec<(String, String)> = catalog.function_names().into_iter().filter_map(text).collect();
        functions.sort();
        functions
    }
}

fn unreadable(error: Error) -> QueryFailure {
    QueryFailure::Execution(error.message)
}

fn result_table(table: KqlTable) -> ResultTable {
    let column = |column: Column| ResultColumn { kql_type: column.kql_type.to_string(), name: column.name };
    ResultTable { columns: table.schema.into_iter().map(column).collect(), frame: table.frame }
}

/// The values of declared parameters, read as their types.
fn bound_parameters(request: &QueryRequest) -> Result<Vec<(String, KqlLiteral)>, QueryFailure> {
    let declared = declared_parameters(&request.text);
    let mut bound = Vec::new();
    for (name, kql_type) in declared {
        let Some((_, text)) = request.parameters.iter().find(|(given, _)| *given == name) else { continue };
        let value = parameter(kql_type, text).ok_or_else(|| {
            QueryFailure::Semantic(Mistake {
                code: "SEM0001".to_owned(),
                message: format!("The query parameter '{name}' is a {kql_type}, and the value given is none."),
                line: 1,
                position: 0,
                token: name.clone(),
            })
        })?;
        bound.push((name, value));
    }
    Ok(bound)
}

/// `5`, `long(5)`, `datetime(2024-01-01)`, `dynamic([1])`; a string as it stands or quoted.
fn parameter(kql_type: KqlType, text: &str) -> Option<KqlLiteral> {
    if kql_type == KqlType::String {
        return match KqlLiteral::of_text(text) {
            KqlLiteral::String(unquoted) => Some(KqlLiteral::String(unquoted)),
            _ => KqlLiteral::of_type(kql_type, text),
        };
    }
    let inner = text.trim().strip_suffix(')').and_then(|text| text.split_once('('));
    let named = |(word, inner)| (KqlType::from_name(word) == Some(kql_type)).then_some(inner);
    let value = inner.and_then(named).unwrap_or(text);
    let read = KqlLiteral::of_type(kql_type, value);
    read.or_else(|| Some(KqlLiteral::of_text(value)).filter(|literal| literal.kql_type() == kql_type))
}

/// What served queries can name: every table cut to the request's time, and no files of this machine.
struct Served {
    catalog: Layered,
    scopes: Vec<TimeScope>,
}

impl Served {
    fn scoped(&self, mut frame: LazyFrame) -> Result<LazyFrame, String> {
        if self.scopes.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema().map_err(|error| error.to_string())?;
        for scope in &self.scopes {
            let Some(DataType::Datetime(unit, zone)) = schema.get(&scope.column) else { continue };
            let at = |moment: chrono::DateTime<chrono::Utc>| {
                Expr::Literal(LiteralValue::Scalar(Scalar::new_datetime(in_unit(moment, *unit), *unit, zone.clone())))
            };
            let time = || Expr::Column(PlSmallStr::from_str(&scope.column));
            if let Some(from) = scope.from {
                frame = frame.filter(time().gt_eq(at(from)));
            }
            if let Some(to) = scope.to {
                frame = frame.filter(time().lt_eq(at(to)));
            }
        }
        Ok(frame)
    }
}

/// Nanoseconds hold the years 1677 to 2262 only: a moment outside is before or behind all of a column's.
fn in_unit(moment: chrono::DateTime<chrono::Utc>, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => {
            moment.timestamp_nanos_opt().unwrap_or(if moment.timestamp() < 0 { i64::MIN } else { i64::MAX })
        }
        TimeUnit::Microseconds => moment.timestamp_micros(),
        TimeUnit::Milliseconds => moment.timestamp_millis(),
    }
}

impl Catalog for Served {
    fn table_names(&self) -> Vec<String> {
        self.catalog.table_names()
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        self.catalog.table(name)?.map(|frame| self.scoped(frame)).transpose()
    }

    fn scalar(&self, name: &str) -> Option<KqlLiteral> {
        self.catalog.scalar(name)
    }

    fn schema(&self, table: &str) -> Option<Arc<[Column]>> {
        self.catalog.schema(table)
    }

    fn function_names(&self) -> Vec<String> {
        self.catalog.function_names()
    }

    fn function(&self, name: &str) -> Result<Option<Arc<StoredFunction>>, Diagnostic> {
        self.catalog.function(name)
    }

    fn table_function(&self, name: &str) -> Option<Arc<TableFunction>> {
        self.catalog.table_function(name)
    }

    fn table_function_names(&self) -> Vec<String> {
        self.catalog.table_function_names()
    }

    fn call_table_function(&self, name: &str, arguments: &[(String, KqlLiteral)]) -> Result<LazyFrame, String> {
        self.catalog.call_table_function(name, arguments)
    }

    fn invoke_table_function(
        &self,
        name: &str,
        rows: DataFrame,
        arguments: &[(String, KqlLiteral)],
    ) -> Result<LazyFrame, String> {
        self.catalog.invoke_table_function(name, rows, arguments)
    }

    fn external_data(&self, _address: &str) -> Result<Vec<u8>, String> {
        Err("the workspace server opens no files and no addresses for a query: keep the data as a table or a watchlist"
            .to_owned())
    }

    fn geo_database(&self) -> Result<Arc<dyn GeoDatabase>, String> {
        self.catalog.geo_database()
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        self.catalog.column_type(table, column)
    }
}

/// The rows that a transformation calls `source`.
struct Source {
    frame: DataFrame,
    columns: Vec<ColumnSchema>,
}

impl Catalog for Source {
    fn table_names(&self) -> Vec<String> {
        vec!["source".to_owned()]
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        Ok((name == "source").then(|| self.frame.clone().lazy()))
    }

    fn column_type(&self, _table: &str, column: &str) -> Option<KqlType> {
        match self.columns.iter().find(|known| known.name == column)?.column_type {
            ColumnType::Dynamic => Some(KqlType::Dynamic),
            ColumnType::Guid => Some(KqlType::Guid),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use huntbook_workspace::server::Cancel;

    use super::*;
    use crate::Settings;

    fn served() -> (tempfile::TempDir, WorkspaceQueries) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            workspace: folder.path().join("workspace"),
            base: folder.path().to_owned(),
            transfer: folder.path().join("transfer"),
        };
        let engine = Engine::new(settings).unwrap();
        let hours =
            Series::new("TimeGenerated".into(), (0..10).map(|hour| hour * 3_600_000_000_000i64).collect::<Vec<_>>());
        let time = hours.cast(&DataType::Datetime(TimeUnit::Nanoseconds, None)).unwrap();
        let number = Series::new("n".into(), (0..10i64).collect::<Vec<_>>());
        let rows = DataFrame::new(10, vec![time.into(), number.into()]).unwrap();
        engine.workspace().append("T_CL", rows).unwrap();
        (folder, WorkspaceQueries::new(Arc::new(engine)))
    }

    fn asked(text: &str) -> QueryRequest {
        QueryRequest { text: text.to_owned(), ..QueryRequest::default() }
    }

    fn numbers(table: &ResultTable) -> Vec<i64> {
        table.frame.columns()[0].i64().unwrap().into_no_null_iter().collect()
    }

    #[test]
    fn scopes_cut_every_table() {
        let (_folder, queries) = served();
        let at = |hour: i64| chrono::DateTime::from_timestamp(hour * 3_600, 0);
        let scope = |from: i64, to: i64| TimeScope { column: "TimeGenerated".to_owned(), from: at(from), to: at(to) };
        let mut request = asked("let f = () { T_CL }; union f, T_CL | where n != 4 | summarize sum(n)");
        request.scopes = vec![scope(2, 9), scope(0, 5)];
        assert_eq!(numbers(&queries.run(&request).unwrap().tables[0]), [2 * (2 + 3 + 5)]);
        request.text = "datatable(TimeGenerated: datetime)[datetime(2024-01-01)] | count".to_owned();
        assert_eq!(numbers(&queries.run(&request).unwrap().tables[0]), [1], "only tables are cut");
    }

    #[test]
    fn every_result_of_a_text_is_given() {
        let (_folder, queries) = served();
        let results =
            |text: &str| -> Vec<Vec<i64>> { queries.run(&asked(text)).unwrap().tables.iter().map(numbers).collect() };
        assert_eq!(results("let a = 2; print a; T_CL | where n < a | count;"), [[2], [2]]);
        assert_eq!(results("T_CL | fork (where n > 7 | count) (count)"), [[2], [10]]);
        assert_eq!(results("T_CL | where 'fork' == 'fork' | count"), [[10]]);
        let QueryFailure::Semantic(mistake) = queries.run(&asked("print 1;\nT_CL | where m > 1")).unwrap_err() else {
            panic!("semantic")
        };
        assert_eq!((mistake.line, mistake.position, mistake.token.as_str()), (2, 13, "m"));
    }

    #[test]
    fn mistakes_are_worded_as_the_service_words_them() {
        let (_folder, queries) = served();
        let failure = |text: &str| queries.run(&asked(text)).unwrap_err();
        let QueryFailure::Semantic(mistake) = failure("T_CL | where X > 1") else { panic!("semantic") };
        assert_eq!(mistake.code, "SEM0100");
        assert!(
            mistake.message.starts_with("'where' operator: Failed to resolve column or scalar expression named 'X'")
        );
        let QueryFailure::Semantic(mistake) = failure("Nope | take 1") else { panic!("semantic") };
        assert!(
            mistake.message.starts_with("'take' operator: Failed to resolve table or column expression named 'Nope'")
        );
        let QueryFailure::Syntax(mistake) = failure("T_CL | inv alid") else { panic!("syntax") };
        assert_eq!((mistake.code.as_str(), mistake.line), ("SYN0002", 1));
        assert!(mistake.message.starts_with("Query could not be parsed at '"), "{}", mistake.message);
        let QueryFailure::Semantic(mistake) = failure("print nofunction(1)") else { panic!("semantic") };
        assert_eq!(mistake.code, "SEM0260");
    }

    #[test]
    fn parameters_are_values_never_text() {
        let (_folder, queries) = served();
        let run = |declared: &str, text: &str, value: &str| {
            let mut request = asked(&format!("declare query_parameters(p: {declared}); {text}"));
            request.parameters = vec![("p".to_owned(), value.to_owned())];
            queries.run(&request).map(|answer| answer.tables[0].frame.columns()[0].get(0).unwrap().into_static())
        };
        let text = |value: &str| Ok(AnyValue::StringOwned(value.into()));
        assert_eq!(run("string", "print p", "a'; T_CL"), text("a'; T_CL"));
        assert_eq!(run("string", "print p", "'quoted'"), text("quoted"));
        assert_eq!(run("string", "print p", "5"), text("5"));
        for value in ["5", "long(5)", " 5 "] {
            assert_eq!(run("long", "print p + 1", value), Ok(AnyValue::Int64(6)), "{value}");
        }
        assert_eq!(
            run("datetime", "print p == datetime(2024-01-01)", "datetime(2024-01-01)"),
            Ok(AnyValue::Boolean(true))
        );
        assert_eq!(run("timespan", "print p == 1d", "time(1.00:00:00)"), Ok(AnyValue::Boolean(true)));
        assert_eq!(run("dynamic", "print tolong(p[1])", "dynamic([1,2])"), Ok(AnyValue::Int64(2)));
        assert!(matches!(run("long", "print p", "five"), Err(QueryFailure::Semantic(_))));
    }

    #[test]
    fn served_queries_open_no_files() {
        let (folder, queries) = served();
        let file = folder.path().join("secret.csv");
        std::fs::write(&file, "a\n").unwrap();
        let text = format!("externaldata(a: string)['file://{}'] with (format='csv')", file.display());
        assert!(queries.run(&asked(&text)).is_err());
    }

    #[test]
    fn a_cancelled_request_gives_up() {
        let (_folder, queries) = served();
        let cancel = Cancel::default();
        cancel.cancel();
        let request = QueryRequest { cancel, ..asked("T_CL | count") };
        assert_eq!(queries.run(&request).unwrap_err(), QueryFailure::Cancelled);
    }

    #[test]
    fn results_are_cut_to_their_first_rows() {
        let (_folder, queries) = served();
        let request = QueryRequest { first_rows: Some(3), ..asked("T_CL | sort by n desc | project n") };
        assert_eq!(numbers(&queries.run(&request).unwrap().tables[0]), [9, 8, 7]);
    }

    #[test]
    fn transformations_see_their_source() {
        let (_folder, queries) = served();
        let columns = [ColumnSchema { name: "d".to_owned(), column_type: ColumnType::Dynamic }];
        let source = df!("d" => ["{\"a\":5}"]).unwrap();
        let result = queries.transform("source | project n = toint(d.a)", source, &columns).unwrap();
        assert_eq!(result.columns[0].kql_type, "int");
        assert!(queries.transform("T_CL", DataFrame::empty(), &columns).is_err());
    }
}
