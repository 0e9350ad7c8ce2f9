//! Lines and areas over an axis.

use std::collections::HashMap;

use super::{
    ChartKind, ChartOptions, Split, Stacking,
    downsample::{self, Run},
    frame::{Frame, Wanted, YRange, title, title_room, x_range},
    model::{Model, Point, Series, X},
};
use crate::{
    PlotError,
    legend::{self, Entry, Shape},
    number,
    svg::{Svg, coordinate, draw_last, draw_title},
    text, theme,
};

/// Points with a tooltip of their own; more would only swell the notebook.
const MOST_TOOLTIPS: usize = 400;
/// Grey lines drawn; more would be one grey area.
const MOST_OTHERS: usize = 60;
/// Pairs of numbers in all paths together.
const MOST_VERTICES: f64 = 22_000.0;
/// Several y axes in one plot.
const MOST_AXES: usize = 4;
const PANEL_HEIGHT: f64 = 150.0;

/// A series with the curve it is drawn as: the value itself, or the sum with those below it.
struct Curve<'m> {
    series: &'m Series,
    points: Vec<Point>,
    /// The lower edge of a stacked area, at the same x.
    floor: Option<Vec<Point>>,
}

pub(super) fn draw(mut model: Model, options: &ChartOptions) -> Result<String, PlotError> {
    if matches!(model.x, X::Categories(_)) {
        in_order_of_categories(&mut model);
    }
    check_range(&model)?;
    let notes = std::mem::take(&mut model.notes);
    let mut notes: Vec<String> = notes;
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = if options.legend { legend::draw(&mut svg, y, &entries(&model, options), inside) } else { y };

    let split = if model.y_names.len() > 1 { options.split } else { Split::None };
    let end = match split {
        Split::Panels => draw_panels(&mut svg, y, width, &model, options),
        Split::Axes | Split::None => {
            let several = split == Split::Axes && !is_stacked(&model, options);
            let axes = if several { model.y_names.len().min(MOST_AXES) } else { 1 };
            if several && model.y_names.len() > MOST_AXES {
                notes.push(format!("The first {MOST_AXES} columns have axes; the others share the last."));
            }
            let curves = curves(&model.series.iter().collect::<Vec<_>>(), &model, options);
            let ranges = (0..axes).map(|axis| range(&model, &curves, options, axis, axes)).collect();
            let height = theme::usable_height(options.height);
            let frame = Frame::new(wanted(&model, options, ranges, (y, height, width), true, 0.0));
            draw_plot(&mut svg, &frame, &curves, &model, options, axes);
            frame.end()
        }
    };
    notes.splice(0..0, summary(&model, options));
    let end = draw_last(&mut svg, &notes, end, inside);
    let description = format!("{} {} {}", options.title, options.kind.name(), notes.join(" "));
    Ok(svg.finish(end, description.trim()))
}

fn draw_panels(svg: &mut Svg, top: f64, width: f64, model: &Model, options: &ChartOptions) -> f64 {
    let panels: Vec<(String, Vec<Curve<'_>>)> = model
        .y_names
        .iter()
        .enumerate()
        .map(|(y, name)| {
            let series: Vec<&Series> = model.series.iter().filter(|series| series.y == y).collect();
            (name.clone(), curves(&series, model, options))
        })
        .filter(|(_, curves)| !curves.is_empty())
        .collect();
    let frames = |gutter: f64| {
        let mut y = top;
        let last = panels.len().saturating_sub(1);
        let made = panels.iter().enumerate().map(|(index, (name, curves))| {
            let mut range = range(model, curves, options, 0, 1);
            range.title = name.clone();
            let height = PANEL_HEIGHT + if index == last { 34.0 + title_room(&model.x_name) } else { 0.0 };
            let frame = Frame::new(wanted(model, options, vec![range], (y, height, width), index == last, gutter));
            y = frame.end() + 6.0;
            frame
        });
        made.collect::<Vec<_>>()
    };
    let gutter = frames(0.0).iter().map(|frame| frame.left).fold(0.0, f64::max);
    let frames = frames(gutter);
    for (frame, (_, curves)) in frames.iter().zip(&panels) {
        draw_plot(svg, frame, curves, model, options, 1);
    }
    frames.last().map_or(top, Frame::end)
}

fn wanted<'m>(
    model: &'m Model,
    options: &ChartOptions,
    ranges: Vec<YRange>,
    (top, height, width): (f64, f64, f64),
    shows_x: bool,
    gutter: f64,
) -> Wanted<'m> {
    Wanted {
        model,
        x_range: x_range(model, options.x_log),
        x_log: options.x_log,
        x_title: x_title(model, options),
        ranges,
        top,
        height,
        width,
        shows_x,
        gutter,
    }
}

