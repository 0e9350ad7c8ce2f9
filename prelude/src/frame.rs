//! Handles on frames that the engine holds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use huntbook_wire::columns::{self, ColumnFile};
use huntbook_wire::{DataType, FrameInfo, JoinKind, Plan, Request, Response, SortKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::expr::{Expr, IntoName};
use crate::transfer::{self, FromColumn, IntoColumn};
use crate::{Error, Result, client};

/// A handle on rows in the engine. Methods build a plan and cost nothing; [`Frame::rows`], [`Frame::column`],
/// [`Frame::height`], showing it and writing it run the plan.
#[derive(Clone)]
pub struct Frame {
    plan: Plan,
    /// Known once the engine has run the plan.
    info: Arc<OnceLock<FrameInfo>>,
    /// Keeps the engine's frames alive that the plan reads.
    sources: Vec<Arc<Held>>,
}

/// A frame id that this cell process holds; the engine lets go of the rows when the last handle is dropped.
struct Held(u64);

impl Drop for Held {
    fn drop(&mut self) {
        client::tell(&Request::Release { frames: vec![self.0] });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    Ascending,
    Descending,
}

/// The frame with this name: what `%kql name << ...` made, or a handle published by a query.
///
/// # Panics
/// When no frame has the name; the message lists those there are.
pub fn frame(name: &str) -> Frame {
    let info = client::call(&Request::Resolve { name: name.to_owned() }).and_then(Frame::expect_info);
    Frame::from_info(info.unwrap_or_else(|error| panic!("{error}")))
}

/// Makes a frame of Rust values: `frame_of(vec![Access { user, res }])?`. Fields become columns.
pub fn frame_of<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<Frame> {
    Frame::upload(&transfer::columns_of(rows)?)
}

impl Frame {
    /// Makes a frame of whole columns.
    pub fn from_columns<'a>(columns: impl IntoIterator<Item = (&'a str, Box<dyn IntoColumn>)>) -> Result<Frame> {
        let columns: Vec<_> =
            columns.into_iter().map(|(name, column)| (name.to_owned(), column.into_column())).collect();
        Frame::upload(&columns)
    }

    fn upload(columns: &[(String, columns::Column)]) -> Result<Frame> {
        let path = transfer::transfer_path();
        columns::write(&path, columns)
            .map_err(|error| Error::new("ColumnError", format!("cannot hand the columns over: {error}")))?;
        let answer = client::call(&Request::Upload { path: path.clone() });
        let _ = std::fs::remove_file(path);
        Ok(Frame::from_info(Frame::expect_info(answer?)?))
    }

    pub(crate) fn from_info(info: FrameInfo) -> Frame {
        let plan = Plan::Frame { id: info.id };
        let sources = vec![Arc::new(Held(info.id))];
        Frame { plan, info: Arc::new(OnceLock::from(info)), sources }
    }

    pub(crate) fn expect_info(response: Response) -> Result<FrameInfo> {
        match response {
            Response::Frame(info) => Ok(info),
            other => {
                Err(Error::new("EngineError", format!("the engine answered {other:?} where a frame was expected")))
            }
        }
    }

    #[doc(hidden)]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn then(&self, plan: impl FnOnce(Box<Plan>) -> Plan) -> Frame {
        Frame { plan: plan(Box::new(self.plan.clone())), info: Arc::default(), sources: self.sources.clone() }
    }

    /// Rows where the predicate is true.
    pub fn filter(&self, predicate: Expr) -> Frame {
        self.then(|input| Plan::Filter { input, predicate: predicate.0 })
    }

    /// Only these columns: `select([col("user"), col("score").round(2)])` or `select(["user", "score"])`.
    pub fn select<E: IntoName>(&self, exprs: impl IntoIterator<Item = E>) -> Frame {
        let exprs = exprs.into_iter().map(|expr| expr.into_column().0).collect();
        self.then(|input| Plan::Select { input, exprs })
    }

    /// Adds or replaces columns; name them with [`Expr::alias`].
    pub fn with_columns(&self, exprs: impl IntoIterator<Item = Expr>) -> Frame {
        let exprs = exprs.into_iter().map(|expr| expr.0).collect();
        self.then(|input| Plan::WithColumns { input, exprs })
    }

    /// Adds or replaces one column.
    pub fn with_column(&self, expr: Expr) -> Frame {
        self.with_columns([expr])
    }

    pub fn drop<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Frame {
        let columns = columns.into_iter().map(str::to_owned).collect();
        self.then(|input| Plan::Drop { input, columns })
    }

    pub fn rename(&self, from: &str, to: &str) -> Frame {
        self.then(|input| Plan::Rename { input, from: vec![from.to_owned()], to: vec![to.to_owned()] })
    }

    /// Groups for [`GroupBy::agg`]; groups keep the order of their first row.
    pub fn group_by<E: IntoName>(&self, keys: impl IntoIterator<Item = E>) -> GroupBy {
        GroupBy { frame: self.clone(), keys: keys.into_iter().map(IntoName::into_column).collect() }
    }

    /// Joins on columns of the same name; colliding right columns get the suffix `_right`.
    pub fn join<E: IntoName + Clone>(&self, right: &Frame, on: impl IntoIterator<Item = E>, kind: JoinKind) -> Frame {
        let on: Vec<_> = on.into_iter().map(|key| key.into_column().0).collect();
        let mut joined = self.then(|left| Plan::Join {
            left,
            right: Box::new(right.plan.clone()),
            left_on: on.clone(),
            right_on: on,
            kind,
        });
        joined.sources.extend(right.sources.iter().cloned());
        joined
    }

    /// Sorts by one column: `sort("score", desc())`.
    pub fn sort<E: IntoName>(&self, by: E, order: SortOrder) -> Frame {
        self.sort_by([(by, order)])
    }

    /// Sorts by several columns, the first one first.
    pub fn sort_by<E: IntoName>(&self, by: impl IntoIterator<Item = (E, SortOrder)>) -> Frame {
        let key = |(expr, order): (E, SortOrder)| SortKey {
            expr: expr.into_column().0,
            descending: order == SortOrder::Descending,
        };
        let by = by.into_iter().map(key).collect();
        self.then(|input| Plan::Sort { input, by })
    }

    /// The first rows.
    pub fn head(&self, rows: usize) -> Frame {
        self.then(|input| Plan::Head { input, rows: rows as u64 })
    }

    /// The last rows.
    pub fn tail(&self, rows: usize) -> Frame {
        self.then(|input| Plan::Tail { input, rows: rows as u64 })
    }

    /// Distinct rows over these columns (`[""; 0]` for all); the first of each is kept.
    pub fn unique<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Frame {
        let columns = columns.into_iter().map(str::to_owned).collect();
        self.then(|input| Plan::Unique { input, columns })
    }

    /// One row per element of list columns.
    pub fn explode<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Frame {
        let columns = columns.into_iter().map(str::to_owned).collect();
        self.then(|input| Plan::Explode { input, columns })
    }

    /// The other frame's rows below this one's, columns matched by name.
    pub fn concat(&self, below: &Frame) -> Frame {
        let mut both = self.then(|input| Plan::Concat { inputs: vec![*input, below.plan.clone()] });
        both.sources.extend(below.sources.iter().cloned());
        both
    }

    /// KQL on this frame: `hits.kql("where score > 1 | top 20 by score")?`. The query runs now, so that a mistake
    /// in it is this cell's error.
    pub fn kql(&self, query: &str) -> Result<Frame> {
        self.then(|input| Plan::Kql { input, query: query.to_owned() }).collect()
    }

    /// Runs the plan and keeps its rows in the engine.
    pub fn collect(&self) -> Result<Frame> {
        if let Plan::Frame { .. } = self.plan {
            return Ok(self.clone());
        }
        let response = client::call(&Request::Collect { plan: self.plan.clone() })?;
        Ok(Frame::from_info(Frame::expect_info(response)?))
    }

    /// What the engine knows of the rows; runs the plan at the first call.
    fn info(&self) -> Result<&FrameInfo> {
        if self.info.get().is_none() {
            let collected = self.collect()?;
            let info = collected.info.get().cloned().ok_or_else(|| Error::new("EngineError", "no frame came back"))?;
            let _ = self.info.set(info);
        }
        self.info.get().ok_or_else(|| Error::new("EngineError", "no frame came back"))
    }

    /// Number of rows.
    ///
    /// # Panics
    /// When the plan cannot run (an unknown column, say): the panic is the cell's error.
    pub fn height(&self) -> usize {
        self.info().unwrap_or_else(|error| panic!("{error}")).rows as usize
    }

    /// Number of columns. Panics as [`Frame::height`].
    pub fn width(&self) -> usize {
        self.schema().unwrap_or_else(|error| panic!("{error}")).len()
    }

    /// Column names and types, without running the plan.
    pub fn schema(&self) -> Result<Vec<(String, DataType)>> {
        if let Some(info) = self.info.get() {
            return Ok(info.columns.clone());
        }
        match client::call(&Request::Schema { plan: self.plan.clone() })? {
            Response::Schema(columns) => Ok(columns),
            other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
        }
    }

    /// All rows as Rust values: `hits.rows::<Access>()?` with `#[derive(Deserialize)] struct Access {..}`. Fields
    /// are matched to columns by name; columns without a field are not transferred when `T` is a struct.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let file = self.transfer(transfer::field_names::<T>())?;
        (0..file.rows()).map(|row| transfer::row(&file, row)).collect()
    }

    /// One column: `hits.column::<f64>("score")?`; `Option<f64>` where there are nulls.
    pub fn column<T: FromColumn>(&self, name: &str) -> Result<Vec<T>> {
        let file = self.transfer(vec![name.to_owned()])?;
        transfer::column(&file, name)
    }

    /// These numeric columns as a matrix of rows x columns; nulls become NaN.
    pub fn to_ndarray<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Result<ndarray::Array2<f64>> {
        let names: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        let file = self.transfer(names.clone())?;
        let mut matrix = ndarray::Array2::zeros((file.rows(), names.len()));
        for (index, name) in names.iter().enumerate() {
            let values: Vec<Option<f64>> = transfer::column(&file, name)?;
            for (row, value) in values.into_iter().enumerate() {
                matrix[[row, index]] = value.unwrap_or(f64::NAN);
            }
        }
        Ok(matrix)
    }

    fn transfer(&self, names: Vec<String>) -> Result<ColumnFile> {
        match client::call(&Request::Columns { plan: self.plan.clone(), names })? {
            Response::File(path) => {
                let opened = ColumnFile::open(&path);
                // The map outlives the name: nothing is left behind when the cell ends.
                let _ = std::fs::remove_file(&path);
                opened.map_err(|error| Error::new("ColumnError", format!("cannot read the columns: {error}")))
            }
            other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
        }
    }

    /// Shows the rows as a table, now; `limit` rows at the most.
    pub fn show(&self, limit: usize) -> Result<()> {
        client::call(&Request::Show { plan: self.plan.clone(), limit: Some(limit) }).map(std::mem::drop)
    }

    /// Shown by the engine when it is a cell's last value.
    pub fn evcxr_display(&self) {
        crate::rt::flush_pending();
        crate::rt::flush_stdout();
        if let Err(error) = client::call(&Request::Show { plan: self.plan.clone(), limit: None }) {
            panic!("{error}");
        }
    }
}

/// `Frame[3 rows: user String, score Float64]`; never the rows, which [`Frame::show`] shows.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: BTreeMap<_, _> = self.schema().unwrap_or_default().into_iter().collect();
        let columns: Vec<String> = columns.iter().map(|(name, data_type)| format!("{name} {data_type:?}")).collect();
        match self.info.get() {
            Some(info) => write!(f, "Frame[{} rows: {}]", info.rows, columns.join(", ")),
            None => write!(f, "Frame[not run yet: {}]", columns.join(", ")),
        }
    }
}

/// A grouped frame; `agg` says what to compute.
pub struct GroupBy {
    frame: Frame,
    keys: Vec<Expr>,
}

impl GroupBy {
    /// `group_by(["user"]).agg([len().alias("n"), col("score").max()])`.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Frame {
        let keys = self.keys.iter().map(|key| key.0.clone()).collect();
        let aggregates = aggregates.into_iter().map(|expr| expr.0).collect();
        self.frame.then(|input| Plan::GroupBy { input, keys, aggregates })
    }
}
