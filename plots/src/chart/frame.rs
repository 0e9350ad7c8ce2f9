//! A plot's rectangle: axes, grid and titles, and pixels for points.

use super::model::{Model, X};
use crate::{
    axis::{Axis, Tick, with_extent},
    svg::{Anchor, Svg, TextStyle},
    text, theme,
};

/// Pixels between two ticks of the y axis.
const Y_TICK_DISTANCE: f64 = 44.0;
/// Long names of categories slant, down to this length.
const SLANTED_LIMIT: f64 = 120.0;
const SLOPE: (f64, f64) = (0.766, 0.643);

/// The values along a y axis.
#[derive(Clone)]
pub(super) struct YRange {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) fixed: (bool, bool),
    pub(super) is_log: bool,
    pub(super) title: String,
    /// Colour of the labels, where there are several axes.
    pub(super) colour: &'static str,
    /// Written behind each number: `%`.
    pub(super) unit: &'static str,
}

/// The x axis.
pub(super) enum XAxis {
    Scale(Axis),
    Bands(Bands),
}

/// Names at even distances.
pub(super) struct Bands {
    pub(super) names: Vec<String>,
    pixels: (f64, f64),
}

impl Bands {
    pub(super) fn width(&self) -> f64 {
        (self.pixels.1 - self.pixels.0) / self.names.len().max(1) as f64
    }

    fn middle(&self, index: f64) -> f64 {
        self.pixels.0 + (index + 0.5) * self.width()
    }

    fn slants(&self) -> bool {
        self.names.iter().any(|name| TextStyle::MUTED.width_of(name) > self.width() - 8.0)
    }

    /// Every how many names there is room for one.
    fn every(&self) -> usize {
        if self.slants() { (17.0 / self.width()).ceil().max(1.0) as usize } else { 1 }
    }

    fn room(&self, left: f64) -> f64 {
        if !self.slants() {
            return 18.0;
        }
        let lengths = (0..self.names.len()).step_by(self.every()).map(|index| {
            let limit = slanted_limit(self.middle(index as f64) - left);
            TextStyle::MUTED.width_of(&TextStyle::MUTED.clip(&self.names[index], limit))
        });
        lengths.fold(0.0, f64::max) * SLOPE.1 + 16.0
    }
}

/// A slanted name ends at its tick and begins to the left of it, inside the panel.
fn slanted_limit(distance: f64) -> f64 {
    ((distance + 8.0) / SLOPE.0).clamp(30.0, SLANTED_LIMIT)
}

/// Where things are in one plot.
pub(super) struct Frame {
    pub(super) x: XAxis,
    pub(super) ys: Vec<Axis>,
    ranges: Vec<YRange>,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    x_title: String,
    shows_x: bool,
}

/// What a frame is made for.
pub(super) struct Wanted<'m> {
    pub(super) model: &'m Model,
    pub(super) x_range: (f64, f64),
    pub(super) x_log: bool,
    pub(super) x_title: String,
    pub(super) ranges: Vec<YRange>,
    /// Upper edge, and height with the axes.
    pub(super) top: f64,
    pub(super) height: f64,
    pub(super) width: f64,
    /// Whether the labels of the x axis are shown: among several plots, only below the last.
    pub(super) shows_x: bool,
    /// At least so much room on the left, so that plots stand in line.
    pub(super) gutter: f64,
}

