//! Groups the rows of each batch before polars groups them all.
//!
//! polars' hash table reads the bytes of every key of every row. Here two texts are the same if their 16-byte views
//! are: texts of up to 12 bytes lie in their view, and longer ones share their bytes where a dictionary-encoded
//! Parquet column repeats them. Only one row for each group of a batch goes on to polars. A batch whose keys hardly
//! repeat goes on as it is. O(rows x keys) a batch, with room for the groups of a batch.

use std::sync::Arc;

use polars::prelude::*;

use crate::rows::named;

/// Rows that tell whether the keys of a batch repeat.
const PROBED: usize = 4096;

/// How the rows of a group become one, over integers; folding what was folded gives the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Rows,
    Sum,
    Min,
    Max,
}

/// An aggregate whose batches can be folded: the column it reads (none for [`Fold::Rows`]), and its own name.
#[derive(Debug, Clone)]
pub(super) struct Folded {
    pub(super) fold: Fold,
    pub(super) argument: Option<PlSmallStr>,
    pub(super) name: PlSmallStr,
}

impl Folded {
    /// The same over all batches.
    fn over_batches(&self) -> Expr {
        let batches = named(&self.name);
        match self.fold {
            Fold::Rows | Fold::Sum => batches.sum(),
            Fold::Min => batches.min(),
            Fold::Max => batches.max(),
        }
        .alias(self.name.clone())
    }
}

/// `summarize` of rows that come in batches: a row for each group, with the keys and the aggregates as Int64.
/// `frame` has the keys and the arguments only.
pub(super) fn summarized(frame: LazyFrame, keys: &[PlSmallStr], aggregates: Vec<Folded>) -> LazyFrame {
    let over_batches: Vec<Expr> = aggregates.iter().map(Folded::over_batches).collect();
    let groups: Vec<Expr> = keys.iter().map(named).collect();
    in_batches(frame, keys, aggregates).group_by(groups).agg(over_batches)
}

/// The distinct rows of rows that come in batches.
pub(super) fn distinct(frame: LazyFrame, columns: &[PlSmallStr]) -> LazyFrame {
    in_batches(frame, columns, Vec::new()).unique(None, UniqueKeepStrategy::Any)
}

fn in_batches(frame: LazyFrame, keys: &[PlSmallStr], aggregates: Vec<Folded>) -> LazyFrame {
    let keys: Arc<[PlSmallStr]> = keys.into();
    let (folded, named_keys) = (aggregates.clone(), keys.clone());
    let schema = move |input: &Schema| -> PolarsResult<SchemaRef> {
        let mut output = Schema::with_capacity(named_keys.len() + folded.len());
        for key in named_keys.iter() {
            output.insert(key.clone(), input.try_get(key)?.clone());
        }
        output.extend(folded.iter().map(|aggregate| (aggregate.name.clone(), DataType::Int64)));
        Ok(Arc::new(output))
    };
    let run = move |batch: DataFrame| one_per_group(&batch, &keys, &aggregates);
    frame.map(run, AllowedOptimizations::STREAMING, Some(Arc::new(schema)), Some("groups of a batch"))
}

fn one_per_group(batch: &DataFrame, keys: &[PlSmallStr], aggregates: &[Folded]) -> PolarsResult<DataFrame> {
    let keys = keys.iter().map(|key| batch.column(key).cloned()).collect::<PolarsResult<Vec<_>>>()?;
    let Some(groups) = Groups::of(&keys, batch.height())? else {
        let alone = |aggregate: &Folded| aggregate.of_single_rows(batch);
        let columns: PolarsResult<Vec<Column>> = keys.into_iter().map(Ok).chain(aggregates.iter().map(alone)).collect();
        return DataFrame::new(batch.height(), columns?);
    };
    let firsts = IdxCa::from_slice(PlSmallStr::EMPTY, &groups.firsts);
    let keys = keys.iter().map(|key| key.take(&firsts));
    let columns: PolarsResult<Vec<Column>> =
        keys.chain(aggregates.iter().map(|a| a.of_groups(batch, &groups))).collect();
    DataFrame::new(groups.firsts.len(), columns?)
}

impl Folded {
    /// Each row is a group.
    fn of_single_rows(&self, batch: &DataFrame) -> PolarsResult<Column> {
        let Some(values) = self.values(batch)? else {
            return Ok(Int64Chunked::full(self.name.clone(), 1, batch.height()).into_column());
        };
        Ok(values.with_name(self.name.clone()).into_column())
    }

    fn of_groups(&self, batch: &DataFrame, groups: &Groups) -> PolarsResult<Column> {
        let Some(values) = self.values(batch)? else {
            let mut counts = vec![0i64; groups.firsts.len()];
            groups.ids.iter().for_each(|id| counts[*id as usize] += 1);
            return Ok(Int64Chunked::from_vec(self.name.clone(), counts).into_column());
        };
        let choose: fn(i64, i64) -> i64 = match self.fold {
            Fold::Rows | Fold::Sum => i64::wrapping_add,
            Fold::Min => i64::min,
            Fold::Max => i64::max,
        };
        let mut folded: Vec<Option<i64>> = vec![None; groups.firsts.len()];
        for (id, value) in groups.ids.iter().zip(values.iter()) {
            let Some(value) = value else { continue };
            let so_far = &mut folded[*id as usize];
            *so_far = Some(so_far.map_or(value, |known| choose(known, value)));
        }
        Ok(folded.into_iter().collect::<Int64Chunked>().with_name(self.name.clone()).into_column())
    }

