//! Running a query where it belongs.

use std::sync::Arc;
use std::time::Instant;

use huntbook_kql::{KqlType, ticks};

use super::asking::{Asking, First, Found, too_much};
use super::cache::{self, Cache, Entry};
use super::columns::Rows;
use super::request::{Provenance, QueryRequest, Split};
use super::slices::{Outcome, pool, stacked};
use super::split::{is_command, splittable};
use super::{Connection, Place};
use crate::parameters::{substituted, with_let_values};
use crate::{Engine, Error, QueryAnswer, Result};

impl Engine {
    /// Runs a query as the request says: on this machine or at a service, from the cache, in slices, at several places.
    /// After a query that failed, `_` names no result.
    ///
    /// Errors: mistakes in the query (with line and column, also those that a service finds), a service that cannot be
    /// reached or refuses, an answer without all rows unless the request allows it, an interrupt.
    pub fn query(&self, request: &QueryRequest) -> Result<QueryAnswer> {
        let answer = self.answer_of(request);
        if answer.is_err() {
            self.forget_last();
        }
        answer
    }

    fn answer_of(&self, request: &QueryRequest) -> Result<QueryAnswer> {
        if !request.across.is_empty() {
            return self.across(request);
        }
        let place = self.place_of_query(request)?;
        let Place::Remote(connection) = place else { return self.local(&place, request) };
        let query = self.final_text(request)?;
        self.refuse_frames(&connection, &query)?;
        let found = self.with_cache(&connection, &query, request)?;
        answer(found, request)
    }

    /// A query that names frames only is meant for them, whatever connection is current.
    fn place_of_query(&self, request: &QueryRequest) -> Result<Place> {
        let place = self.place(request.connection.as_deref())?;
        if let (Place::Remote(_), None) = (&place, &request.connection) {
            let named = huntbook_kql::tables_mentioned(&request.query);
            if !named.is_empty() && named.iter().all(|name| self.binding(name).is_some()) {
                return Ok(Place::Workspace);
            }
        }
        Ok(place)
    }

    /// The query as it goes to a service.
    fn final_text(&self, request: &QueryRequest) -> Result<String> {
        let query = substituted(&request.query, |name| self.value_for(request, name))?;
        let declared = huntbook_kql::declared_parameters(&query);
        let is_given = |name: &str| request.parameters.iter().any(|(known, _)| known == name);
        let (given, missing): (Vec<_>, Vec<_>) = declared.iter().partition(|(name, _)| is_given(name));
        if given.is_empty() {
            return Ok(query);
        }
        if let Some((name, _)) = missing.first() {
            return Err(Error::new(
                "KqlError",
                format!(
                    "the query declares `{name}` too: give a value for each parameter (`-p {name}=VALUE`), or for none"
                ),
            ));
        }
        // A declared parameter is a name in the query: a `let` gives it its value, whatever service it is.
        let mut lets = String::new();
        for (name, _) in given {
            if let Some(value) = self.value_for(request, name) {
                lets.push_str(&format!("let {name} = {}; ", crate::parameters::literal_text(&value)));
            }
        }
        Ok(format!("{lets}{}", without_declaration(&query)))
    }

    pub(super) fn value_for(&self, request: &QueryRequest, name: &str) -> Option<huntbook_kql::Literal> {
        let given = request.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        given.or_else(|| self.scalar(name))
    }

    /// Errors: a frame of this session in a query for a service, which cannot see it.
    fn refuse_frames(&self, connection: &Connection, query: &str) -> Result<()> {
        let schema = connection.schema();
        let is_remote = |name: &str| {
            schema.as_ref().is_some_and(|schema| huntbook_kql::Catalog::schema(schema.as_ref(), name).is_some())
        };
        let frame = huntbook_kql::tables_mentioned(query)
            .into_iter()
            .find(|name| self.binding(name).is_some() && !is_remote(name));
        match frame {
            None => Ok(()),
            Some(name) => Err(Error::new(
                "FrameError",
                format!(
                    "`{name}` is a frame of this session, which {} cannot see: keep what the service has with `%kql kept << ...` and query both here (`%kql local:// {name} | join kept on ...`), or send values with ${{name}}",
                    connection.name()
                ),
            )),
        }
    }

