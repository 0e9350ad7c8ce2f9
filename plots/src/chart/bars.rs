//! Vertical and horizontal bars.

use super::{
    ChartOptions, Stacking,
    frame::{Frame, Wanted, XAxis, YRange, title, x_range},
    lines::{limited, x_title},
    model::{Model, X},
};
use crate::{
    PlotError,
    axis::Axis,
    legend::{self, Entry, Shape},
    number,
    svg::{Anchor, Svg, TextStyle, draw_last, draw_title},
    theme,
};

/// Categories side by side; more cannot be told apart.
const MOST_COLUMNS: usize = 320;
/// Categories below each other.
const MOST_ROWS: usize = 60;
/// Bars with a tooltip.
const MOST_TOOLTIPS: usize = 3_000;
const ROW_HEIGHT: (f64, f64) = (18.0, 30.0);
const LABEL_LIMIT: f64 = 220.0;

/// The bars of a chart: from and to for each series and slot.
struct Bars {
    slots: Vec<f64>,
    values: Vec<Vec<f64>>,
    spans: Vec<Vec<(f64, f64)>>,
    is_stacked: bool,
}

impl Bars {
    fn of(model: &mut Model, options: &ChartOptions, most: usize) -> Result<Bars, PlotError> {
        if let X::Categories(names) = &mut model.x
            && names.len() > most
        {
            let all = number::count(names.len());
            names.truncate(most);
            model.notes.push(format!("The first {} of {all} {} are shown.", number::count(most), model.x_name));
            for series in &mut model.series {
                series.points.retain(|point| point.x < most as f64);
            }
        }
        let slots = model.slots();
        let (values, added) = model.matrix(&slots);
        if added > 0 {
            let rows = super::model::rows(added);
            model.notes.push(format!("{rows} with the x and series of another: their values are added up."));
        }
        let is_stacked = options.is_stacked();
        let spans: Vec<Vec<(f64, f64)>> = if is_stacked {
            stacked(&values, slots.len(), options.stacking == Stacking::Full)
        } else {
            values.iter().map(|values| values.iter().map(|value| (0.0, *value)).collect()).collect()
        };
        let ends = || spans.iter().flatten().flat_map(|(from, to)| [*from, *to]).filter(|end| !end.is_nan());
        let (min, max) = ends().fold((0.0_f64, 0.0_f64), |(min, max), end| (min.min(end), max.max(end)));
        if !(max - min).is_finite() {
            return Err(PlotError::RangeTooWide { min, max });
        }
        Ok(Bars { slots, values, spans, is_stacked })
    }

    fn range(&self, model: &Model, options: &ChartOptions) -> YRange {
        let ends = self.spans.iter().flatten().flat_map(|(from, to)| [*from, *to]);
        let known = ends.filter(|end| !end.is_nan() && (!options.y_log || *end > 0.0));
        let (mut low, mut high) =
            known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| (low.min(end), high.max(end)));
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        if options.y_log {
            // The smallest bar needs a height too.
            low /= 2.0;
        } else {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        let name = if model.y_names.len() == 1 { model.y_names[0].as_str() } else { "" };
        let is_share = self.is_stacked && options.stacking == Stacking::Full;
        let range = YRange {
            low,
            high,
            fixed: (false, false),
            is_log: options.y_log,
            title: title(&options.y_title, name),
            colour: theme::TEXT_MUTED,
            unit: if is_share { "%" } else { "" },
        };
        limited(range, options)
    }

    /// Offset and thickness of a bar within its slot.
    fn place(&self, series: usize, thickness: f64) -> (f64, f64) {
        if self.is_stacked {
            return (-thickness / 2.0, thickness);
        }
        let each = thickness / self.values.len().max(1) as f64;
        (-thickness / 2.0 + each * series as f64, each)
    }

    fn has_tooltips(&self) -> bool {
        self.slots.len() * self.values.len() <= MOST_TOOLTIPS
    }
}

