//! One big number for each column of the first row.

use super::{ChartOptions, plain};
use crate::{
    ChartData, Picture, Values, number,
    svg::{Svg, TextStyle, draw_last, draw_title, no_data},
    text, theme,
};

const CARD: (f64, f64) = (170.0, 76.0);
const GAP: f64 = 12.0;
const VALUE_SIZE: f64 = 26.0;
const MOST: usize = 24;

pub(super) fn draw(data: &ChartData, options: &ChartOptions) -> Picture {
    let width = theme::usable_width(options.width);
    if data.rows() == 0 || data.columns().is_empty() {
        let svg = no_data(width, &options.title, &options.notes);
        return Picture { svg, text: plain::no_data(&options.title) };
    }
    let cards: Vec<(String, String)> = data
        .columns()
        .iter()
        .map(|column| {
            let value = match &column.values {
                Values::Numbers(values) if !values[0].is_nan() => number::short(values[0]),
                other => other.shown(0).unwrap_or("null".to_owned()),
            };
            (text::clean_line(&column.name), text::clean_line(&value))
        })
        .collect();
    let inside = width - 2.0 * theme::PADDING;
    let mut notes = options.notes.clone();
    if data.rows() > 1 {
        notes.push(format!("The first of {} rows.", number::count(data.rows())));
    }
    if cards.len() > MOST {
        notes.push(format!("The first {MOST} of {} columns.", number::count(cards.len())));
    }
    let mut svg = Svg::new(width);
    let top = draw_title(&mut svg, &options.title, inside);
    let in_row = ((inside + GAP) / (CARD.0 + GAP)).floor().max(1.0) as usize;
    let shown = &cards[..cards.len().min(MOST)];
    for (index, (name, value)) in shown.iter().enumerate() {
        let x = theme::PADDING + (index % in_row) as f64 * (CARD.0 + GAP);
        let y = top + (index / in_row) as f64 * (CARD.1 + GAP);
        let frame = format!("class=\"hb-card\" fill=\"{}\" rx=\"6\"", theme::STRIPE);
        svg.rect((x, y), CARD, &frame, Some(&format!("{name}: {value}")));
        let room = CARD.0 - 24.0;
        // A long value is smaller before it is cut.
        let mut style = TextStyle { size: VALUE_SIZE, bold: true, ..TextStyle::LABEL };
        while style.size > 12.0 && style.width_of(value) > room {
            style.size -= 2.0;
        }
        svg.text_with_tooltip(x + 12.0, y + 36.0, &style.clip(value, room), style, value);
        let label = TextStyle::MUTED.clip(name, room);
        svg.text_with_tooltip(x + 12.0, y + 60.0, &label, TextStyle::MUTED, name);
    }
    let rows = shown.len().div_ceil(in_row) as f64;
    let end = draw_last(&mut svg, &notes, top + rows * (CARD.1 + GAP) - GAP + 4.0, inside);
    let list = cards.iter().map(|(name, value)| format!("{name}: {value}"));
    let text = plain::titled(&options.title).into_iter().chain(list).collect::<Vec<_>>().join("\n");
    Picture { svg: svg.finish(end, &format!("{} card", options.title)), text }
}
