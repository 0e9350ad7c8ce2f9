//! The tables of a saved model.

use crate::frames::text_column;
use crate::indexer::index_names;
use crate::model::{Pairs, Side};
use crate::{Access, Error};
use polars::prelude::*;
use std::fs::File;
use std::path::Path;

pub(super) fn write(path: &Path, columns: Vec<Column>) -> Result<(), Error> {
    let fail = |e: &dyn std::fmt::Display| Error::file("write", path, e);
    let height = columns.first().map_or(0, Column::len);
    let mut frame = DataFrame::new(height, columns).map_err(|e| fail(&e))?;
    let file = File::create_new(path).map_err(|e| fail(&e))?;
    let sync = file.try_clone().map_err(|e| fail(&e))?;
    ParquetWriter::new(file).finish(&mut frame).map_err(|e| fail(&e))?;
    sync.sync_all().map_err(|e| fail(&e))
}

pub(super) fn read(path: &Path, rows: Option<usize>) -> Result<DataFrame, Error> {
    let fail = |e: &dyn std::fmt::Display| Error::file("read", path, format!("it is missing or damaged: {e}"));
    let file = File::open(path).map_err(|e| fail(&e))?;
    let frame = ParquetReader::new(file).finish().map_err(|e| fail(&e))?;
    match rows {
        Some(rows) if rows != frame.height() => {
            Err(fail(&format!("it has {} rows, model.json says {rows}", frame.height())))
        }
        _ => Ok(frame),
    }
}

/// A text column without nulls.
pub(super) fn texts(path: &Path, frame: &DataFrame, name: &str) -> Result<Vec<String>, Error> {
    let column = text_column(frame, name).map_err(|e| Error::file("read", path, e))?;
    let required = |text: Option<&str>| text.map(str::to_owned).ok_or_else(|| null(path, name));
    column.iter().map(required).collect()
}

/// An integer column as 64 bits.
pub(super) fn integers(path: &Path, frame: &DataFrame, name: &str) -> Result<Vec<Option<i64>>, Error> {
    let fail = |e: PolarsError| Error::file("read", path, e);
    let column = frame.column(name).map_err(fail)?.strict_cast(&DataType::Int64).map_err(fail)?;
    Ok(column.i64().map_err(fail)?.iter().collect())
}

/// A column of lists of numbers, all of one length, without nulls. Returns them one after the other.
pub(super) fn vectors(path: &Path, frame: &DataFrame, name: &str) -> Result<(usize, Vec<f64>), Error> {
    let fail = |e: PolarsError| Error::file("read", path, e);
    let column = frame.column(name).map_err(fail)?;
    let column = column.cast(&DataType::List(Box::new(DataType::Float64))).map_err(fail)?;
    let lists = column.list().map_err(fail)?;
    let (mut width, mut all) = (None, Vec::new());
    for i in 0..lists.len() {
        let list = lists.get_as_series(i).ok_or_else(|| null(path, name))?;
        if *width.get_or_insert(list.len()) != list.len() {
            return Err(Error::file("read", path, format!("the vectors in `{name}` differ in length")));
        }
        for value in list.f64().map_err(fail)?.iter() {
            all.push(value.ok_or_else(|| null(path, name))?);
        }
    }
    Ok((width.unwrap_or(0), all))
}

fn null(path: &Path, name: &str) -> Error {
    Error::file("read", path, format!("column `{name}` has a null"))
}

pub(super) fn component(path: &Path, value: Option<i64>) -> Result<Option<u32>, Error> {
    let narrow =
        |v: i64| u32::try_from(v).map_err(|_| Error::file("read", path, format!("component {v} is not an id")));
    value.map(narrow).transpose()
}

pub(super) fn write_side(path: &Path, tenants: &[&str], key: &str, side: &Side, width: usize) -> Result<(), Error> {
    let n = side.names.len();
    let mut tenant = Vec::with_capacity(n);
    let mut name = Vec::with_capacity(n);
    for (t, text) in side.names.iter() {
        tenant.push(tenants[t]);
        name.push(text);
    }
    let mut vectors =
        ListPrimitiveChunkedBuilder::<Float64Type>::new("vector".into(), n, side.vectors.len(), DataType::Float64);
    side.vectors.chunks_exact(width).for_each(|vector| vectors.append_slice(vector));
    let components: Vec<Option<i64>> = side.components.iter().map(|c| c.map(i64::from)).collect();
    let columns = vec![
        Column::new("tenant".into(), tenant),
        Column::new(key.into(), name),
        Column::new("component".into(), components),
        vectors.finish().into_series().into_column(),
    ];
    write(path, columns)
}