/// Positive values upon each other from zero upwards, negative ones downwards.
fn stacked(values: &[Vec<f64>], slots: usize, as_shares: bool) -> Vec<Vec<(f64, f64)>> {
    let mut sums = vec![(0.0, 0.0); slots];
    let whole: Vec<f64> = (0..slots)
        .map(|slot| values.iter().map(|values| values[slot].abs()).filter(|value| !value.is_nan()).sum())
        .collect();
    let span = |slot: usize, value: f64, sums: &mut Vec<(f64, f64)>| {
        if value.is_nan() || (as_shares && whole[slot] == 0.0) {
            return (f64::NAN, f64::NAN);
        }
        let value = if as_shares { value / whole[slot] * 100.0 } else { value };
        let sum = if value < 0.0 { &mut sums[slot].0 } else { &mut sums[slot].1 };
        let from = *sum;
        *sum += value;
        (from, *sum)
    };
    let row =
        |values: &Vec<f64>| values.iter().enumerate().map(|(slot, value)| span(slot, *value, &mut sums)).collect();
    values.iter().map(row).collect()
}

pub(super) fn draw_columns(mut model: Model, options: &ChartOptions) -> Result<String, PlotError> {
    let bars = Bars::of(&mut model, options, MOST_COLUMNS)?;
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = draw_legend(&mut svg, y, &model, options, inside);
    let gap = smallest_gap(&bars.slots);
    let (start, end) = x_range(&model, false);
    // Half a bar of room at both ends of a time axis.
    let x_range = if model.x == X::Times { (start - gap / 2.0, end + gap / 2.0) } else { (start, end) };
    let frame = Frame::new(Wanted {
        model: &model,
        x_range,
        x_log: false,
        x_title: x_title(&model, options),
        ranges: vec![bars.range(&model, options)],
        top: y,
        height: theme::usable_height(options.height),
        width,
        shows_x: true,
        gutter: 0.0,
    });
    frame.draw_axes(&mut svg);
    let slot = match &frame.x {
        XAxis::Bands(bands) => bands.width(),
        XAxis::Scale(axis) => axis.pixel(x_range.0 + gap) - axis.pixel(x_range.0),
    };
    let thickness = (slot * 0.8).clamp(1.0, 90.0);
    let axis = &frame.ys[0];
    for (index, series) in model.series.iter().enumerate() {
        let (offset, each) = bars.place(index, thickness);
        let fill = format!("class=\"hb-bar\" fill=\"{}\"", series.colour);
        for (at, x) in bars.slots.iter().enumerate() {
            let Some((low, high)) = visible(bars.spans[index][at], axis) else { continue };
            let (top, bottom) = (axis.pixel(high), axis.pixel(low));
            let tooltip = tooltip(&model, &bars, index, at);
            let left = frame.x_pixel(*x) + offset;
            let space = if each > 3.0 && !bars.is_stacked { 0.6 } else { 0.0 };
            let tooltip = bars.has_tooltips().then_some(tooltip.as_str());
            svg.rect((left, top), ((each - space).max(0.5), (bottom - top).max(0.5)), &fill, tooltip);
        }
    }
    let base = frame.base(0);
    svg.straight_line((frame.left, base), (frame.right, base), &format!("stroke=\"{}\"", theme::AXIS));
    finish(svg, frame.end(), &model, options, inside)
}