    fn values(&self, batch: &DataFrame) -> PolarsResult<Option<Int64Chunked>> {
        let Some(argument) = &self.argument else { return Ok(None) };
        Ok(Some(batch.column(argument)?.cast(&DataType::Int64)?.i64()?.clone()))
    }
}

/// Which rows of a batch have equal keys. Rows of one group have equal keys; equal keys may be in several groups.
struct Groups {
    /// The group of each row, counted from 0 as they appear
    ids: Vec<IdxSize>,
    /// The first row of each group
    firsts: Vec<IdxSize>,
}

impl Groups {
    /// `None` if about half of the rows would be groups of their own.
    fn of(keys: &[Column], height: usize) -> PolarsResult<Option<Self>> {
        if height > PROBED {
            let probe: Vec<Column> = keys.iter().map(|key| key.slice(0, PROBED)).collect();
            let repeated = PROBED - Self::all(&probe, PROBED)?.firsts.len();
            // Of G equally frequent groups, n rows repeat about n²/2G: fewer than n²/height tell of G > height/2.
            if repeated < (PROBED * PROBED / height).min(PROBED / 2) {
                return Ok(None);
            }
        }
        Self::all(keys, height).map(Some)
    }

    fn all(keys: &[Column], height: usize) -> PolarsResult<Self> {
        let mut groups = Numbered { ids: vec![0; height], count: 1 };
        for (at, key) in keys.iter().enumerate() {
            let values = distinct_values(&key.as_materialized_series().rechunk())?;
            groups = if at == 0 { values } else { groups.split(&values) };
        }
        let mut firsts = Vec::with_capacity(groups.count);
        for (row, id) in groups.ids.iter().enumerate() {
            if *id as usize == firsts.len() {
                firsts.push(row as IdxSize);
            }
        }
        Ok(Self { ids: groups.ids, firsts })
    }
}

/// A number for each row, below `count`, given out as they appear.
struct Numbered {
    ids: Vec<IdxSize>,
    count: usize,
}

impl Numbered {
    fn by<T: Copy + Eq>(rows: impl ExactSizeIterator<Item = T>, mut number: impl FnMut(T, IdxSize) -> IdxSize) -> Self {
        let mut count = 0;
        let mut before = None;
        let mut ids = Vec::with_capacity(rows.len());
        ids.extend(rows.map(|value| match before {
            // Rows come in runs where the file is sorted, as hours are.
            Some((same, id)) if same == value => id,
            _ => {
                let id = number(value, count);
                count = count.max(id + 1);
                before = Some((value, id));
                id
            }
        }));
        Self { ids, count: count as usize }
    }

    fn hashed<T: Copy + Eq + std::hash::Hash>(rows: impl ExactSizeIterator<Item = T>) -> Self {
        let mut known: PlHashMap<T, IdxSize> = PlHashMap::new();
        Self::by(rows, |value, next| *known.entry(value).or_insert(next))
    }

    /// Values below `bound`, looked up in a table of that size.
    fn tabled(rows: impl ExactSizeIterator<Item = usize>, bound: usize) -> Self {
        let mut known = vec![IdxSize::MAX; bound];
        Self::by(rows, |value, next| {
            let id = &mut known[value];
            if *id == IdxSize::MAX {
                *id = next;
            }
            *id
        })
    }

    /// The pairs of two numbers.
    fn split(&self, by: &Self) -> Self {
        let pairs = self.ids.iter().zip(&by.ids).map(|(left, right)| *left as usize * by.count + *right as usize);
        let bound = self.count * by.count;
        if bound <= table_size(pairs.len()) { Self::tabled(pairs, bound) } else { Self::hashed(pairs) }
    }
}

/// The largest table that is cheap for so many rows.
fn table_size(rows: usize) -> usize {
    2 * rows + 64
}

fn distinct_values(key: &Series) -> PolarsResult<Numbered> {
    Ok(match key.dtype() {
        DataType::Boolean => Numbered::tabled(key.bool()?.iter().map(|hit| hit.map_or(2, usize::from)), 3),
        DataType::Int32 | DataType::Int64 => integers(key.cast(&DataType::Int64)?.i64()?),
        DataType::Float64 => Numbered::hashed(key.f64()?.iter().map(|value| value.map(f64::to_bits))),
        // The views are only comparable within one array.
        DataType::String if key.null_count() == 0 && key.n_chunks() == 1 => {
            let texts = key.str()?.downcast_iter().next();
            Numbered::hashed(texts.map_or(&[][..], |texts| texts.views()).iter().map(|view| view.as_u128()))
        }
        // Strings have no nulls in KQL; where some are, each row is a group.
        _ => Numbered { ids: (0..key.len() as IdxSize).collect(), count: key.len() },
    })
}

fn integers(values: &Int64Chunked) -> Numbered {
    let (Some(least), Some(most)) = (values.min(), values.max()) else {
        return Numbered { ids: vec![0; values.len()], count: 1 };
    };
    let range = most.abs_diff(least);
    if range < table_size(values.len()) as u64 {
        let bound = range as usize + 2;
        return Numbered::tabled(
            values.iter().map(|value| value.map_or(bound - 1, |value| value.abs_diff(least) as usize)),
            bound,
        );
    }
    Numbered::hashed(values.iter())
}