    fn local(&self, place: &Place, request: &QueryRequest) -> Result<QueryAnswer> {
        let began = Instant::now();
        let mut engine = self.engine_at(place, request.range.map(|range| (range, request.time_column.clone())))?;
        for (name, value) in &request.parameters {
            engine = engine.with_parameter(name, value.clone());
        }
        if let Some(time) = request.timeout {
            engine = engine.with_time_limit(time);
        }
        if let Some((name, _)) = request.properties.first() {
            return Err(Error::new(
                "MagicError",
                format!(
                    "`+{name}` is a property of a service: this query runs on this machine, where --last, --timeout and --auto_limit do the same"
                ),
            ));
        }
        let for_services = match (&request.cache, request.split) {
            (Some(_), _) => Some("--cache and --replay keep answers of services: here `NAME <<` keeps the rows"),
            (None, Split::Every(_)) => {
                Some("--split is for services, which limit their answers: a query on this machine has all its rows")
            }
            _ => None,
        };
        if let Some(why) = for_services {
            return Err(Error::new("MagicError", why));
        }
        let query = with_let_values(&request.query, |name| self.value_for(request, name).is_some());
        let mut answer = self.run_local(engine, query)?;
        answer.provenance.milliseconds = began.elapsed().as_millis();
        if let Place::OtherWorkspace(folder) | Place::Files(folder) = place {
            answer.provenance.connection = folder.display().to_string();
        }
        Ok(limited(answer, request.row_limit))
    }

    /// The same query at several places, with the name of its place in each row.
    fn across(&self, request: &QueryRequest) -> Result<QueryAnswer> {
        let began = Instant::now();
        let one = |name: &String| {
            let connection = self.across_name(request, name)?;
            let request = QueryRequest { connection: Some(connection), across: Vec::new(), ..request.clone() };
            self.answer_of(&request).map(Outcome::Done).map_err(|error| match error.kind.as_str() {
                "Interrupted" => error,
                _ => Error::new(error.kind, format!("at {name}: {}", error.message)),
            })
        };
        let mut answers = pool(request.across.clone(), request.parallel, one)?;
        answers.sort_by_key(|(name, _)| request.across.iter().position(|asked| asked == name));
        let mut provenance = Provenance { connection: request.across.join(", "), ..Provenance::default() };
        let (mut parts, mut warnings) = (Vec::new(), Vec::new());
        for (name, answer) in answers {
            provenance.request_ids.extend(answer.provenance.request_ids);
            provenance.bytes = Some(provenance.bytes.unwrap_or(0) + answer.provenance.bytes.unwrap_or(0));
            provenance.partial = provenance.partial.or(answer.provenance.partial.map(|why| format!("{name}: {why}")));
            warnings.extend(answer.warnings.into_iter().map(|warning| format!("{name}: {warning}")));
            let types = answer.types.iter().map(|kind| KqlType::from_name(kind).unwrap_or(KqlType::String)).collect();
            parts.push((name, Rows { frame: answer.frame.as_ref().clone(), types }));
        }
        let rows = stacked(parts, Some("_workspace"))?;
        provenance.rows = rows.frame.height();
        provenance.milliseconds = began.elapsed().as_millis();
        Ok(QueryAnswer {
            types: rows.types.iter().map(|kind| kind.name().to_owned()).collect(),
            frame: Arc::new(rows.frame),
            render: None,
            earlier_results: 0,
            warnings,
            provenance,
        })
    }

    /// A connection by its name, or a workspace by its id with everything else as in the current connection.
    fn across_name(&self, request: &QueryRequest, name: &str) -> Result<String> {
        match self.connection(name) {
            Ok(connection) => Ok(connection.map_or("local".to_owned(), |connection| connection.name().to_owned())),
            Err(error) => {
                let Place::Remote(base) = self.place(request.connection.as_deref())? else { return Err(error) };
                if uuid::Uuid::parse_str(name).is_err() || base.definition.kind != super::definition::Kind::LogAnalytics
                {
                    return Err(error);
                }
                let mut definition = base.definition.clone();
                definition.name = name.to_owned();
                definition.set("workspace", name.to_owned())?;
                self.opened(definition).map(|connection| connection.name().to_owned())
            }
        }
    }

