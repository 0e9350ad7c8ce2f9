//! polars frames in and out. Rows, their order and all columns are kept.

use crate::{Access, AccessAnomaly, AccessAnomalyModel, AccessColumns, Error, FitObserver, Parameters, Scored};
use polars::prelude::*;

/// Names of the key columns. Without a tenant column all rows are of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumns {
    /// Column with the tenant.
    pub tenant: Option<String>,
    /// Column with the user.
    pub user: String,
    /// Column with the resource.
    pub res: String,
}

/// The tenant of all rows if there is no tenant column.
pub const SINGLE_TENANT: &str = "0";

impl KeyColumns {
    /// The columns that the parameters name; no tenant if its name is empty.
    pub fn of(parameters: &Parameters) -> Self {
        KeyColumns {
            tenant: Some(parameters.tenant_col.clone()).filter(|name| !name.is_empty()),
            user: parameters.user_col.clone(),
            res: parameters.res_col.clone(),
        }
    }
}

/// The key columns of a frame as text: whatever their type, equal values are equal keys.
#[derive(Debug, Clone)]
pub struct FrameAccesses {
    tenant: Option<StringChunked>,
    user: StringChunked,
    res: StringChunked,
}

impl FrameAccesses {
    /// Reads the columns.
    ///
    /// # Errors
    /// [`Error::Column`] for a column that is missing or has no text form (lists, structs).
    pub fn read(frame: &DataFrame, columns: &KeyColumns) -> Result<Self, Error> {
        let text = |name: &str| text_column(frame, name);
        Ok(FrameAccesses {
            tenant: columns.tenant.as_deref().map(text).transpose()?,
            user: text(&columns.user)?,
            res: text(&columns.res)?,
        })
    }

    /// The rows, for a history.
    ///
    /// # Errors
    /// [`Error::Column`] for a null: it would stand for no access.
    pub fn listed(&self) -> Result<Vec<Access>, Error> {
        let null = |name: &str, row: usize| {
            let reason = format!("row {row} is null; filter out such rows");
            Error::Column { column: name.to_owned(), reason }
        };
        self.with(|columns| {
            let access = |row: usize| {
                let tenant = columns.tenant[row].ok_or_else(|| null("tenant", row))?;
                let user = columns.user[row].ok_or_else(|| null("user", row))?;
                Ok(Access::new(tenant, user, columns.res[row].ok_or_else(|| null("res", row))?))
            };
            (0..columns.user.len()).map(access).collect()
        })
    }

    /// Calls `work` with the columns.
    pub fn with<T>(&self, work: impl FnOnce(AccessColumns<'_>) -> T) -> T {
        let tenant: Vec<Option<&str>> = match &self.tenant {
            Some(tenant) => tenant.iter().collect(),
            None => vec![Some(SINGLE_TENANT); self.user.len()],
        };
        let user: Vec<Option<&str>> = self.user.iter().collect();
        let res: Vec<Option<&str>> = self.res.iter().collect();
        work(AccessColumns { tenant: &tenant, user: &user, res: &res })
    }
}

/// A numeric column as 64-bit floats.
///
/// # Errors
/// [`Error::Column`] for a column that is missing or not a number.
pub fn number_column(frame: &DataFrame, name: &str) -> Result<Vec<Option<f64>>, Error> {
    let column = frame.column(name).map_err(|e| column_error(name, &e))?;
    if !column.dtype().is_primitive_numeric() {
        let reason = format!("it is {}, but must be a number; cast it", column.dtype());
        return Err(Error::Column { column: name.to_owned(), reason });
    }
    let column = column.cast(&DataType::Float64).map_err(|e| column_error(name, &e))?;
    Ok(column.f64().map_err(|e| column_error(name, &e))?.iter().collect())
}

pub(crate) fn text_column(frame: &DataFrame, name: &str) -> Result<StringChunked, Error> {
    let column = frame.column(name).map_err(|e| column_error(name, &e))?;
    if column.dtype().is_nested() {
        let reason = format!("it is {}, but keys must be text, numbers or times", column.dtype());
        return Err(Error::Column { column: name.to_owned(), reason });
    }
    let column = column.cast(&DataType::String).map_err(|e| column_error(name, &e))?;
    Ok(column.str().map_err(|e| column_error(name, &e))?.clone())
}

fn column_error(name: &str, error: &PolarsError) -> Error {
    Error::Column { column: name.to_owned(), reason: error.to_string() }
}

impl AccessAnomaly {
    /// As [`history`](Self::history), from the key columns that the parameters name: set those first.
    ///
    /// # Errors
    /// [`Error::Column`].
    pub fn history_frame(self, frame: &DataFrame) -> Result<Self, Error> {
        let accesses = FrameAccesses::read(frame, &KeyColumns::of(self.parameters()))?.listed()?;
        Ok(self.history(accesses))
    }

    /// As [`fit`](Self::fit), on the columns that the parameters name.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`Error::Column`].
    pub fn fit_frame(&self, frame: &DataFrame, observer: &dyn FitObserver) -> Result<AccessAnomalyModel, Error> {
        let accesses = FrameAccesses::read(frame, &KeyColumns::of(self.parameters()))?;
        let likelihood = number_column(frame, &self.parameters().likelihood_col)?;
        accesses.with(|columns| self.fit(columns, &likelihood, observer))
    }
}

impl AccessAnomalyModel {
    /// The frame with the score appended as the parameters' output column and, if the model is calibrated, the
    /// columns `p_value` and `rank_in_tenant`.
    ///
    /// # Errors
    /// [`Error::Column`].
    pub fn transform(&self, frame: &DataFrame) -> Result<DataFrame, Error> {
        let parameters = &self.summary().parameters;
        self.transform_as(frame, &KeyColumns::of(parameters), &parameters.output_col)
    }

    /// As [`transform`](Self::transform), with other names.
    ///
    /// # Errors
    /// [`Error::Column`].
    pub fn transform_as(&self, frame: &DataFrame, columns: &KeyColumns, output: &str) -> Result<DataFrame, Error> {
        let accesses = FrameAccesses::read(frame, columns)?;
        let scored = accesses.with(|columns| self.score_all(columns))?;
        with_scores(frame, scored, output, self.is_calibrated())
    }
}

/// The frame with scores as new columns; columns of the same name are replaced.
///
/// # Errors
/// [`Error::Column`] if the numbers of rows differ.
pub fn with_scores(frame: &DataFrame, scored: Scored, output: &str, calibrated: bool) -> Result<DataFrame, Error> {
    let Scored { score, p_value, rank_in_tenant } = scored;
    let mut columns = vec![Column::new(output.into(), score)];
    if calibrated {
        columns.push(Column::new("p_value".into(), p_value));
        columns.push(Column::new("rank_in_tenant".into(), rank_in_tenant));
    }
    let mut frame = frame.clone();
    for column in columns {
        let name = column.name().to_string();
        frame.with_column(column).map_err(|e| column_error(&name, &e))?;
    }
    Ok(frame)
}
