//! Every chart that KQL's `render` asks for.

mod bars;
mod card;
mod downsample;
mod frame;
mod lines;
mod model;
mod options;
mod pie;
mod plain;
mod roles;
mod scatter;
mod treemap;

pub use options::{ChartKind, ChartOptions, Split, Stacking};

use crate::{ChartData, Picture, PlotError, svg, theme};
use model::Model;
use roles::Roles;

/// Draws the rows. Columns that are not named are chosen as Kusto does:
///
/// * `timechart`, `anomalychart`: x is the first datetime.
/// * `linechart`, `areachart`, `stackedareachart`, `scatterchart`: x is the first datetime, else the first number if
///   there is another one, else the first text.
/// * `columnchart`, `barchart`, `piechart`, `treemap`: x is the first column, unless that is the only number.
/// * Every other number is a y; the texts together name the series.
/// * `card` shows the first row.
///
/// No rows: a panel that says "no data".
///
/// # Errors
/// [`PlotError::UnknownColumn`], [`PlotError::WrongColumn`] and [`PlotError::Missing`] say which column is wanted;
/// [`PlotError::RangeTooWide`] if two values are too far apart for one axis.
pub fn chart(data: &ChartData, options: &ChartOptions) -> Result<Picture, PlotError> {
    if options.kind == ChartKind::Card {
        return Ok(card::draw(data, options));
    }
    let roles = Roles::of(data, options)?;
    let model = Model::of(data, &roles, options);
    if model.is_empty() {
        let width = theme::usable_width(options.width);
        let svg = svg::no_data(width, &options.title, &model.notes);
        return Ok(Picture { svg, text: plain::no_data(&options.title) });
    }
    let text = plain::text(&model, options);
    let svg = match options.kind {
        ChartKind::Column | ChartKind::Bar if model.has_too_many_bars() => lines::draw(model.into_area(), options)?,
        ChartKind::Column => bars::draw_columns(model, options)?,
        ChartKind::Bar => bars::draw_bars(model, options)?,
        ChartKind::Pie => pie::draw(model, options),
        ChartKind::Treemap => treemap::draw(model, options),
        ChartKind::Scatter => scatter::draw(model, options)?,
        ChartKind::Time
        | ChartKind::Line
        | ChartKind::Anomaly
        | ChartKind::Area
        | ChartKind::StackedArea
        | ChartKind::Card => lines::draw(model, options)?,
    };
    Ok(Picture { svg, text })
}