impl Frame {
    pub(super) fn new(wanted: Wanted<'_>) -> Frame {
        let Wanted { model, x_range, x_log, x_title, ranges, top, height, width, shows_x, gutter } = wanted;
        let top = top + 8.0;
        let y_axis = |range: &YRange, bottom: f64| {
            let most = ((bottom - top) / Y_TICK_DISTANCE) as usize;
            let mut axis = if range.is_log {
                Axis::log((range.low, range.high), range.fixed, (bottom, top), most)
            } else {
                Axis::rounded((range.low, range.high), range.fixed, (bottom, top), most)
            };
            axis.ticks.iter_mut().for_each(|tick| tick.label.push_str(range.unit));
            axis
        };
        // The labels of y need no more room with another height, so that the gutters can be known before the height.
        let rough: Vec<Axis> = ranges.iter().map(|range| y_axis(range, top + height - 40.0)).collect();
        let left_room = rough.first().map_or(0.0, Axis::widest_label);
        let left = (theme::PADDING + title_room(&ranges[0].title) + left_room + 10.0).max(gutter);
        let right_room: f64 = rough.iter().skip(1).map(|axis| axis.widest_label() + 16.0).sum();
        let right = width - theme::PADDING - right_room - if ranges.len() > 1 { 0.0 } else { 6.0 };
        let right = right.max(left + 40.0);
        let x = match &model.x {
            X::Categories(names) => XAxis::Bands(Bands { names: names.clone(), pixels: (left, right) }),
            X::Times => XAxis::Scale(Axis::time(x_range, (left, right), |ticks| apart(ticks, x_range, right - left))),
            X::Numbers if x_log => XAxis::Scale(Axis::log(x_range, (true, true), (left, right), 8)),
            X::Numbers => {
                let most = ((right - left) / 60.0) as usize;
                XAxis::Scale(Axis::new(x_range, (left, right), most, |ticks| apart(ticks, x_range, right - left)))
            }
        };
        let below = match &x {
            _ if !shows_x => 8.0,
            XAxis::Bands(bands) => bands.room(theme::PADDING),
            XAxis::Scale(axis) if axis.ticks.iter().any(|tick| tick.context.is_some()) => 34.0,
            XAxis::Scale(_) => 20.0,
        };
        let below = below + if shows_x { title_room(&x_title) } else { 0.0 };
        let bottom = (top + height - 8.0 - below).max(top + 60.0);
        let ys = ranges.iter().map(|range| y_axis(range, bottom)).collect();
        Frame { x, ys, ranges, left, right, top, bottom, x_title, shows_x }
    }

    pub(super) fn x_pixel(&self, x: f64) -> f64 {
        match &self.x {
            XAxis::Scale(axis) => axis.pixel(x),
            XAxis::Bands(bands) => bands.middle(x),
        }
    }

    /// The y of zero, or the end of the axis that is nearest to it.
    pub(super) fn base(&self, axis: usize) -> f64 {
        let axis = &self.ys[axis];
        axis.pixel(0.0_f64.clamp(axis.start, axis.end))
    }

    /// Whether drawing must be cut at the edges, because an end of an axis was fixed.
    pub(super) fn is_cut(&self) -> bool {
        self.ranges.iter().any(|range| range.fixed != (false, false))
    }

    /// The lowest y in use.
    pub(super) fn end(&self) -> f64 {
        let below = match &self.x {
            _ if !self.shows_x => 8.0,
            XAxis::Bands(bands) => bands.room(theme::PADDING),
            XAxis::Scale(axis) if axis.ticks.iter().any(|tick| tick.context.is_some()) => 34.0,
            XAxis::Scale(_) => 20.0,
        };
        self.bottom + below + if self.shows_x { title_room(&self.x_title) } else { 0.0 }
    }

    pub(super) fn draw_axes(&self, svg: &mut Svg) {
        self.draw_y(svg);
        let middle = (self.left + self.right) / 2.0;
        if self.shows_x {
            match &self.x {
                XAxis::Scale(axis) => self.draw_scale(svg, axis),
                XAxis::Bands(bands) => self.draw_bands(svg, bands),
            }
            if !self.x_title.is_empty() {
                let style = TextStyle::LABEL.anchored(Anchor::Middle);
                let title = style.clip(&self.x_title, self.right - self.left);
                svg.text_with_tooltip(middle, self.end() - 4.0, &title, style, &self.x_title);
            }
        }
    }

