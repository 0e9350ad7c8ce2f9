//! Parts of files, put together as one frame.

use std::collections::HashMap;
use std::sync::Mutex;

use huntbook_kql::ticks;
use polars::prelude::*;

use super::json::{Cells, Declared, Decoded, Selection, Texts, Values, Width, datetime};
use crate::{Error, Result};

/// The parts below each other. A column is as wide as the values of all parts need; texts that all are ISO 8601
/// moments become datetimes, unless they were declared as text.
///
/// Wanted columns that no line has are there if they were declared; `optional` says which others are not missed.
pub(super) fn stacked(
    parts: Vec<Decoded>,
    selection: &Selection,
    is_optional: impl Fn(&str) -> bool,
) -> Result<DataFrame> {
    let heights: Vec<usize> = parts.iter().map(|part| part.rows).collect();
    let height = heights.iter().sum();
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<Vec<Option<Cells>>> = Vec::new();
    let count = parts.len();
    let mut add = |name: &str, names: &mut Vec<String>, columns: &mut Vec<Vec<Option<Cells>>>| {
        *places.entry(name.to_owned()).or_insert_with(|| {
            names.push(name.to_owned());
            columns.push((0..count).map(|_| None).collect());
            names.len() - 1
        })
    };
    for wanted in &selection.columns {
        add(&wanted.name, &mut names, &mut columns);
    }
    for (at, part) in parts.into_iter().enumerate() {
        for (name, cells) in part.columns {
            let place = add(&name, &mut names, &mut columns);
            columns[place][at] = Some(cells);
        }
    }
    let declared = |name: &str| selection.columns.iter().find(|wanted| wanted.name == name)?.declared;
    let work: Vec<Job> = names
        .into_iter()
        .zip(columns)
        .map(|(name, cells)| Job { declared: declared(&name), name, cells })
        .filter(|job| {
            let is_seen = job.cells.iter().flatten().any(Cells::is_seen);
            is_seen || job.declared.is_some() || (!is_optional(&job.name) && is_wanted(selection, &job.name))
        })
        .collect();
    let columns = on_all_cores(work, |job| job.column(&heights))?;
    Ok(DataFrame::new(height, columns)?)
}

fn is_wanted(selection: &Selection, name: &str) -> bool {
    selection.columns.iter().any(|wanted| wanted.name == name)
}

/// One column of all parts.
struct Job {
    name: String,
    declared: Option<Declared>,
    cells: Vec<Option<Cells>>,
}

impl Job {
    fn column(self, heights: &[usize]) -> Result<Column> {
        let Job { name, declared, cells } = self;
        let mut cells: Vec<Cells> = cells.into_iter().map(Option::unwrap_or_default).collect();
        cells.iter_mut().zip(heights).for_each(|(cells, height)| cells.fill(*height));
        match declared {
            Some(declared) => {
                for part in cells.iter_mut().filter(|part| part.values == Values::Nothing) {
                    part.values = declared.empty(part.len());
                }
            }
            None => widened(&mut cells),
        }
        let texts = |cells: &[Cells]| declared.is_none() && matches!(common(cells), Values::Text(_));
        let series = match texts(&cells).then(|| moments(&cells)).flatten() {
            Some(ticks) => datetimes(&name, &ticks)?,
            None => built(&name, &cells)?,
        };
        Ok(series.with_name(name.as_str().into()).into_column())
    }
}

/// All parts in the kind that holds the values of all.
fn widened(cells: &mut [Cells]) {
    let wide = cells.iter().fold(Width::Nothing, |wide, part| wide.and(part.width()));
    // A column of nulls is text, as everywhere in KQL.
    let wide = if wide == Width::Nothing { Width::Text } else { wide };
    cells.iter_mut().for_each(|part| part.widen(wide));
    // Whole numbers that are no doubles have made a part of reals wider than the others.
    if cells.iter().any(|part| part.width() != wide) {
        cells.iter_mut().for_each(|part| part.widen(Width::Dynamic));
    }
}

