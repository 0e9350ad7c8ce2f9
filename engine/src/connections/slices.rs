//! Several requests at a time, some of which turn out to be too large and are cut.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use polars::prelude::*;

use super::columns::Rows;
use crate::frames::column_names;
use crate::time_range::TimeRange;
use crate::{Error, Result};

/// So many pieces are no longer a query, but an export.
const MOST_PIECES: usize = 5_000;

/// What became of a piece of work.
pub(crate) enum Outcome<W, T> {
    Done(T),
    /// It is too large: these pieces make it up.
    Cut(Vec<W>),
}

/// Does all pieces of work, `parallel` at a time. The first error ends it. Results come in no order.
///
/// Errors: those of `work`, and more pieces than sensible.
pub(crate) fn pool<W: Send + Sync, T: Send>(
    pieces: Vec<W>,
    parallel: usize,
    work: impl Fn(&W) -> Result<Outcome<W, T>> + Sync,
) -> Result<Vec<(W, T)>> {
    let queue = Mutex::new(Queue { waiting: pieces.into(), running: 0, begun: 0, done: Vec::new(), error: None });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..parallel.max(1) {
            scope.spawn(|| worker(&queue, &changed, &work));
        }
    });
    let queue = queue.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    queue.error.map_or(Ok(queue.done), Err)
}

struct Queue<W, T> {
    waiting: VecDeque<W>,
    running: usize,
    begun: usize,
    done: Vec<(W, T)>,
    error: Option<Error>,
}

fn worker<W, T>(queue: &Mutex<Queue<W, T>>, changed: &Condvar, work: &impl Fn(&W) -> Result<Outcome<W, T>>) {
    let lock = || -> MutexGuard<'_, Queue<W, T>> { queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) };
    loop {
        let mut held = lock();
        let piece = loop {
            if held.error.is_some() || (held.waiting.is_empty() && held.running == 0) {
                return;
            }
            if let Some(piece) = held.waiting.pop_front() {
                break piece;
            }
            held = changed.wait(held).unwrap_or_else(|poisoned| poisoned.into_inner());
        };
        held.running += 1;
        held.begun += 1;
        let too_many = held.begun > MOST_PIECES;
        drop(held);
        let result = if too_many {
            Err(Error::new(
                "QueryError",
                format!(
                    "the answer would take more than {MOST_PIECES} requests: ask for a shorter time range, fewer columns or a summary"
                ),
            ))
        } else {
            work(&piece)
        };
        let mut held = lock();
        held.running -= 1;
        match result {
            Ok(Outcome::Done(done)) => held.done.push((piece, done)),
            Ok(Outcome::Cut(pieces)) => held.waiting.extend(pieces),
            Err(error) => {
                held.error.get_or_insert(error);
            }
        }
        drop(held);
        changed.notify_all();
    }
}

/// Rows below each other. Columns are matched by name; `mark` is a column that says which part a row is from.
///
/// Errors: a column that has different types in the parts, with their names.
pub(crate) fn stacked(mut parts: Vec<(String, Rows)>, mark: Option<&str>) -> Result<Rows> {
    let mut columns: Vec<(String, huntbook_kql::KqlType, String)> = Vec::new();
    for (part, rows) in &parts {
        for (name, kind) in column_names(&rows.frame).zip(&rows.types) {
            match columns.iter().find(|(known, _, _)| known == name) {
                None => columns.push((name.to_owned(), *kind, part.clone())),
                Some((_, known, _)) if known == kind => {}
                Some((_, known, first)) => {
                    return Err(Error::new(
                        "ColumnError",
                        format!(
                            "the column `{name}` is {} in {first} and {} in {part}: convert it in the query, or ask them one by one",
                            known.name(),
                            kind.name()
                        ),
                    ));
                }
            }
        }
    }
    let mut types: Vec<huntbook_kql::KqlType> = columns.iter().map(|(_, kind, _)| *kind).collect();
    in_common_types(&mut parts)?;
    let mut frames = Vec::with_capacity(parts.len());
    for (part, rows) in parts {
        let mut frame = rows.frame.lazy();
        if let Some(mark) = mark {
            frame = frame.with_column(lit(part).alias(mark));
        }
        frames.push(frame);
    }
    if mark.is_some() {
        types.push(huntbook_kql::KqlType::String);
    }
    let names: Vec<Expr> = columns
        .iter()
        .map(|(name, _, _)| name.as_str())
        .chain(mark)
        .map(|name| col(PlSmallStr::from_str(name)))
        .collect();
    let frame =
        concat_lf_diagonal(frames, UnionArgs { rechunk: false, ..UnionArgs::default() })?.select(names).collect()?;
    Ok(Rows { frame, types })
}

