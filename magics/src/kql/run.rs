//! Doing what a `%kql` says.

use std::time::Duration;

use huntbook_engine::{
    CacheUse, Display, Engine, KqlLiteral, KqlType, Partial, QueryAnswer, QueryRequest, Split, TimeRange, Value,
    declared_parameters, table, time_now, timespan,
};

use super::Kql;
use super::options::TABLE;
use super::picture;
use crate::MagicError;
use crate::connect::{connections, text};

/// A kept answer may be so old where nobody says.
const DEFAULT_TTL: &str = "1h";
/// Log Analytics runs so many queries of one user at a time.
const MOST_PARALLEL: usize = 5;

impl Kql {
    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        let mut displays: Vec<Display> = self.given.notices.iter().map(text).collect();
        if let Some(command) = self.command(engine)? {
            displays.extend(command);
            return Ok(displays);
        }
        let request = self.request(engine)?;
        if self.given.is_on("print") {
            displays.push(text(&engine.final_query(&request)?));
            return Ok(displays);
        }
        if self.given.is_on("dry-run") {
            displays.push(text(&engine.dry_run(&request)?));
            return Ok(displays);
        }
        if self.given.is_on("show_query") {
            displays.push(text(&engine.final_query(&request)?));
        }
        let answer = engine.query(&request).map_err(|error| self.with_advice(error.into(), &request.query))?;
        displays.extend(self.shown(engine, answer)?);
        if let Some(name) = &self.bind {
            engine.note_query(name, &request.query);
        }
        Ok(displays)
    }

    /// What is asked for instead of a query.
    fn command(&self, engine: &Engine) -> Result<Option<Vec<Display>>, MagicError> {
        let given = &self.given;
        let one = |line: String| Ok(Some(vec![text(&line)]));
        if self.lists_connections() {
            return connections(engine).map(Some);
        }
        if given.is_on("version") {
            return one(format!("huntbook {}", env!("CARGO_PKG_VERSION")));
        }
        if let Some(name) = given.value("connect") {
            return one(engine.connect(name)?);
        }
        if given.is_on("schema") {
            return one(engine.schema_text(self.place(engine).as_deref(), self.text.trim())?);
        }
        if given.is_on("list") {
            return one(engine.templates_text(self.text.trim())?);
        }
        if given.is_on("cache-list") {
            return one(engine.cache_text());
        }
        if let Some(name) = given.value("cache-remove") {
            return one(format!("{} kept answers of `{name}` removed", engine.cache_remove(name)?));
        }
        let has_query =
            !self.text.is_empty() || ["query", "file", "run"].iter().any(|name| given.value(name).is_some());
        if !has_query {
            return match self.place(engine) {
                Some(place) => one(engine.connect(&place)?),
                None => Ok(Some(Vec::new())),
            };
        }
        Ok(None)
    }

    /// The connection that was named; `-conn` also takes a Rust variable that holds a connection string.
    fn place(&self, engine: &Engine) -> Option<String> {
        let named = self.connection.clone().or_else(|| self.given.value("conn").map(str::to_owned))?;
        match engine.scalar_text(&named) {
            Some(held) if !engine.connection_names().contains(&named) => Some(held),
            _ => Some(named),
        }
    }

    fn request(&self, engine: &Engine) -> Result<QueryRequest, MagicError> {
        let given = &self.given;
        let now = time_now();
        let mut parameters = Vec::new();
        let mut named: Vec<(String, String)> = Vec::new();
        for pair in given.all("p") {
            named.push(pair_of(pair)?);
        }
        let mut range = TimeRange::of_options(given.value("from"), given.value("to"), given.value("last"), now)?;
        let mut properties = given.properties.clone();
        if let Some(json) = given.value("query_properties") {
            properties.extend(object(json, "query_properties")?.into_iter().map(|(name, value)| (name, plain(&value))));
        }
        if let Some(at) = properties.iter().position(|(name, _)| name == "timespan") {
            let (_, timespan) = properties.remove(at);
            range = Some(TimeRange::of_iso(&timespan, now)?);
        }
        let mut range_text = ["from", "to", "last"].map(|name| given.value(name).unwrap_or_default()).join("|");
        range_text.push_str(given.properties.iter().find(|(name, _)| name == "timespan").map_or("", |(_, span)| span));
        let query = self.query(engine, &mut named, &mut range, now)?;
        let declared = declared_parameters(&query);
        for (name, value) in named {
            let kind = declared.iter().find(|(declared, _)| *declared == name).map(|(_, kind)| *kind);
            parameters.push((name.clone(), typed(&name, kind, &value)?));
        }
        if let Some(dictionary) = given.value("params_dict") {
            let json = engine.scalar_text(dictionary).unwrap_or_else(|| dictionary.to_owned());
            let values = object(&json, "params_dict")?;
            parameters.extend(values.into_iter().map(|(name, value)| (name, literal(value))));
        }
        let timeout: Option<u64> = given.number("timeout")?;
        let parallel = given.number("parallel")?.unwrap_or(4).clamp(1, MOST_PARALLEL);
        let ttl = given.value("ttl").unwrap_or(DEFAULT_TTL);
        let ttl = timespan(ttl)
            .ok_or_else(|| MagicError::usage(format!("--ttl takes a timespan such as 1d, not `{ttl}`")))?;
        let cache = match (given.value("replay"), given.value("cache")) {
            (Some(name), _) => Some(CacheUse { name: name.to_owned(), replay: true, ttl: None }),
            (None, Some(name)) => Some(CacheUse { name: name.to_owned(), replay: false, ttl: Some(ttl) }),
            (None, None) => None,
        };
        Ok(QueryRequest {
            query,
            connection: self.place(engine),
            range,
            range_text,
            time_column: given.value("time-column").map(str::to_owned),
            across: given.value("across").map(names).unwrap_or_default(),
            properties,
            parameters,
            partial: match given.value("partial") {
                Some("warn") => Partial::Warn,
                Some("ok") => Partial::Ok,
                _ => Partial::Error,
            },
            split: split(given.value("split").unwrap_or("auto"))?,
            parallel,
            cache,
            timeout: timeout.map(Duration::from_secs),
            row_limit: given.number("auto_limit")?.filter(|rows| *rows > 0),
        })
    }

    /// The text of the query, wherever it is.
    fn query(
        &self,
        engine: &Engine,
        named: &mut Vec<(String, String)>,
        range: &mut Option<TimeRange>,
        now: i64,
    ) -> Result<String, MagicError> {
        let given = &self.given;
        let sources = ["query", "file", "run"].iter().filter(|name| given.value(name).is_some()).count();
        if sources > 1 || (sources == 1 && given.value("run").is_none() && !self.text.is_empty()) {
            return Err(MagicError::usage("the query is there twice: give one of --query, --file, --run or its text"));
        }
        if let Some(variable) = given.value("query") {
            return engine.scalar_text(variable).ok_or_else(|| {
                MagicError::usage(format!(
                    "--query takes the name of a Rust variable that holds text; `{variable}` is none"
                ))
            });
        }
        if let Some(path) = given.value("file") {
            return Ok(engine.query_file(path)?);
        }
        let Some(name) = given.value("run") else { return Ok(self.text.clone()) };
        let (words, _) = TABLE.words(&self.text)?;
        for pair in &words {
            named.push(pair_of(pair)?);
        }
        let template = engine.template(name)?;
        if range.is_none() {
            *range = template.period.map(|period| TimeRange { from: now - period, to: now });
        }
        Ok(template.filled(&std::mem::take(named), *range, now)?)
    }

    fn shown(&self, engine: &Engine, answer: QueryAnswer) -> Result<Vec<Display>, MagicError> {
        let mut displays: Vec<Display> = Vec::new();
        if let Some(why) = &answer.provenance.partial {
            displays.push(banner(&format!("PARTIAL RESULT: not all rows are here. {why}")));
        }
        displays.extend(answer.warnings.iter().map(text));
        let (rows, columns) = (answer.frame.height(), answer.frame.width());
        let provenance = answer.provenance.to_string();
        let bound = self.bind.as_deref().or_else(|| self.given.value("assign_var"));
        engine.keep_answer(&answer, bound);
        if let (Some(name), None) = (&self.bind, self.given.value("assign_var")) {
            let from = if answer.provenance.is_local { String::new() } else { format!(" · {provenance}") };
            if !self.quiet {
                displays.push(text(format!("{name} << {rows} rows × {columns} columns{from}")));
            }
            return Ok(displays);
        }
        if self.quiet {
            return Ok(displays);
        }
        if !answer.provenance.is_local {
            displays.push(text(&provenance));
        }
        if answer.earlier_results > 0 {
            displays.push(text(format!(
                "the query has {} results: this is the last. Put the others in cells of their own",
                answer.earlier_results + 1
            )));
        }
        let (drawn, note) = picture::drawn(&answer, self.visual.as_ref())?;
        displays.extend(note.as_deref().map(text));
        let limit: i64 = self.given.number("limit")?.unwrap_or(table::DEFAULT_LIMIT as i64);
        let table = |limit| table::render(&answer.frame, Some(&answer.types), limit);
        if let Some(shown) = drawn.or_else(|| usize::try_from(limit).ok().map(table)) {
            let mut display = shown.result();
            display.metadata.insert("huntbook".to_owned(), Value::String(provenance));
            displays.push(display);
        }
        Ok(displays)
    }

    /// Kqlmagic ran each part between blank lines as a query of its own.
    fn with_advice(&self, mut error: MagicError, query: &str) -> MagicError {
        let parts = query.split("\n\n").filter(|part| !part.trim().is_empty() && !part.trim_start().starts_with('|'));
        if error.kind == "KqlError" && parts.count() > 1 {
            error.message.push_str(
                "\nIf this was several queries with blank lines between them, as for Kqlmagic: put each in a cell of its own; here blank lines belong to the query",
            );
        }
        error
    }
}