    fn with_cache(&self, connection: &Arc<Connection>, query: &str, request: &QueryRequest) -> Result<Found> {
        let began = Instant::now();
        let Some(wanted) = &request.cache else { return self.remote(connection, query, request) };
        let cache = Cache::of_workspace(self.workspace().folder());
        let place = connection.definition.place();
        let range = match (request.range_text.trim_matches('|').is_empty(), request.range) {
            (true, Some(range)) => range.iso(),
            _ => request.range_text.clone(),
        };
        let how = format!("{:?} {:?} {:?}", request.properties, request.time_column, request.split);
        let key = cache::key(&[&place, query, &range, &how]);
        let now = chrono::Utc::now().timestamp();
        // No time at all is not even this second.
        let oldest = wanted.ttl.map(|ttl| if ttl < ticks::SECOND { i64::MAX } else { now - ttl / ticks::SECOND });
        let kept = cache.find(&wanted.name, &key, oldest)?;
        if let Some((entry, rows)) =
            kept.filter(|(entry, _)| entry.place == place && entry.query == query && entry.range == range)
        {
            let provenance = Provenance {
                connection: connection.name().to_owned(),
                request_ids: entry.request_id.into_iter().collect(),
                rows: rows.frame.height(),
                milliseconds: began.elapsed().as_millis(),
                cached: Some(now - entry.fetched),
                ..Provenance::default()
            };
            return Ok(Found { rows, render: None, earlier_results: 0, warnings: Vec::new(), provenance });
        }
        if wanted.replay {
            return Err(Error::new(
                "CacheError",
                format!(
                    "`{}` has no answer to this query at {} and for this time range: ask the service with `--cache {}` first; `--cache-list` shows what is kept",
                    wanted.name,
                    connection.name(),
                    wanted.name
                ),
            ));
        }
        let mut found = self.remote(connection, query, request)?;
        if found.provenance.partial.is_some() {
            found.warnings.push("not kept in the cache, since rows are missing".to_owned());
            return Ok(found);
        }
        let entry = Entry {
            version: 1,
            key,
            connection: connection.name().to_owned(),
            place,
            query: query.to_owned(),
            range,
            request_id: found.provenance.request_ids.first().cloned(),
            fetched: now,
            rows: found.rows.frame.height(),
            partial: None,
            columns: Vec::new(),
        };
        cache.keep(&wanted.name, entry, &found.rows)?;
        Ok(found)
    }

    fn remote(&self, connection: &Arc<Connection>, query: &str, request: &QueryRequest) -> Result<Found> {
        let Some(client) = &connection.client else {
            return Err(Error::new("ConnectionError", format!("`{}` cannot be asked", connection.name())));
        };
        let asking = Asking { connection, client, request, cancel: self.cancel_token() };
        if is_command(query) {
            return asking.whole(query, None);
        }
        let time_column = request.time_column.as_deref().unwrap_or(client.time_column());
        match (request.split, request.range) {
            (Split::Every(_), None) => Err(no_range()),
            (Split::Every(length), Some(range)) => asking.each(query, range.slices(length)),
            (Split::Off, range) => asking.whole(query, range),
            (Split::Auto, range) => match asking.first(query, range)? {
                First::Whole(found) => Ok(*found),
                First::TooMuch(why) => {
                    let range = range.ok_or_else(|| {
                        too_much(&why, "Give a time range (`--last 7d`), so that it can be asked in slices")
                    })?;
                    let plan = splittable(query).map_err(|reason| {
                        too_much(&why, &format!("It cannot be asked in slices: {reason}. Ask for a shorter time range, or force slices with `--split 1h`"))
                    })?;
                    asking.halved(&plan, range, time_column)
                }
            },
        }
    }
}

fn no_range() -> Error {
    Error::new("MagicError", "--split takes a time range: add --from and --to, or --last")
}

/// The query without its `declare query_parameters(...)`, on the same lines.
fn without_declaration(query: &str) -> String {
    let code = crate::parameters::code_only(query);
    let place = code.find("declare").filter(|at| code[at + 7..].trim_start().starts_with("query_parameters"));
    let end = place.and_then(|at| code[at..].find(';').map(|end| at + end + 1));
    let (Some(start), Some(end)) = (place, end) else { return query.to_owned() };
    let lines = query[start..end].matches('\n').count();
    format!("{}{}{}", &query[..start], "\n".repeat(lines), &query[end..])
}

fn answer(found: Found, request: &QueryRequest) -> Result<QueryAnswer> {
    let Found { rows, render, earlier_results, warnings, provenance } = found;
    let types = rows.types.iter().map(|kind| kind.name().to_owned()).collect();
    let frame = Arc::new(rows.frame);
    Ok(limited(QueryAnswer { frame, types, render, earlier_results, warnings, provenance }, request.row_limit))
}

/// Keeps so many rows, and says that it did.
fn limited(mut answer: QueryAnswer, limit: Option<usize>) -> QueryAnswer {
    if let Some(limit) = limit.filter(|limit| *limit < answer.frame.height()) {
        answer.warnings.push(format!("only the first {limit} of {} rows are kept (auto_limit)", answer.frame.height()));
        answer.frame = Arc::new(answer.frame.head(Some(limit)));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_replaced_line_by_line() {
        let query = "declare query_parameters(a: long,\n b: string = ';');\nT | where a > 1";
        assert_eq!(without_declaration(query), "\n\nT | where a > 1");
        assert_eq!(
            without_declaration("T // declare query_parameters(a: long);"),
            "T // declare query_parameters(a: long);"
        );
    }
}
