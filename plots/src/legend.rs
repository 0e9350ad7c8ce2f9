//! What the colours mean, above a chart.

use crate::{
    svg::{Svg, TextStyle},
    text, theme,
};

/// One entry: a name and how it is drawn.
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Trusted markup of a swatch, such as `fill="#fff"`.
    pub(crate) attributes: String,
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Box,
    Line,
    Dot,
}

/// Draws the entries in as many lines as they need, and returns the y below them.
pub(crate) fn draw(svg: &mut Svg, y: f64, entries: &[Entry], inside: f64) -> f64 {
    if entries.is_empty() {
        return y;
    }
    let (mut x, mut baseline) = (theme::PADDING, y + theme::LABEL_SIZE);
    for entry in entries {
        let full = text::clean_line(&entry.name);
        let label = TextStyle::LABEL.clip(&full, 200.0_f64.min(inside - 24.0));
        let width = 24.0 + TextStyle::LABEL.width_of(&label);
        if x > theme::PADDING && x + width > theme::PADDING + inside {
            x = theme::PADDING;
            baseline += theme::LABEL_LINE + 2.0;
        }
        let middle = baseline - 4.0;
        match entry.shape {
            Shape::Box => svg.rect((x, baseline - 9.0), (18.0, 9.0), &entry.attributes, None),
            Shape::Line => svg.straight_line((x, middle), (x + 18.0, middle), &entry.attributes),
            Shape::Dot => svg.circle((x + 9.0, middle), 4.0, &entry.attributes, None),
        }
        svg.text_with_tooltip(x + 24.0, baseline, &label, TextStyle::LABEL, &full);
        x += width + 14.0;
    }
    baseline + 12.0
}