/// Each part has datetimes in the unit, and decimals at the scale, that holds its own values: together they need one
/// that holds all.
///
/// Errors: there is none, with the column's name.
fn in_common_types(parts: &mut [(String, Rows)]) -> Result<()> {
    let mut wanted: Vec<(PlSmallStr, DataType)> = Vec::new();
    for column in parts.iter().flat_map(|(_, rows)| rows.frame.columns()) {
        let known = wanted.iter_mut().find(|(name, _)| name == column.name());
        match (known, column.dtype()) {
            (None, DataType::Datetime(..) | DataType::Duration(_) | DataType::Decimal(..)) => {
                wanted.push((column.name().clone(), column.dtype().clone()));
            }
            (
                Some((_, known)),
                DataType::Datetime(TimeUnit::Nanoseconds, _) | DataType::Duration(TimeUnit::Nanoseconds),
            ) => {
                *known = column.dtype().clone();
            }
            (Some((_, DataType::Decimal(_, known))), DataType::Decimal(_, scale)) => *known = (*known).max(*scale),
            _ => {}
        }
    }
    for (_, rows) in parts {
        for (name, kind) in &wanted {
            let Ok(column) = rows.frame.column(name) else { continue };
            if column.dtype() == kind {
                continue;
            }
            let cast = column.strict_cast(kind).ok().filter(|_| !overflows(column, kind));
            let cast = cast.ok_or_else(|| {
                let message = format!(
                    "the values of the column `{name}` do not fit one column: bin() or round() it in the query"
                );
                Error::new("ColumnError", message)
            })?;
            rows.frame.with_column(cast)?;
        }
    }
    Ok(())
}

/// Microseconds as nanoseconds: polars multiplies without looking.
fn overflows(column: &Column, kind: &DataType) -> bool {
    let to_nanoseconds =
        matches!(kind, DataType::Datetime(TimeUnit::Nanoseconds, _) | DataType::Duration(TimeUnit::Nanoseconds));
    let fits = |values: &Int64Chunked| values.iter().flatten().all(|value| value.checked_mul(1000).is_some());
    to_nanoseconds && !column.to_physical_repr().i64().is_ok_and(fits)
}

/// Slices in order of time.
pub(crate) fn in_order<T>(mut slices: Vec<(TimeRange, T)>) -> Vec<(TimeRange, T)> {
    slices.sort_by_key(|(range, _)| range.from);
    slices
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use huntbook_kql::{KqlType, ticks};

    use super::*;

    #[test]
    fn what_is_too_large_is_cut_until_it_fits() {
        let hour = TimeRange { from: ticks::UNIX_EPOCH, to: ticks::UNIX_EPOCH + ticks::HOUR };
        let asked = AtomicUsize::new(0);
        let found = pool(vec![hour], 4, |range| {
            asked.fetch_add(1, Ordering::SeqCst);
            let seconds = (range.to - range.from) / ticks::SECOND;
            Ok(if seconds > 1000 { Outcome::Cut(range.halves().unwrap().to_vec()) } else { Outcome::Done(seconds) })
        });
        let found = in_order(found.unwrap());
        assert_eq!(found.iter().map(|(_, seconds)| seconds).sum::<i64>(), 3600);
        assert!(found.windows(2).all(|pair| pair[0].0.to == pair[1].0.from));
        assert_eq!((found.len(), asked.load(Ordering::SeqCst)), (4, 7));
    }

    #[test]
    fn the_first_error_ends_it() {
        let asked = AtomicUsize::new(0);
        let result = pool((0..100).collect(), 2, |n: &i32| {
            asked.fetch_add(1, Ordering::SeqCst);
            if *n == 3 { Err(Error::new("X", "no")) } else { Ok(Outcome::Done(*n)) }
        });
        assert_eq!(result.unwrap_err().kind, "X");
        assert!(asked.load(Ordering::SeqCst) < 100);
        let endless = pool(vec![0], 2, |_| Ok(Outcome::<i32, ()>::Cut(vec![0, 0])));
        assert!(endless.unwrap_err().message.contains("5000"));
    }

    fn rows(frame: DataFrame, types: &[KqlType]) -> Rows {
        Rows { frame, types: types.to_vec() }
    }

    #[test]
    fn parts_are_matched_by_name_and_marked() {
        let first = rows(df!("a" => [1i64], "b" => ["x"]).unwrap(), &[KqlType::Long, KqlType::String]);
        let second = rows(df!("b" => ["y"], "c" => [true]).unwrap(), &[KqlType::String, KqlType::Bool]);
        let both = stacked(vec![("w1".into(), first.clone()), ("w2".into(), second)], Some("_workspace")).unwrap();
        assert_eq!(column_names(&both.frame).collect::<Vec<_>>(), ["a", "b", "c", "_workspace"]);
        assert_eq!((both.frame.height(), both.types.len()), (2, 4));
        let other = rows(df!("a" => ["1"]).unwrap(), &[KqlType::String]);
        let error = stacked(vec![("w1".into(), first), ("w2".into(), other)], None).unwrap_err();
        assert!(error.message.contains("`a`") && error.message.contains("w2"), "{error}");
    }

    #[test]
    fn datetimes_of_different_units_fit_together() {
        let part = |unit, value: i64| {
            let times = Int64Chunked::new("t".into(), [value]).into_datetime(unit, None).into_column();
            rows(DataFrame::new(1, vec![times]).unwrap(), &[KqlType::Datetime])
        };
        let parts = vec![("a".into(), part(TimeUnit::Microseconds, 5)), ("b".into(), part(TimeUnit::Nanoseconds, 100))];
        let both = stacked(parts, None).unwrap();
        let values: Vec<_> = both.frame.columns()[0].to_physical_repr().i64().unwrap().iter().collect();
        assert_eq!(values, [Some(5_000), Some(100)]);
        let old = -62_135_596_800_000_000;
        let parts =
            vec![("a".into(), part(TimeUnit::Microseconds, old)), ("b".into(), part(TimeUnit::Nanoseconds, 100))];
        assert!(stacked(parts, None).unwrap_err().message.contains("`t`"));
    }
}
