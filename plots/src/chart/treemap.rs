//! Rectangles with areas in proportion.

use super::{
    ChartOptions,
    model::Model,
    pie::{Part, parts, percent},
};
use crate::{
    number,
    svg::{Svg, TextStyle, draw_last, draw_title},
    theme,
};

/// Rectangles; the smallest are folded into "other".
const MOST: usize = 60;

#[derive(Clone, Copy)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

pub(super) fn draw(mut model: Model, options: &ChartOptions) -> String {
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let top = draw_title(&mut svg, &options.title, inside);
    let (parts, left_out) = parts(&model, 0, MOST);
    if model.y_names.len() > 1 {
        model.notes.push(format!("Not shown: {}.", model.y_names[1..].join(", ")));
    }
    if left_out > 0 {
        model.notes.push(format!("Not shown: {} at or below zero, which have no area.", number::count(left_out)));
    }
    let height = theme::usable_height(options.height);
    let area = Area { x: theme::PADDING, y: top, width: inside, height };
    let total: f64 = parts.iter().map(|part| part.value).sum();
    if total.is_finite() && total > 0.0 {
        for (part, place) in parts.iter().zip(squarified(&parts, total, area)) {
            draw_part(&mut svg, part, place, part.value / total);
        }
    }
    let end = draw_last(&mut svg, &model.notes, top + height + 4.0, inside);
    let description = format!("{} treemap {}", options.title, model.notes.join(" "));
    svg.finish(end, description.trim())
}

fn draw_part(svg: &mut Svg, part: &Part, place: Area, share: f64) {
    let tooltip = format!("{}: {} ({})", part.name, number::short(part.value), percent(share));
    let fill = format!(
        "class=\"hb-tile\" fill=\"{0}\" fill-opacity=\"0.28\" stroke=\"{0}\" stroke-opacity=\"0.8\" rx=\"2\"",
        part.colour
    );
    let corner = (place.x + 1.0, place.y + 1.0);
    svg.rect(corner, (place.width - 2.0, place.height - 2.0), &fill, Some(&tooltip));
    let room = place.width - 12.0;
    let style = TextStyle::LABEL;
    if room < 28.0 || place.height < 20.0 {
        return;
    }
    svg.text_with_tooltip(place.x + 6.0, place.y + 15.0, &style.clip_end(&part.name, room), style, &tooltip);
    let value = number::short(part.value);
    if place.height >= 36.0 && TextStyle::MUTED.width_of(&value) <= room {
        svg.text(place.x + 6.0, place.y + 30.0, &value, TextStyle::MUTED);
    }
}

/// Bruls, Huizing and van Wijk: rows along the shorter side, as long as the rectangles get squarer.
fn squarified(parts: &[Part], total: f64, mut area: Area) -> Vec<Area> {
    let scale = area.width * area.height / total;
    let sizes: Vec<f64> = parts.iter().map(|part| part.value * scale).collect();
    let mut places = Vec::with_capacity(sizes.len());
    let mut start = 0;
    while start < sizes.len() {
        let side = area.width.min(area.height).max(f64::MIN_POSITIVE);
        let mut end = start + 1;
        while end < sizes.len() && worst(&sizes[start..=end], side) <= worst(&sizes[start..end], side) {
            end += 1;
        }
        let row = &sizes[start..end];
        let thickness = row.iter().sum::<f64>() / side;
        let mut along = 0.0;
        for size in row {
            let length = size / thickness.max(f64::MIN_POSITIVE);
            places.push(if area.width >= area.height {
                Area { x: area.x, y: area.y + along, width: thickness, height: length }
            } else {
                Area { x: area.x + along, y: area.y, width: length, height: thickness }
            });
            along += length;
        }
        area = if area.width >= area.height {
            Area { x: area.x + thickness, width: (area.width - thickness).max(0.0), ..area }
        } else {
            Area { y: area.y + thickness, height: (area.height - thickness).max(0.0), ..area }
        };
        start = end;
    }
    places
}

/// The largest ratio of sides in a row.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let ratio = |size: &f64| {
        let (wide, tall) = (sum / side, size * side / sum);
        (wide / tall).max(tall / wide)
    };
    row.iter().map(ratio).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_in_proportion_and_fill_the_whole() {
        let parts: Vec<Part> =
            [6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0].map(|value| Part { name: String::new(), value, colour: "" }).into();
        let places = squarified(&parts, 24.0, Area { x: 0.0, y: 0.0, width: 600.0, height: 400.0 });
        for (part, place) in parts.iter().zip(&places) {
            assert!((place.width * place.height - part.value * 10_000.0).abs() < 1e-6);
            assert!(place.x + place.width <= 600.0 + 1e-9 && place.y + place.height <= 400.0 + 1e-9);
            assert!((place.width / place.height).max(place.height / place.width) < 4.0);
        }
    }
}