fn common(cells: &[Cells]) -> Values {
    cells.first().map_or(Values::Nothing, |part| match &part.values {
        Values::Text(_) => Values::Text(Default::default()),
        _ => Values::Nothing,
    })
}

fn moments(cells: &[Cells]) -> Option<Vec<Option<i64>>> {
    let texts = cells.iter().flat_map(|part| {
        let texts = match &part.values {
            Values::Text(texts) => Some(texts),
            _ => None,
        };
        let texts = texts.into_iter().flat_map(Texts::iter);
        texts.zip(part.valid()).map(|(text, valid)| valid.then_some(text))
    });
    all_moments(texts)
}

/// The moments that all texts are; `None`: some text is none, or there is no text.
pub(super) fn all_moments<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> Option<Vec<Option<i64>>> {
    let mut found = Vec::new();
    let mut any = false;
    for text in texts {
        let Some(text) = text else {
            found.push(None);
            continue;
        };
        let letters = text.as_bytes();
        // A date alone, or a number that looks like one, stays text.
        if letters.len() < 19 || !letters[0].is_ascii_digit() || letters[10] != b'T' {
            return None;
        }
        found.push(Some(datetime(text)?));
        any = true;
    }
    any.then_some(found)
}

fn built(name: &str, cells: &[Cells]) -> Result<Series> {
    macro_rules! numbers {
        ($kind:path, $chunked:ty) => {{
            let values = cells.iter().flat_map(|part| {
                let values: &[_] = match &part.values {
                    $kind(values) => values,
                    _ => &[],
                };
                values.iter().zip(part.valid()).map(|(value, valid)| valid.then_some(*value))
            });
            values.collect::<$chunked>().into_series()
        }};
    }
    let ticks_of = |pick: fn(&Values) -> Option<&Vec<i64>>| -> Vec<Option<i64>> {
        let part = |part: &'_ Cells| -> Vec<Option<i64>> {
            let values = pick(&part.values).map(Vec::as_slice).unwrap_or_default();
            values.iter().zip(part.valid()).map(|(value, valid)| valid.then_some(*value)).collect()
        };
        cells.iter().flat_map(part).collect()
    };
    Ok(match cells.first().map(|part| &part.values) {
        None | Some(Values::Nothing) => {
            let rows = cells.iter().map(Cells::len).sum();
            StringChunked::full_null(name.into(), rows).into_series()
        }
        Some(Values::Bool(_)) => numbers!(Values::Bool, BooleanChunked),
        Some(Values::Int(_)) => numbers!(Values::Int, Int32Chunked),
        Some(Values::Long(_)) => numbers!(Values::Long, Int64Chunked),
        Some(Values::Real(_)) => numbers!(Values::Real, Float64Chunked),
        Some(Values::Datetime(_)) => {
            let ticks = ticks_of(|values| match values {
                Values::Datetime(ticks) => Some(ticks),
                _ => None,
            });
            datetimes(name, &ticks)?
        }
        Some(Values::Timespan(_)) => {
            let ticks = ticks_of(|values| match values {
                Values::Timespan(ticks) => Some(ticks),
                _ => None,
            });
            let (values, unit) = scaled(name, &ticks, 0)?;
            values.into_series().cast(&DataType::Duration(unit))?
        }
        Some(Values::Text(_) | Values::Dynamic(_)) => {
            let rows = cells.iter().map(Cells::len).sum();
            let mut texts = StringChunkedBuilder::new(name.into(), rows);
            for part in cells {
                if let Values::Text(part_texts) | Values::Dynamic(part_texts) = &part.values {
                    part_texts
                        .iter()
                        .zip(part.valid())
                        .for_each(|(text, valid)| texts.append_option(valid.then_some(text)));
                }
            }
            texts.finish().into_series()
        }
    })
}

pub(super) fn datetimes(name: &str, ticks: &[Option<i64>]) -> Result<Series> {
    let (values, unit) = scaled(name, ticks, ticks::UNIX_EPOCH)?;
    Ok(values.into_series().cast(&DataType::Datetime(unit, None))?)
}

