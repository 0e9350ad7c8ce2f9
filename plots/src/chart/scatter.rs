//! Points, and what a million of them look like.

use std::collections::HashMap;

use super::{
    ChartOptions,
    frame::{Frame, Wanted, YRange, title, x_range},
    lines::{check_range, limited, x_title},
    model::{Model, Series},
};
use crate::{
    PlotError,
    legend::{self, Entry, Shape},
    number,
    svg::{Svg, coordinate, draw_last, draw_title},
    theme,
};

/// Points drawn one by one, with tooltips. More are drawn as what covers each square of a few pixels.
const MOST_POINTS: usize = 2_500;
const MOST_TOOLTIPS: usize = 1_500;
/// Pixels of a square.
const SQUARE: f64 = 4.0;
/// How many points a square has, at least, to be drawn with this opacity.
const DENSITIES: [(usize, f64); 4] = [(1, 0.3), (3, 0.5), (10, 0.7), (50, 0.95)];

pub(super) fn draw(mut model: Model, options: &ChartOptions) -> Result<String, PlotError> {
    check_range(&model)?;
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let points: usize = model.series.iter().map(|series| series.points.len()).sum();
    if points > MOST_POINTS {
        model.notes.insert(0, format!("{} points; the darker a spot, the more of them.", number::count(points)));
    }
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = if options.legend { legend::draw(&mut svg, y, &entries(&model), inside) } else { y };
    let (low, high) = model.extent(|point| point.y);
    let name = if model.y_names.len() == 1 { model.y_names[0].as_str() } else { "" };
    let range = YRange {
        low,
        high,
        fixed: (false, false),
        is_log: options.y_log,
        title: title(&options.y_title, name),
        colour: theme::TEXT_MUTED,
        unit: "",
    };
    let range = limited(range, options);
    let (start, end) = x_range(&model, options.x_log);
    // Points must not sit on the frame.
    let air = if options.x_log { 0.0 } else { (end - start) * 0.02 };
    let frame = Frame::new(Wanted {
        model: &model,
        x_range: (start - air, end + air),
        x_log: options.x_log,
        x_title: x_title(&model, options),
        ranges: vec![range],
        top: y,
        height: theme::usable_height(options.height),
        width,
        shows_x: true,
        gutter: 0.0,
    });
    frame.draw_axes(&mut svg);
    if frame.is_cut() {
        svg.begin_window((frame.left, frame.top), (frame.right - frame.left, frame.bottom - frame.top));
    }
    let (others, named): (Vec<&Series>, Vec<&Series>) = model.series.iter().partition(|series| series.is_other);
    for series in others.into_iter().chain(named) {
        if points > MOST_POINTS {
            draw_densities(&mut svg, &frame, series);
        } else {
            draw_points(&mut svg, &frame, series, &model, points <= MOST_TOOLTIPS);
        }
    }
    if frame.is_cut() {
        svg.end_window();
    }
    let end = draw_last(&mut svg, &model.notes, frame.end(), inside);
    let description = format!("{} {} {}", options.title, options.kind.name(), model.notes.join(" "));
    Ok(svg.finish(end, description.trim()))
}

fn draw_points(svg: &mut Svg, frame: &Frame, series: &Series, model: &Model, with_tooltips: bool) {
    let attributes = format!("class=\"hb-point\" fill=\"{}\" fill-opacity=\"0.65\"", series.colour);
    for point in series.points.iter().filter(|point| !point.y.is_nan()) {
        let at = (frame.x_pixel(point.x), frame.ys[0].pixel(point.y));
        let tooltip = with_tooltips.then(|| {
            let (x, y) = (model.x_text(point.x), number::short(point.y));
            format!("{}\n{}: {x}\n{}: {y}", series.name, model.x_name, model.y_names[series.y])
        });
        svg.circle(at, 3.5, &attributes, tooltip.as_deref());
    }
}

fn draw_densities(svg: &mut Svg, frame: &Frame, series: &Series) {
    let mut counts: HashMap<(i32, i32), usize> = HashMap::new();
    for point in series.points.iter().filter(|point| !point.y.is_nan()) {
        let (x, y) = (frame.x_pixel(point.x), frame.ys[0].pixel(point.y));
        *counts.entry(((x / SQUARE).floor() as i32, (y / SQUARE).floor() as i32)).or_default() += 1;
    }
    let mut squares: Vec<((i32, i32), usize)> = counts.into_iter().collect();
    squares.sort_unstable();
    for (level, (least, opacity)) in DENSITIES.iter().enumerate() {
        let most = DENSITIES.get(level + 1).map_or(usize::MAX, |(next, _)| *next);
        let mut data = String::new();
        let mut before = (0.0, 0.0);
        for ((x, y), _) in squares.iter().filter(|(_, count)| (*least..most).contains(count)) {
            // Steps from dot to dot are half as long in bytes as places.
            let at = (f64::from(*x) * SQUARE + SQUARE / 2.0, f64::from(*y) * SQUARE + SQUARE / 2.0);
            data.push_str(&format!("m{} {}h0", coordinate(at.0 - before.0), coordinate(at.1 - before.1)));
            before = at;
        }
        if !data.is_empty() {
            let attributes = format!(
                "class=\"hb-points\" fill=\"none\" stroke=\"{}\" stroke-opacity=\"{opacity}\" stroke-width=\"{SQUARE}\" \
                 stroke-linecap=\"round\"",
                series.colour
            );
            svg.path(&data.replacen('m', "M", 1), &attributes, Some(&series.name));
        }
    }
}

fn entries(model: &Model) -> Vec<Entry> {
    let dot = |name: String, colour: &str| Entry { name, attributes: format!("fill=\"{colour}\""), shape: Shape::Dot };
    let named = model.series.iter().filter(|series| !series.is_other);
    let mut entries: Vec<Entry> = named.map(|series| dot(series.name.clone(), series.colour)).collect();
    if model.others > 0 {
        entries.push(dot(format!("other ({})", number::count(model.others)), theme::NORMAL));
    }
    let is_told = entries.len() == 1 && model.y_names.contains(&entries[0].name);
    if is_told { Vec::new() } else { entries }
}
