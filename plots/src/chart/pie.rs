//! Parts of a whole, one circle for each y column.

use std::f64::consts::TAU;

use super::{ChartOptions, model::Model};
use crate::{
    number,
    svg::{Anchor, Svg, TextStyle, coordinate, draw_last, draw_title},
    theme,
};

/// Slices with a name; the rest is "other".
const NAMED_SLICES: usize = 10;
const RADIUS: f64 = 92.0;
/// Circles beside their list; more columns of numbers are left out, and the caption says so.
const MOST_CIRCLES: usize = 4;

pub(super) struct Part {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) colour: &'static str,
}

/// The parts of one y column, largest first, the smallest folded into "other". Negative values and zeros are no
/// parts: how many there were comes second.
pub(super) fn parts(model: &Model, y: usize, named: usize) -> (Vec<Part>, usize) {
    let mut sums: Vec<(String, f64)> = Vec::new();
    let mut left_out = 0;
    let has_several = model.series.iter().filter(|series| series.y == y).count() > 1;
    for series in model.series.iter().filter(|series| series.y == y) {
        let mut of_x: Vec<(f64, f64)> = series.points.iter().map(|point| (point.x, point.y)).collect();
        of_x.sort_by(|a, b| a.0.total_cmp(&b.0));
        for same in of_x.chunk_by(|a, b| a.0 == b.0) {
            let value: f64 = same.iter().map(|(_, value)| *value).filter(|value| !value.is_nan()).sum();
            let x = model.x_text(same[0].0);
            if value > 0.0 {
                sums.push((if has_several { format!("{x}, {}", series.name) } else { x }, value));
            } else {
                left_out += 1;
            }
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named = if sums.len() <= named { sums.len() } else { named - 1 };
    let rest = sums.split_off(named);
    let mut parts: Vec<Part> = sums
        .into_iter()
        .enumerate()
        .map(|(at, (name, value))| Part { name, value, colour: theme::MANY_SERIES[at % theme::MANY_SERIES.len()] })
        .collect();
    if !rest.is_empty() {
        let value = rest.iter().map(|(_, value)| value).sum();
        parts.push(Part { name: format!("other ({})", number::count(rest.len())), value, colour: theme::NORMAL });
    }
    (parts, left_out)
}

pub(super) fn draw(mut model: Model, options: &ChartOptions) -> String {
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let mut y = draw_title(&mut svg, &options.title, inside);
    let circles = model.y_names.len().min(MOST_CIRCLES);
    if model.y_names.len() > circles {
        model.notes.push(format!("Not shown: {}.", model.y_names[circles..].join(", ")));
    }
    let mut left_out = 0;
    // A name has one colour in all circles.
    let mut coloured: Vec<String> = Vec::new();
    for column in 0..circles {
        let (mut parts, without) = parts(&model, column, NAMED_SLICES);
        left_out += without;
        for part in parts.iter_mut().filter(|part| part.colour != theme::NORMAL) {
            let at = coloured.iter().position(|name| *name == part.name).unwrap_or_else(|| {
                coloured.push(part.name.clone());
                coloured.len() - 1
            });
            part.colour = theme::MANY_SERIES[at % theme::MANY_SERIES.len()];
        }
        if circles > 1 {
            svg.text(theme::PADDING, y + theme::HEADER_SIZE, &model.y_names[column], TextStyle::HEADER);
            y += 20.0;
        }
        y = draw_circle(&mut svg, y, width, &parts) + 12.0;
    }
    if left_out > 0 {
        let amount = number::count(left_out);
        model.notes.push(format!("Not shown: {amount} at or below zero, which are no part of a whole."));
    }
    let end = draw_last(&mut svg, &model.notes, y - 8.0, inside);
    let description = format!("{} piechart {}", options.title, model.notes.join(" "));
    svg.finish(end, description.trim())
}

/// A circle with its list to the right; returns the y below both.
fn draw_circle(svg: &mut Svg, top: f64, width: f64, parts: &[Part]) -> f64 {
    let total: f64 = parts.iter().map(|part| part.value).sum();
    let radius = RADIUS.min((width - 2.0 * theme::PADDING) * 0.22);
    let rows = parts.len() as f64 * (theme::LABEL_LINE + 4.0);
    let height = (2.0 * radius).max(rows + 20.0);
    let centre = (theme::PADDING + radius + 8.0, top + height / 2.0);
    if parts.is_empty() || !total.is_finite() {
        let style = TextStyle::HEADER.coloured(theme::TEXT_MUTED).anchored(Anchor::Middle);
        svg.text(centre.0, centre.1, "no data", style);
        return top + height;
    }
    let mut angle = 0.0;
    for part in parts {
        let share = part.value / total;
        let tooltip = format!("{}: {} ({})", part.name, number::short(part.value), percent(share));
        let attributes =
            format!("class=\"hb-slice\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.2\"", part.colour, theme::PANEL);
        if share > 0.999_9 {
            svg.circle(centre, radius, &attributes, Some(&tooltip));
        } else {
            svg.path(&slice(centre, radius, angle, angle + share * TAU), &attributes, Some(&tooltip));
        }
        angle += share * TAU;
    }
    draw_list(svg, centre, radius, width, parts, total);
    top + height
}

fn draw_list(svg: &mut Svg, centre: (f64, f64), radius: f64, width: f64, parts: &[Part], total: f64) {
    let left = centre.0 + radius + 28.0;
    let right = (left + 420.0).min(width - theme::PADDING);
    let texts: Vec<(String, String)> =
        parts.iter().map(|part| (number::short(part.value), percent(part.value / total))).collect();
    let widest = |of: fn(&(String, String)) -> &String| {
        texts.iter().map(|pair| TextStyle::LABEL.width_of(of(pair))).fold(0.0, f64::max)
    };
    let percent_x = right;
    let value_x = percent_x - widest(|pair| &pair.1) - 14.0;
    let name_limit = (value_x - widest(|pair| &pair.0) - 14.0 - left - 18.0).max(20.0);
    let mut y = centre.1 - (parts.len() as f64 * (theme::LABEL_LINE + 4.0)) / 2.0 + 12.0;
    for (part, (value, share)) in parts.iter().zip(&texts) {
        svg.rect((left, y - 9.0), (10.0, 10.0), &format!("fill=\"{}\"", part.colour), None);
        let name = TextStyle::LABEL.clip(&part.name, name_limit);
        svg.text_with_tooltip(left + 18.0, y, &name, TextStyle::LABEL, &part.name);
        svg.text(value_x, y, value, TextStyle::LABEL.anchored(Anchor::End));
        svg.text(percent_x, y, share, TextStyle::MUTED.anchored(Anchor::End));
        y += theme::LABEL_LINE + 4.0;
    }
}

/// From twelve o'clock, clockwise.
fn slice(centre: (f64, f64), radius: f64, from: f64, to: f64) -> String {
    let at = |angle: f64| (centre.0 + radius * angle.sin(), centre.1 - radius * angle.cos());
    let ((x0, y0), (x1, y1)) = (at(from), at(to));
    format!(
        "M{} {}L{} {}A{r} {r} 0 {} 1 {} {}Z",
        coordinate(centre.0),
        coordinate(centre.1),
        coordinate(x0),
        coordinate(y0),
        u8::from(to - from > TAU / 2.0),
        coordinate(x1),
        coordinate(y1),
        r = coordinate(radius),
    )
}

pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        small if small > 0.0 && small < 0.1 => "<0.1%".to_owned(),
        percent => format!("{percent:.1}%"),
    }
}