/// Ticks as nanoseconds, or as microseconds where the years are beyond 1677 to 2262.
fn scaled(name: &str, ticks: &[Option<i64>], origin: i64) -> Result<(Int64Chunked, TimeUnit)> {
    let nanoseconds = |ticks: i64| ticks.checked_sub(origin)?.checked_mul(100);
    if ticks.iter().flatten().all(|ticks| nanoseconds(*ticks).is_some()) {
        let values = ticks.iter().map(|ticks| ticks.and_then(nanoseconds));
        return Ok((values.collect(), TimeUnit::Nanoseconds));
    }
    if ticks.iter().flatten().all(|ticks| ticks % 10 == 0) {
        let values = ticks.iter().map(|ticks| ticks.map(|ticks| (ticks - origin) / 10));
        return Ok((values.collect(), TimeUnit::Microseconds));
    }
    Err(Error::new(
        "BlobError",
        format!(
            "the column `{name}` has moments with 100 ns digits beside years outside 1677 to 2262, which a frame cannot hold: read it as text (--schema {name}:string)"
        ),
    ))
}

/// Does the jobs, keeping their order.
fn on_all_cores<J: Send, R: Send>(jobs: Vec<J>, work: impl Fn(J) -> Result<R> + Sync) -> Result<Vec<R>> {
    let count = jobs.len();
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let results: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::with_capacity(count));
    let next = || jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(count).max(1);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, job)) = next() {
                    let result = work(job);
                    results.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::super::json::{BadLines, Decoder, Wanted};
    use super::*;

    fn frame(parts: &[&str], selection: &Selection) -> DataFrame {
        let mut decoder = Decoder::new(selection, BadLines::Error);
        let parts = parts.iter().map(|part| {
            let decoded = decoder.decode(part.as_bytes());
            assert_eq!(decoded.bad, []);
            decoded
        });
        stacked(parts.collect(), selection, |_| false).unwrap()
    }

    fn types(frame: &DataFrame) -> Vec<String> {
        frame
            .columns()
            .iter()
            .map(|column| format!("{}:{}", column.name(), crate::table::type_name(column.dtype())))
            .collect()
    }

    #[test]
    fn columns_hold_the_values_of_all_parts() {
        let open = Selection { open: true, ..Selection::default() };
        let frame = frame(
            &[
                "{\"n\":1,\"t\":\"2026-11-20T01:02:03.1234567Z\",\"x\":1}\n{\"n\":2}",
                "{\"n\":0.5,\"x\":\"a\",\"late\":null}\n{\"t\":null}",
            ],
            &open,
        );
        assert_eq!(types(&frame), ["n:real", "t:datetime", "x:string", "late:string"]);
        assert_eq!(frame.height(), 4);
        let texts: Vec<Option<&str>> = frame.column("x").unwrap().str().unwrap().iter().collect();
        assert_eq!(texts, [Some("1"), None, Some("\"a\""), None]);
        assert_eq!(frame.column("t").unwrap().null_count(), 3);
        assert_eq!(frame.column("n").unwrap().f64().unwrap().sum(), Some(3.5));
    }

    #[test]
    fn declared_columns_are_there_even_if_no_line_has_them() {
        let wanted = |name: &str, declared| Wanted { name: name.into(), declared };
        let selection = Selection {
            columns: vec![
                wanted("id", Some(Declared::Int)),
                wanted("gone", Some(Declared::Datetime)),
                wanted("text", Some(Declared::String)),
            ],
            ..Selection::default()
        };
        let frame = frame(&["{\"id\":\"7\",\"text\":\"2026-11-20T01:02:03Z\",\"more\":1}"], &selection);
        assert_eq!(types(&frame), ["id:int", "gone:datetime", "text:string"]);
    }

    #[test]
    fn years_beyond_nanoseconds_are_kept() {
        let open = Selection { open: true, ..Selection::default() };
        let frame = frame(&["{\"t\":\"0001-01-01T00:00:00Z\"}\n{\"t\":\"9999-12-31T23:59:59Z\"}"], &open);
        assert_eq!(frame.column("t").unwrap().dtype(), &DataType::Datetime(TimeUnit::Microseconds, None));
    }
}