pub(super) fn draw_bars(mut model: Model, options: &ChartOptions) -> Result<String, PlotError> {
    let bars = Bars::of(&mut model, options, MOST_ROWS)?;
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = draw_legend(&mut svg, y, &model, options, inside);

    let names: Vec<String> = bars.slots.iter().map(|slot| model.x_text(*slot)).collect();
    let style = TextStyle::LABEL.anchored(Anchor::End);
    let widest = names.iter().map(|name| style.width_of(name)).fold(0.0, f64::max).min(LABEL_LIMIT).min(inside * 0.4);
    let left = theme::PADDING + widest + 8.0;
    let right = width - theme::PADDING - if shows_values(&bars) { 56.0 } else { 8.0 };
    let per_row = if bars.is_stacked { 1 } else { bars.values.len().max(1) };
    let row = (12.0 * per_row as f64 + 8.0).clamp(ROW_HEIGHT.0, ROW_HEIGHT.1 + 10.0 * per_row as f64);
    let (top, bottom) = (y + 6.0, y + 6.0 + row * bars.slots.len() as f64);
    let range = bars.range(&model, options);
    let most = ((right - left) / 80.0) as usize;
    let axis = if range.is_log {
        Axis::log((range.low, range.high), range.fixed, (left, right), most)
    } else {
        Axis::rounded((range.low, range.high), range.fixed, (left, right), most)
    };
    for tick in &axis.ticks {
        let x = axis.pixel(tick.value);
        let colour = if tick.value == 0.0 { theme::AXIS } else { theme::GRID };
        svg.straight_line((x, top), (x, bottom), &format!("stroke=\"{colour}\""));
        let label = format!("{}{}", tick.label, range.unit);
        svg.text(x, bottom + 15.0, &label, TextStyle::MUTED.anchored(Anchor::Middle));
    }
    for (at, name) in names.iter().enumerate() {
        let middle = top + row * (at as f64 + 0.5);
        let label = style.clip(name, widest);
        svg.text_with_tooltip(left - 6.0, middle + 4.0, &label, style, name);
        for (index, series) in model.series.iter().enumerate() {
            let Some((low, high)) = visible(bars.spans[index][at], &axis) else { continue };
            let (offset, each) = bars.place(index, row * 0.76);
            let fill = format!("class=\"hb-bar\" fill=\"{}\"", series.colour);
            let (from, to) = (axis.pixel(low), axis.pixel(high));
            let size = ((to - from).max(0.5), each - if bars.is_stacked { 0.0 } else { 0.6 });
            svg.rect((from, middle + offset), size, &fill, Some(&tooltip(&model, &bars, index, at)));
            if shows_values(&bars) {
                let value = bars.values[index][at];
                let style = TextStyle::MUTED;
                if value >= 0.0 {
                    svg.text(to + 5.0, middle + 4.0, &number::short(value), style);
                }
            }
        }
    }
    let mut y = bottom + 18.0;
    if !range.title.is_empty() {
        y += 18.0;
        let style = TextStyle::LABEL.anchored(Anchor::Middle);
        svg.text((left + right) / 2.0, y - 4.0, &style.clip(&range.title, right - left), style);
    }
    finish(svg, y, &model, options, inside)
}

/// A bar alone in its row has its number at its end.
fn shows_values(bars: &Bars) -> bool {
    bars.values.len() == 1 && !bars.is_stacked
}

/// The part of a bar that lies on the axis, from low to high.
fn visible((from, to): (f64, f64), axis: &Axis) -> Option<(f64, f64)> {
    if from.is_nan() || to.is_nan() {
        return None;
    }
    let (low, high) = (from.min(to).max(axis.start), from.max(to).min(axis.end));
    (low <= high).then_some((low, high))
}

fn tooltip(model: &Model, bars: &Bars, series: usize, slot: usize) -> String {
    let value = bars.values[series][slot];
    let (from, to) = bars.spans[series][slot];
    let share = if bars.is_stacked && (to - from) != value {
        format!(" ({}%)", number::short(((to - from).abs() * 10.0).round() / 10.0))
    } else {
        String::new()
    };
    format!("{}\n{}: {}{share}", model.x_text(bars.slots[slot]), model.series[series].name, number::short(value))
}

fn smallest_gap(slots: &[f64]) -> f64 {
    let gap = slots.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    // A minute, where there is only one moment.
    if gap.is_finite() { gap } else { 60e6 }
}

fn draw_legend(svg: &mut Svg, y: f64, model: &Model, options: &ChartOptions, inside: f64) -> f64 {
    let is_told = model.series.len() == 1 && model.y_names.contains(&model.series[0].name);
    if !options.legend || is_told {
        return y;
    }
    let entry = |series: &super::model::Series| Entry {
        name: series.name.clone(),
        attributes: format!("fill=\"{}\"", series.colour),
        shape: Shape::Box,
    };
    legend::draw(svg, y, &model.series.iter().map(entry).collect::<Vec<_>>(), inside)
}

fn finish(mut svg: Svg, y: f64, model: &Model, options: &ChartOptions, inside: f64) -> Result<String, PlotError> {
    let end = draw_last(&mut svg, &model.notes, y, inside);
    let description = format!("{} {} {}", options.title, options.kind.name(), model.notes.join(" "));
    Ok(svg.finish(end, description.trim()))
}