/// Kusto's datetimes are UTC, and a chart must say so.
pub(super) fn x_title(model: &Model, options: &ChartOptions) -> String {
    let name = if model.x == X::Times { format!("{} [UTC]", model.x_name) } else { model.x_name.clone() };
    title(&options.x_title, &name)
}

/// The series as drawn: stacked ones at all x of the chart, each on the sum of those before it.
fn curves<'m>(series: &[&'m Series], model: &Model, options: &ChartOptions) -> Vec<Curve<'m>> {
    if !is_stacked(model, options) {
        return series.iter().map(|series| Curve { series, points: series.points.clone(), floor: None }).collect();
    }
    let slots = model.slots();
    let (all, _) = model.matrix(&slots);
    let values: Vec<&Vec<f64>> = model
        .series
        .iter()
        .zip(&all)
        .filter(|(one, _)| series.iter().any(|kept| std::ptr::eq(*kept, *one)))
        .map(|(_, values)| values)
        .collect();
    let at = |slot: usize, y: f64| Point { x: slots[slot], y, is_anomaly: false };
    let totals: Vec<f64> =
        (0..slots.len()).map(|slot| values.iter().map(|values| known(values[slot])).sum::<f64>()).collect();
    let share = |slot: usize, y: f64| match options.stacking {
        Stacking::Full if totals[slot] == 0.0 => 0.0,
        Stacking::Full => y / totals[slot] * 100.0,
        _ => y,
    };
    let mut floor = vec![0.0; slots.len()];
    let mut curves = Vec::new();
    for (series, values) in series.iter().zip(&values) {
        let below: Vec<Point> = floor.iter().enumerate().map(|(slot, y)| at(slot, share(slot, *y))).collect();
        floor.iter_mut().zip(*values).for_each(|(sum, value)| *sum += known(*value));
        let points = floor.iter().enumerate().map(|(slot, y)| at(slot, share(slot, *y))).collect();
        curves.push(Curve { series, points, floor: Some(below) });
    }
    curves
}