pub(super) fn read_side(path: &Path, tenants: &[&str], key: &str, width: usize, rows: usize) -> Result<Side, Error> {
    let frame = read(path, Some(rows))?;
    let (tenant, name) = (texts(path, &frame, "tenant")?, texts(path, &frame, key)?);
    let codes = codes(path, tenants, &tenant)?;
    let labels: Vec<&str> = name.iter().map(|n| &**n).collect();
    let (names, ids) = index_names("names in the model", tenants.len(), &codes, &labels)?;
    if names.len() != rows || !ids.iter().copied().eq(0..rows as u32) {
        return Err(Error::file("read", path, "it is damaged: its rows are not sorted and distinct"));
    }
    let (found, vectors) = vectors(path, &frame, "vector")?;
    if rows > 0 && found != width {
        return Err(Error::file("read", path, format!("it is damaged: vectors of {found} numbers, not {width}")));
    }
    let components = integers(path, &frame, "component")?;
    let components = components.into_iter().map(|c| component(path, c)).collect::<Result<_, _>>()?;
    Ok(Side { names, vectors, components })
}

fn codes(path: &Path, tenants: &[&str], of_rows: &[String]) -> Result<Vec<u32>, Error> {
    let code = |tenant: &String| {
        let found = tenants.binary_search(&tenant.as_str()).map(|i| i as u32);
        found.map_err(|_| Error::file("read", path, format!("tenant `{tenant}` is not in model.json")))
    };
    of_rows.iter().map(code).collect()
}

pub(super) fn write_pairs(path: &Path, pairs: &Pairs) -> Result<(), Error> {
    let (users, resources) = pairs.listed();
    write(path, vec![Column::new("user_id".into(), users), Column::new("res_id".into(), resources)])
}

pub(super) fn read_pairs(path: &Path, users: usize, rows: usize) -> Result<Pairs, Error> {
    let frame = read(path, Some(rows))?;
    let ids = |name: &str| -> Result<Vec<u32>, Error> {
        let narrow = |v: Option<i64>| {
            let id = v.and_then(|v| u32::try_from(v).ok());
            id.ok_or_else(|| Error::file("read", path, format!("column `{name}` has what is not an id")))
        };
        integers(path, &frame, name)?.into_iter().map(narrow).collect()
    };
    let (user_ids, resources) = (ids("user_id")?, ids("res_id")?);
    if !user_ids.is_sorted() || user_ids.last().is_some_and(|&u| u as usize >= users) {
        return Err(Error::file("read", path, "it is damaged: its user ids do not fit users.parquet"));
    }
    let offsets = (0..=users).map(|u| user_ids.partition_point(|&id| (id as usize) < u)).collect();
    Ok(Pairs { offsets, resources })
}

pub(super) fn write_history(path: &Path, history: &[Access]) -> Result<(), Error> {
    let text =
        |name: &str, of: fn(&Access) -> &str| Column::new(name.into(), history.iter().map(of).collect::<Vec<_>>());
    write(path, vec![text("tenant", |a| &a.tenant), text("user", |a| &a.user), text("res", |a| &a.res)])
}

pub(super) fn read_history(path: &Path, rows: Option<usize>) -> Result<Vec<Access>, Error> {
    history_of(path, &read(path, rows)?, ["tenant", "user", "res"])
}

pub(super) fn history_of(path: &Path, frame: &DataFrame, names: [&str; 3]) -> Result<Vec<Access>, Error> {
    let [tenant, user, res] = names.map(|name| texts(path, frame, name));
    let keys = tenant?.into_iter().zip(user?).zip(res?);
    Ok(keys.map(|((tenant, user), res)| Access { tenant, user, res }).collect())
}

pub(super) fn write_held_out(path: &Path, tenants: &[&str], held_out: &[Vec<f64>]) -> Result<(), Error> {
    let of = tenants.iter().zip(held_out);
    let tenant: Vec<&str> = of.flat_map(|(t, scores)| std::iter::repeat_n(*t, scores.len())).collect();
    write(path, vec![Column::new("tenant".into(), tenant), Column::new("score".into(), held_out.concat())])
}

pub(super) fn read_held_out(path: &Path, tenants: &[&str], rows: usize) -> Result<Vec<Vec<f64>>, Error> {
    let frame = read(path, Some(rows))?;
    let codes = codes(path, tenants, &texts(path, &frame, "tenant")?)?;
    let fail = |e: PolarsError| Error::file("read", path, e);
    let scores = frame.column("score").map_err(fail)?.f64().map_err(fail)?;
    let mut held_out = vec![Vec::new(); tenants.len()];
    for (code, score) in codes.into_iter().zip(scores.iter()) {
        held_out[code as usize].push(score.ok_or_else(|| null(path, "score"))?);
    }
    Ok(held_out)
}