    fn draw_y(&self, svg: &mut Svg) {
        let mut x = self.right;
        for (index, (axis, range)) in self.ys.iter().zip(&self.ranges).enumerate() {
            let style = TextStyle::MUTED.coloured(range.colour);
            for Tick { value, label, .. } in &axis.ticks {
                let y = axis.pixel(*value);
                if index == 0 {
                    let colour = if *value == 0.0 { theme::AXIS } else { theme::GRID };
                    svg.straight_line((self.left, y), (self.right, y), &format!("stroke=\"{colour}\""));
                    svg.text(self.left - 6.0, y + 4.0, label, style.anchored(Anchor::End));
                } else {
                    svg.straight_line((x, y), (x + 4.0, y), &format!("stroke=\"{}\"", range.colour));
                    svg.text(x + 7.0, y + 4.0, label, style);
                }
            }
            if index > 0 {
                x += axis.widest_label() + 16.0;
            }
        }
        let title = &self.ranges[0].title;
        if !title.is_empty() {
            let style = TextStyle::LABEL.anchored(Anchor::Middle);
            let label = style.clip(title, self.bottom - self.top);
            svg.text_upwards(theme::PADDING + theme::LABEL_SIZE, (self.bottom + self.top) / 2.0, &label, style);
        }
    }

    fn draw_scale(&self, svg: &mut Svg, axis: &Axis) {
        let style = TextStyle::MUTED.anchored(Anchor::Middle);
        svg.straight_line((self.left, self.bottom), (self.right, self.bottom), &format!("stroke=\"{}\"", theme::AXIS));
        let mut context_end = f64::NEG_INFINITY;
        for tick in &axis.ticks {
            let x = axis.pixel(tick.value);
            svg.straight_line((x, self.bottom), (x, self.bottom + 4.0), &format!("stroke=\"{}\"", theme::AXIS));
            let x = self.kept_inside(x, style.width_of(&tick.label));
            svg.text(x, self.bottom + 17.0, &tick.label, style);
            let Some(context) = &tick.context else { continue };
            let width = style.width_of(context);
            let x = self.kept_inside(x, width);
            if x - width / 2.0 > context_end {
                svg.text(x, self.bottom + 31.0, context, style);
                context_end = x + width / 2.0 + 8.0;
            }
        }
    }

    /// The middle of a label that would stick out of the panel, moved inside.
    fn kept_inside(&self, x: f64, width: f64) -> f64 {
        x.min(self.right + 14.0 - width / 2.0).max(width / 2.0 + 4.0)
    }

    fn draw_bands(&self, svg: &mut Svg, bands: &Bands) {
        let slants = bands.slants();
        for index in (0..bands.names.len()).step_by(bands.every()) {
            let (x, name) = (bands.middle(index as f64), &bands.names[index]);
            if slants {
                let style = TextStyle::MUTED.anchored(Anchor::End);
                let label = style.clip(name, slanted_limit(x - theme::PADDING));
                svg.text_slanted(x + 4.0, self.bottom + 12.0, &label, style, name);
            } else {
                svg.text_with_tooltip(x, self.bottom + 16.0, name, TextStyle::MUTED.anchored(Anchor::Middle), name);
            }
        }
        svg.straight_line((self.left, self.bottom), (self.right, self.bottom), &format!("stroke=\"{}\"", theme::AXIS));
    }
}

pub(super) fn title_room(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { 18.0 }
}

/// Whether the labels do not touch.
fn apart(ticks: &[Tick], (start, end): (f64, f64), pixels: f64) -> bool {
    let at = |tick: &Tick| (tick.value - start) / (end - start) * pixels;
    ticks.windows(2).all(|pair| {
        let half = |tick: &Tick| TextStyle::MUTED.width_of(&tick.label) / 2.0;
        at(&pair[1]) - at(&pair[0]) >= half(&pair[0]) + half(&pair[1]) + 8.0
    })
}

/// A title that was asked for, or the name of a column.
pub(super) fn title(asked: &Option<String>, name: &str) -> String {
    match asked {
        Some(asked) if asked.trim().is_empty() => String::new(),
        Some(asked) => text::clean_line(asked),
        None => name.to_owned(),
    }
}

/// The ends of an x axis: a single value gets room on both sides.
pub(super) fn x_range(model: &Model, is_log: bool) -> (f64, f64) {
    let (min, max) = model.extent(|point| point.x);
    match model.x {
        X::Numbers if is_log && min >= max => (min / 10.0, (max * 10.0).min(f64::MAX)),
        X::Times if min >= max => (min - 30e6, max + 30e6),
        _ => with_extent(min, max),
    }
}