fn known(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

fn is_stacked(model: &Model, options: &ChartOptions) -> bool {
    model.is_filled && options.stacking != Stacking::None
}

/// The values along the axis with this index.
fn range(model: &Model, curves: &[Curve<'_>], options: &ChartOptions, axis: usize, axes: usize) -> YRange {
    let on_axis = || curves.iter().filter(|curve| axes == 1 || curve.series.y.min(axes - 1) == axis);
    let values = on_axis().flat_map(|curve| &curve.points).map(|point| point.y).filter(|y| !y.is_nan());
    let (mut low, mut high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    if low > high {
        (low, high) = if options.y_log { (1.0, 10.0) } else { (0.0, 1.0) };
    }
    // Areas stand on zero; a line that comes near zero is read against it.
    if !options.y_log {
        if model.is_filled || (low > 0.0 && (low <= high * 0.5 || low == high)) {
            low = low.min(0.0);
        }
        if model.is_filled || (high < 0.0 && (high >= low * 0.5 || low == high)) {
            high = high.max(0.0);
        }
    }
    let name = if axes > 1 || model.y_names.len() == 1 { model.y_names[axis].as_str() } else { "" };
    let colour = match on_axis().find(|curve| !curve.series.is_other) {
        Some(curve) if axes > 1 => curve.series.colour,
        _ => theme::TEXT_MUTED,
    };
    limited(
        YRange {
            low,
            high,
            fixed: (false, false),
            is_log: options.y_log,
            title: title(&options.y_title, name),
            colour,
            unit: if options.stacking == Stacking::Full && is_stacked(model, options) { "%" } else { "" },
        },
        options,
    )
}

/// Puts `ymin` and `ymax` in, as far as they leave an axis.
pub(super) fn limited(range: YRange, options: &ChartOptions) -> YRange {
    let usable = |value: &f64| !range.is_log || *value > 0.0;
    let (min, max) = (options.y_min.filter(usable), options.y_max.filter(usable));
    let (low, high) = (min.unwrap_or(range.low), max.unwrap_or(range.high));
    if low < high { YRange { low, high, fixed: (min.is_some(), max.is_some()), ..range } } else { range }
}

pub(super) fn check_range(model: &Model) -> Result<(), PlotError> {
    for (min, max) in [model.extent(|point| point.y), model.extent(|point| point.x)] {
        if min <= max && !(max - min).is_finite() {
            return Err(PlotError::RangeTooWide { min, max });
        }
    }
    Ok(())
}

/// Lines over names run from left to right.
fn in_order_of_categories(model: &mut Model) {
    for series in &mut model.series {
        series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
}

fn draw_plot(svg: &mut Svg, frame: &Frame, curves: &[Curve<'_>], model: &Model, options: &ChartOptions, axes: usize) {
    frame.draw_axes(svg);
    if frame.is_cut() {
        svg.begin_window((frame.left, frame.top), (frame.right - frame.left, frame.bottom - frame.top));
    }
    let drawn = curves.len().min(MOST_OTHERS + theme::MANY_SERIES.len()) as f64;
    let columns = (frame.right - frame.left).min(MOST_VERTICES / 4.0 / drawn);
    let shrink = columns / (frame.right - frame.left);
    // Thinning works on columns of whole numbers: the x is shrunk before and stretched after.
    let pixels = |points: &[Point], axis: usize| -> Vec<Run> {
        let mut runs = downsample::runs(points, columns, |point| {
            ((frame.x_pixel(point.x) - frame.left) * shrink, frame.ys[axis].pixel(point.y))
        });
        runs.iter_mut().flatten().for_each(|(x, _)| *x = *x / shrink + frame.left);
        runs
    };
    // Grey first, so that what has a colour lies above; of the grey, only so many.
    let (others, named): (Vec<_>, Vec<_>) = curves.iter().partition(|curve| curve.series.is_other);
    for curve in others.into_iter().take(MOST_OTHERS).chain(named) {
        let axis = curve.series.y.min(axes - 1);
        let runs = pixels(&curve.points, axis);
        let about = about(curve.series);
        if model.is_filled {
            let floor = curve.floor.as_ref().map(|floor| pixels(floor, axis).concat());
            draw_area(svg, curve.series, &runs, floor, frame.base(axis), &about);
        } else {
            draw_line(svg, curve.series, &runs, &about);
        }
    }
    if frame.is_cut() {
        svg.end_window();
    }
    draw_hover(svg, frame, curves, model, axes);
    draw_anomalies(svg, frame, curves, model, options, axes);
}

/// How a curve is told of on hover.
fn about(series: &Series) -> String {
    let known = || series.points.iter().map(|point| point.y).filter(|y| !y.is_nan());
    let (min, max) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), y| (min.min(y), max.max(y)));
    format!(
        "{}: {} values from {} to {}",
        series.name,
        number::count(known().count()),
        number::short(min),
        number::short(max)
    )
}

fn draw_line(svg: &mut Svg, series: &Series, runs: &[Run], about: &str) {
    let (width, opacity) = if series.is_other { (1.0, " stroke-opacity=\"0.5\"") } else { (1.8, "") };
    let dash = if series.dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", series.dash) };
    let attributes = format!(
        "class=\"hb-line\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\" \
         stroke-linecap=\"round\"{opacity}{dash}",
        series.colour
    );
    svg.path(&runs.iter().map(|run| path(run)).collect::<String>(), &attributes, Some(about));
    // A point without neighbours has no line.
    for run in runs.iter().filter(|run| run.len() == 1).take(MOST_TOOLTIPS) {
        svg.circle(run[0], 2.5, &format!("fill=\"{}\"", series.colour), None);
    }
}

fn draw_area(svg: &mut Svg, series: &Series, runs: &[Run], floor: Option<Run>, base: f64, about: &str) {
    let stacked = floor.is_some();
    let mut data = String::new();
    for run in runs {
        let Some((first, last)) = run.first().zip(run.last()) else { continue };
        data.push_str(&path(run));
        match &floor {
            Some(floor) => {
                let back: Run = floor.iter().rev().copied().collect();
                data.push_str(&path(&back).replacen('M', "L", 1));
                data.push('Z');
            }
            None => data.push_str(&format!("V{}H{}Z", decimal(base), decimal(first.0))),
        }
        if first.0 == last.0 {
            // One moment alone has no width: a bar of two pixels shows it.
            data.push_str(&format!("M{} {}h2V{}h-2Z", decimal(first.0 - 1.0), decimal(first.1), decimal(base)));
        }
    }
    let opacity = if stacked { 0.8 } else { 0.3 };
    let fill = format!("class=\"hb-area\" fill=\"{}\" fill-opacity=\"{opacity}\"", series.colour);
    svg.path(&data, &fill, Some(about));
    let width = if stacked { 0.8 } else { 1.6 };
    let stroke =
        format!("fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"", series.colour);
    svg.path(&runs.iter().map(|run| path(run)).collect::<String>(), &stroke, None);
}

pub(super) fn path(run: &[(f64, f64)]) -> String {
    let mut data = String::with_capacity(run.len() * 11);
    for (index, (x, y)) in run.iter().enumerate() {
        data.push(match index {
            0 => 'M',
            1 => 'L',
            _ => ' ',
        });
        data.push_str(&decimal(*x));
        data.push(' ');
        data.push_str(&decimal(*y));
    }
    data
}

/// A tenth of a pixel is fine enough for long paths.
fn decimal(value: f64) -> String {
    coordinate((value * 10.0).round() / 10.0)
}

/// Circles that nobody sees, with a tooltip for the point below.
fn draw_hover(svg: &mut Svg, frame: &Frame, curves: &[Curve<'_>], model: &Model, axes: usize) {
    let amount: usize = curves.iter().map(|curve| curve.points.len()).sum();
    if amount > MOST_TOOLTIPS {
        return;
    }
    // In a stack the point is at the sum, but the value is the series' own.
    for curve in curves {
        let own: HashMap<u64, f64> = curve.series.points.iter().map(|point| (point.x.to_bits(), point.y)).collect();
        for point in curve.points.iter().filter(|point| !point.y.is_nan()) {
            let at = (frame.x_pixel(point.x), frame.ys[curve.series.y.min(axes - 1)].pixel(point.y));
            if !(frame.top - 1.0..=frame.bottom + 1.0).contains(&at.1) {
                continue;
            }
            let own = if curve.floor.is_some() { own.get(&point.x.to_bits()).copied() } else { Some(point.y) };
            let Some(value) = own.filter(|value| !value.is_nan()) else { continue };
            let tooltip = format!("{}\n{}: {}", model.x_text(point.x), curve.series.name, number::short(value));
            svg.circle(at, 5.0, "fill=\"none\" pointer-events=\"all\"", Some(&tooltip));
        }
    }
}

fn draw_anomalies(
    svg: &mut Svg,
    frame: &Frame,
    curves: &[Curve<'_>],
    model: &Model,
    options: &ChartOptions,
    axes: usize,
) {
    if options.kind != ChartKind::Anomaly {
        return;
    }
    let attributes = format!(
        "class=\"hb-anomaly\" fill=\"{0}\" fill-opacity=\"0.85\" stroke=\"{1}\" stroke-width=\"1\"",
        theme::ANOMALY,
        theme::PANEL
    );
    for curve in curves {
        for point in curve.points.iter().filter(|point| point.is_anomaly && !point.y.is_nan()).take(MOST_TOOLTIPS) {
            let at = (frame.x_pixel(point.x), frame.ys[curve.series.y.min(axes - 1)].pixel(point.y));
            let value = number::short(point.y);
            let tooltip = format!("anomaly\n{}\n{}: {value}", model.x_text(point.x), curve.series.name);
            svg.circle(at, 4.5, &attributes, Some(&tooltip));
        }
    }
}

fn entries(model: &Model, options: &ChartOptions) -> Vec<Entry> {
    let (other, named): (Vec<&Series>, Vec<&Series>) = model.series.iter().partition(|series| series.is_other);
    let entry = |series: &&Series, name: String| Entry {
        name,
        attributes: match (model.is_filled, series.dash) {
            (true, _) => format!("fill=\"{}\" fill-opacity=\"0.7\"", series.colour),
            (false, "") => format!("stroke=\"{}\" stroke-width=\"2.5\"", series.colour),
            (false, dash) => format!("stroke=\"{}\" stroke-width=\"2.5\" stroke-dasharray=\"{dash}\"", series.colour),
        },
        shape: if model.is_filled { Shape::Box } else { Shape::Line },
    };
    let mut entries: Vec<Entry> = named.iter().map(|series| entry(series, series.name.clone())).collect();
    if let Some(first) = other.first() {
        entries.push(entry(first, format!("other ({})", number::count(model.others))));
    }
    if entries.len() < 2 {
        // One series is named by its axis.
        let is_told = model.series.first().is_none_or(|series| model.y_names.contains(&series.name));
        if is_told {
            entries.clear();
        }
    }
    if options.kind == ChartKind::Anomaly {
        let anomalies = model.series.iter().flat_map(|series| &series.points).filter(|point| point.is_anomaly).count();
        entries.push(Entry {
            name: format!("anomalies ({})", number::count(anomalies)),
            attributes: format!("fill=\"{}\"", theme::ANOMALY),
            shape: Shape::Dot,
        });
    }
    entries
}

/// What a caption says of the data itself.
fn summary(model: &Model, options: &ChartOptions) -> Option<String> {
    let points: usize = model.series.iter().map(|series| series.points.len()).sum();
    let columns = f64::from(options.width);
    (points as f64 > 2.0 * columns).then(|| {
        let points = text::clean_line(&number::count(points));
        format!("{points} points; each column of pixels shows its first, lowest, highest and last.")
    })
}