/// What must not be overlooked.
fn banner(message: &str) -> Display {
    let html = format!(
        "<div style=\"border-left:4px solid #b45309;padding:.4em .8em;font-weight:bold\">{}</div>",
        table::escape(message)
    );
    Display::new([("text/html", html), ("text/plain", message.to_owned())])
}

fn pair_of(pair: &str) -> Result<(String, String), MagicError> {
    let split = pair.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = split.ok_or_else(|| MagicError::usage(format!("`{pair}` is no NAME=VALUE")))?;
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Ok((name.to_owned(), quoted.unwrap_or(value).to_owned()))
}

/// `a, b` or `["a", "b"]`
fn names(list: &str) -> Vec<String> {
    let list = list.trim().trim_start_matches('[').trim_end_matches(']');
    list.split(',')
        .map(|name| name.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn typed(name: &str, kind: Option<KqlType>, value: &str) -> Result<KqlLiteral, MagicError> {
    let Some(kind) = kind else { return Ok(KqlLiteral::of_text(value)) };
    KqlLiteral::of_type(kind, value)
        .ok_or_else(|| MagicError::usage(format!("the query declares `{name}` as {}: `{value}` is none", kind.name())))
}

fn object(json: &str, option: &str) -> Result<Vec<(String, Value)>, MagicError> {
    match json.parse::<Value>() {
        Ok(Value::Object(values)) => Ok(values.into_iter().collect()),
        _ => Err(MagicError::usage(format!(
            "--{option} takes a JSON object, such as {{\"host\": \"srv1\", \"limit\": 5}}, or the name of a Rust variable that holds one as text"
        ))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn literal(value: Value) -> KqlLiteral {
    match value {
        Value::Bool(value) => value.into(),
        Value::String(text) => text.into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().map_or(KqlLiteral::Real(None), KqlLiteral::from),
        },
        other => other.into(),
    }
}

fn split(text: &str) -> Result<Split, MagicError> {
    match text {
        "auto" => Ok(Split::Auto),
        "off" => Ok(Split::Off),
        length => match timespan(length).filter(|ticks| *ticks > 0) {
            Some(ticks) => Ok(Split::Every(ticks)),
            None => Err(MagicError::usage(format!("--split is auto, off or a timespan such as 1h, not `{length}`"))),
        },
    }
}
