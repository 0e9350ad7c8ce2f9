//! Frames into pictures.

mod columns;
mod show;
mod visual;

use huntbook_plots::{HistogramOptions, HistogramSeries, Picture, SankeyLink, SankeyOptions};
use huntbook_wire::{ChartSpec, Plan};
use polars::prelude::*;

use crate::{Display, Engine, Error, Result};

pub use visual::{Visual, draws};

impl Engine {
    /// Draws the plan's rows.
    pub(crate) fn chart(&self, plan: &Plan, spec: &ChartSpec) -> Result<Picture> {
        let frame = self.collect(plan)?;
        match spec {
            ChartSpec::Sankey { title, source, target, value, anomalous } => {
                let links = links(&frame, source, target, value.as_deref(), anomalous.as_deref())?;
                let options = SankeyOptions {
                    title: title.clone(),
                    left_label: source.clone(),
                    right_label: target.clone(),
                    ..SankeyOptions::default()
                };
                Ok(huntbook_plots::sankey(&links, &options)?)
            }
            ChartSpec::Histogram { title, column, series, threshold, bins } => {
                let values = series_of(&frame, column, series.as_deref())?;
                let options = HistogramOptions {
                    title: title.clone(),
                    x_label: column.clone(),
                    threshold: *threshold,
                    bins: *bins,
                    ..HistogramOptions::default()
                };
                Ok(huntbook_plots::histogram(&values, &options)?)
            }
            ChartSpec::Visual { kind, properties } => {
                Visual { kind: kind.clone(), properties: properties.clone() }.picture(&frame, None)
            }
        }
    }
}

/// Draws the rows of a query's result; `types` are KQL's, as in [`crate::QueryAnswer`].
///
/// # Errors
/// What the picture needs and the rows do not have, and properties that it does not know.
pub fn draw(visual: &Visual, frame: &DataFrame, types: &[String]) -> Result<Display> {
    Ok(show::display(visual.picture(frame, Some(types))?))
}

/// A picture for a page, for programs that show images only, and for terminals.
pub(crate) fn display(picture: Picture) -> Display {
    show::display(picture)
}

fn links(
    frame: &DataFrame,
    source: &str,
    target: &str,
    value: Option<&str>,
    anomalous: Option<&str>,
) -> Result<Vec<SankeyLink>> {
    let (sources, targets) = (texts(frame, source)?, texts(frame, target)?);
    let values = value.map(|name| numbers(frame, name)).transpose()?;
    let marks: Option<Vec<Option<bool>>> = match anomalous {
        None => None,
        Some(name) => {
            let column = frame.column(name)?;
            let marks = column.bool().map_err(|_| {
                Error::new(
                    "PlotError",
                    format!(
                        "column `{name}` is {}: anomalous needs a Boolean column, such as col(\"score\").gt(1.0)",
                        column.dtype()
                    ),
                )
            })?;
            Some(marks.iter().collect())
        }
    };
    let link = |row: usize| SankeyLink {
        source: sources[row].clone(),
        target: targets[row].clone(),
        value: values.as_ref().map_or(1.0, |values| values[row]),
        anomalous: marks.as_ref().is_some_and(|marks| marks[row] == Some(true)),
        tooltip: None,
    };
    Ok((0..frame.height()).map(link).collect())
}

fn series_of(frame: &DataFrame, column: &str, series: Option<&str>) -> Result<Vec<HistogramSeries>> {
    let values = numbers(frame, column)?;
    let Some(series) = series else {
        return Ok(vec![HistogramSeries { name: column.to_owned(), values }]);
    };
    let mut found: Vec<HistogramSeries> = Vec::new();
    for (name, value) in texts(frame, series)?.into_iter().zip(values) {
        match found.iter_mut().find(|series| series.name == name) {
            Some(series) => series.values.push(value),
            None => found.push(HistogramSeries { name, values: vec![value] }),
        }
    }
    Ok(found)
}

fn texts(frame: &DataFrame, name: &str) -> Result<Vec<String>> {
    let column = frame.column(name)?.cast(&DataType::String)?;
    Ok(column.str()?.iter().map(|value| value.unwrap_or("(null)").to_owned()).collect())
}

/// Nulls become NaN, which the charts count and state.
fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let column = frame.column(name)?;
    if !column.dtype().is_primitive_numeric() {
        return Err(Error::new("PlotError", format!("column `{name}` is {}: a number is needed", column.dtype())));
    }
    let column = column.cast(&DataType::Float64)?;
    Ok(column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}
