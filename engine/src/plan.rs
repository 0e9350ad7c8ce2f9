//! Cell plans onto polars lazy frames.

use huntbook_wire::{JoinKind, Plan};
use polars::prelude::{self as pl, IntoLazy, LazyFrame, SortMultipleOptions};

use crate::expr::{lower, lower_all};
use crate::{Engine, Error, Result};

impl Engine {
    /// The plan as a lazy frame over the frames it names.
    pub(crate) fn lower(&self, plan: &Plan) -> Result<LazyFrame> {
        Ok(match plan {
            Plan::Frame { id } => self.frame_by_id(*id)?.as_ref().clone().lazy(),
            Plan::Filter { input, predicate } => self.lower(input)?.filter(lower(predicate)?),
            Plan::Select { input, exprs } => self.lower(input)?.select(lower_all(exprs)?),
            Plan::WithColumns { input, exprs } => self.lower(input)?.with_columns(lower_all(exprs)?),
            Plan::Drop { input, columns } => {
                self.lower(input)?.drop(pl::by_name(columns.iter().map(String::as_str), true, false))
            }
            Plan::Rename { input, from, to } => self.lower(input)?.rename(from, to, true),
            Plan::GroupBy { input, keys, aggregates } => {
                self.lower(input)?.group_by_stable(lower_all(keys)?).agg(lower_all(aggregates)?)
            }
            Plan::Join { left, right, left_on, right_on, kind } => {
                let (left, right) = (self.lower(left)?, self.lower(right)?);
                let arguments = pl::JoinArgs::new(join_type(*kind)).with_coalesce(pl::JoinCoalesce::CoalesceColumns);
                left.join(right, lower_all(left_on)?, lower_all(right_on)?, arguments)
            }
            Plan::Sort { input, by } => {
                let keys = by.iter().map(|key| lower(&key.expr)).collect::<Result<Vec<_>>>()?;
                let descending: Vec<bool> = by.iter().map(|key| key.descending).collect();
                let options = SortMultipleOptions::default()
                    .with_order_descending_multi(descending)
                    .with_nulls_last(true)
                    .with_maintain_order(true);
                self.lower(input)?.sort_by_exprs(keys, options)
            }
            Plan::Head { input, rows } => self.lower(input)?.limit(row_count(*rows)?),
            Plan::Tail { input, rows } => self.lower(input)?.tail(row_count(*rows)?),
            Plan::Unique { input, columns } => {
                let subset =
                    (!columns.is_empty()).then(|| pl::by_name(columns.iter().map(String::as_str), true, false));
                self.lower(input)?.unique_stable(subset, pl::UniqueKeepStrategy::First)
            }
            Plan::Explode { input, columns } => {
                let columns = pl::by_name(columns.iter().map(String::as_str), true, false);
                self.lower(input)?.explode(columns, pl::ExplodeOptions { empty_as_null: true, keep_nulls: true })
            }
            Plan::Concat { inputs } => {
                let inputs = inputs.iter().map(|input| self.lower(input)).collect::<Result<Vec<_>>>()?;
                pl::concat_lf_diagonal(inputs, pl::UnionArgs::default())?
            }
            Plan::Kql { input, query } => {
                let input = self.lower(input)?;
                self.kql_on(query, Some(input))?.frame.as_ref().clone().lazy()
            }
        })
    }
}

fn join_type(kind: JoinKind) -> pl::JoinType {
    match kind {
        JoinKind::Inner => pl::JoinType::Inner,
        JoinKind::Left => pl::JoinType::Left,
        JoinKind::Full => pl::JoinType::Full,
        JoinKind::Semi => pl::JoinType::Semi,
        JoinKind::Anti => pl::JoinType::Anti,
        JoinKind::Cross => pl::JoinType::Cross,
    }
}

fn row_count(rows: u64) -> Result<pl::IdxSize> {
    pl::IdxSize::try_from(rows)
        .map_err(|_| Error::new("FrameError", format!("{rows} rows are more than a frame can hold")))
}
