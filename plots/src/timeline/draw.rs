//! The timeline's shapes.

use super::{Event, Lane, Timeline, TimelineOptions, plural};
use crate::{
    axis::{Axis, time},
    legend::{self, Entry, Shape},
    number, pick,
    svg::{Anchor, Svg, TextStyle, coordinate, draw_last, draw_title},
    text, theme,
};

/// Events drawn one by one, with tooltips. More are drawn as how many there are in each few pixels.
const MOST_EVENTS: usize = 1_500;
const SLICE: f64 = 4.0;
const LABEL_LIMIT: f64 = 190.0;
const LANE: (f64, f64) = (20.0, 30.0);
const MARK_LINE: f64 = 14.0;
const MARK_LINES: usize = 3;

struct Layout {
    axis: Axis,
    left: f64,
    right: f64,
    top: f64,
    lane: f64,
    lanes: usize,
}

impl Layout {
    fn middle(&self, lane: usize) -> f64 {
        self.top + self.lane * (lane as f64 + 0.5)
    }

    fn bottom(&self) -> f64 {
        self.top + self.lane * self.lanes as f64
    }
}

pub(super) fn draw(timeline: &Timeline<'_>, options: &TimelineOptions) -> String {
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = draw_legend(&mut svg, y, timeline, inside);
    let marks = placed_marks(options);
    let layout = layout(timeline, options, width, y, marks.len());

    draw_lanes(&mut svg, &layout, timeline);
    draw_axis(&mut svg, &layout, timeline);
    let events: usize = timeline.lanes.iter().map(|lane| lane.events.len()).sum();
    let mut notes = timeline.notes.clone();
    for (index, lane) in timeline.lanes.iter().enumerate() {
        let colour = theme::SERIES[index % theme::SERIES.len()];
        if events <= MOST_EVENTS {
            draw_events(&mut svg, &layout, timeline, lane, index, colour);
        } else {
            draw_densities(&mut svg, &layout, lane, index, colour);
        }
    }
    if events > MOST_EVENTS {
        notes.push("Too many to draw one by one: the darker a spot, the more of them.".to_owned());
    }
    draw_marks(&mut svg, &layout, &marks, y, &mut notes);
    let end = draw_last(&mut svg, &notes, layout.bottom() + 52.0, inside);
    let description = format!("{} timeline. {}", options.title, notes.join(" "));
    svg.finish(end, &description)
}

fn layout(timeline: &Timeline<'_>, options: &TimelineOptions, width: f64, y: f64, marks: usize) -> Layout {
    let style = TextStyle::LABEL;
    let widest = timeline.lanes.iter().map(|lane| style.width_of(&lane.name)).fold(0.0, f64::max);
    let gutter = if timeline.lanes.len() == 1 && timeline.lanes[0].name.is_empty() { 0.0 } else { widest };
    let left = theme::PADDING + gutter.min(LABEL_LIMIT).min(width * 0.3) + 11.0;
    let right = width - theme::PADDING - 8.0;
    let (first, last) = timeline.extent();
    let in_sight = options.marks.iter().map(|(moment, _)| *moment);
    let reach = last.saturating_sub(first).max(1_000_000);
    // A mark far from all events would squash them.
    let near: Vec<i64> =
        in_sight.filter(|at| *at >= first.saturating_sub(reach) && *at <= last.saturating_add(reach)).collect();
    let first = near.iter().copied().fold(first, i64::min);
    let last = near.iter().copied().fold(last, i64::max);
    let start = options.from.map_or(first, |from| from.max(first)).min(last) as f64;
    let end = options.to.map_or(last, |to| to.min(last)).max(first) as f64;
    let air = ((end - start) * 0.03).max(1_000.0);
    let range = (start - air, end + air);
    let axis = Axis::time(range, (left, right), |ticks| {
        let half = |tick: &crate::axis::Tick| TextStyle::MUTED.width_of(&tick.label) / 2.0;
        ticks.windows(2).all(|pair| {
            let distance = (pair[1].value - pair[0].value) / (range.1 - range.0) * (right - left);
            distance >= half(&pair[0]) + half(&pair[1]) + 8.0
        })
    });
    let lanes = timeline.lanes.len();
    let lane = (420.0 / lanes as f64).clamp(LANE.0, LANE.1);
    let top = y + if marks > 0 { MARK_LINE * MARK_LINES.min(marks) as f64 + 6.0 } else { 4.0 };
    Layout { axis, left, right, top, lane, lanes }
}

fn draw_lanes(svg: &mut Svg, layout: &Layout, timeline: &Timeline<'_>) {
    for (index, lane) in timeline.lanes.iter().enumerate() {
        let top = layout.top + layout.lane * index as f64;
        if index % 2 == 0 {
            let fill = format!("fill=\"{}\"", theme::STRIPE);
            svg.rect((layout.left, top), (layout.right - layout.left, layout.lane), &fill, None);
        }
        let style = TextStyle::LABEL.anchored(Anchor::End);
        let label = style.clip(&lane.name, layout.left - theme::PADDING - 10.0);
        let tooltip = format!("{}: {}", lane.name, plural(lane.events.len(), "event"));
        if !lane.name.is_empty() {
            svg.text_with_tooltip(layout.left - 8.0, layout.middle(index) + 4.0, &label, style, &tooltip);
        }
    }
}

fn draw_axis(svg: &mut Svg, layout: &Layout, timeline: &Timeline<'_>) {
    let bottom = layout.bottom();
    let style = TextStyle::MUTED.anchored(Anchor::Middle);
    let mut context_end = f64::NEG_INFINITY;
    for tick in &layout.axis.ticks {
        let x = layout.axis.pixel(tick.value);
        svg.straight_line((x, layout.top), (x, bottom), &format!("stroke=\"{}\"", theme::GRID));
        svg.straight_line((x, bottom), (x, bottom + 4.0), &format!("stroke=\"{}\"", theme::AXIS));
        svg.text(x, bottom + 17.0, &tick.label, style);
        let Some(context) = &tick.context else { continue };
        let half = style.width_of(context) / 2.0;
        let x = x.min(layout.right + 14.0 - half).max(half + 4.0);
        if x - half > context_end {
            svg.text(x, bottom + 31.0, context, style);
            context_end = x + half + 8.0;
        }
    }
    svg.straight_line((layout.left, bottom), (layout.right, bottom), &format!("stroke=\"{}\"", theme::AXIS));
    let title = format!("{} [UTC]", timeline.time_name);
    svg.text((layout.left + layout.right) / 2.0, bottom + 47.0, &title, TextStyle::LABEL.anchored(Anchor::Middle));
}

fn draw_events(svg: &mut Svg, layout: &Layout, timeline: &Timeline<'_>, lane: &Lane, index: usize, colour: &str) {
    let y = layout.middle(index);
    // Anomalies last, so that nothing hides them.
    for is_anomaly in [false, true] {
        for event in lane.events.iter().filter(|event| event.is_anomaly == is_anomaly) {
            let tooltip = tooltip(timeline, event);
            let (class, colour, opacity) =
                if is_anomaly { ("hb-event hb-anomaly", theme::ANOMALY, 0.9) } else { ("hb-event", colour, 0.6) };
            let fill = format!("class=\"{class}\" fill=\"{colour}\" fill-opacity=\"{opacity}\"");
            let (x, end) = (layout.axis.pixel(event.from as f64), layout.axis.pixel(event.to as f64));
            if event.to > event.from {
                let x = x.max(layout.left);
                let width = (end.min(layout.right) - x).max(2.0);
                svg.rect((x, y - 5.0), (width, 10.0), &format!("{fill} rx=\"2\""), Some(&tooltip));
            } else {
                let size = if is_anomaly { 6.5 } else { 5.0 };
                svg.path(&diamond(x, y, size), &fill, Some(&tooltip));
            }
        }
    }
}

fn draw_densities(svg: &mut Svg, layout: &Layout, lane: &Lane, index: usize, colour: &str) {
    let y = layout.middle(index);
    let height = layout.lane * 0.64;
    // Of each slice of pixels: events, anomalies, first and last moment.
    let mut slices: std::collections::BTreeMap<i64, (usize, usize, i64, i64)> = std::collections::BTreeMap::new();
    for event in &lane.events {
        let (from, to) = (layout.axis.pixel(event.from as f64), layout.axis.pixel(event.to as f64));
        let (from, to) = (from.max(layout.left), to.min(layout.right));
        for slice in (from / SLICE).floor() as i64..=(to / SLICE).floor() as i64 {
            let found = slices.entry(slice).or_insert((0, 0, event.from, event.from));
            *found = (found.0 + 1, found.1 + usize::from(event.is_anomaly), found.2, found.3.max(event.from));
        }
    }
    let most = slices.values().map(|found| found.0).max().unwrap_or(1) as f64;
    for (slice, (count, anomalies, from, to)) in slices {
        let opacity = 0.25 + 0.7 * ((count as f64).ln_1p() / most.ln_1p());
        let colour = if anomalies > 0 { theme::ANOMALY } else { colour };
        let fill = format!("class=\"hb-event\" fill=\"{colour}\" fill-opacity=\"{opacity:.2}\"");
        let marked = if anomalies > 0 { format!(", {} anomalous", number::count(anomalies)) } else { String::new() };
        let tooltip = format!("{}{marked}\n{}\n{}", plural(count, "event"), time::full(from), time::full(to));
        let corner = (slice as f64 * SLICE, y - height / 2.0);
        svg.rect(corner, (SLICE, height), &fill, Some(&tooltip));
    }
}

fn tooltip(timeline: &Timeline<'_>, event: &Event) -> String {
    let mut lines = vec![time::full(event.from)];
    if event.to > event.from {
        lines[0] = format!("{} for {}", lines[0], time::duration(event.to.saturating_sub(event.from)));
    }
    if event.is_anomaly {
        lines.push("anomalous".to_owned());
    }
    lines.push(pick::details(timeline.data, &timeline.details, event.row));
    lines.join("\n")
}

fn diamond(x: f64, y: f64, size: f64) -> String {
    format!("M{} {}l{size} {size}l-{size} {size}l-{size} -{size}Z", coordinate(x), coordinate(y - size))
}

/// Marks in order of time.
fn placed_marks(options: &TimelineOptions) -> Vec<(i64, String)> {
    let mut marks: Vec<(i64, String)> =
        options.marks.iter().map(|(moment, label)| (*moment, text::clean_line(label))).collect();
    marks.sort();
    marks
}

/// Dashed lines with their labels in a few rows above, each in the first row where it does not touch another.
fn draw_marks(svg: &mut Svg, layout: &Layout, marks: &[(i64, String)], top: f64, notes: &mut Vec<String>) {
    let rows = MARK_LINES.min(marks.len());
    let mut ends = vec![f64::NEG_INFINITY; rows];
    let line = format!("class=\"hb-mark\" stroke=\"{}\" stroke-width=\"1.3\" stroke-dasharray=\"5 3\"", theme::ANOMALY);
    for (moment, label) in marks {
        let x = layout.axis.pixel(*moment as f64);
        if !(layout.left - 1.0..=layout.right + 1.0).contains(&x) {
            notes.push(format!("Outside the picture: {label} at {}.", time::full(*moment)));
            continue;
        }
        svg.straight_line((x, layout.top - 4.0), (x, layout.bottom()), &line);
        let style = TextStyle::LABEL.coloured(theme::ANOMALY);
        let shown = style.clip(label, 180.0);
        let width = style.width_of(&shown);
        let start = (x - width / 2.0).max(theme::PADDING).min(layout.right + 8.0 - width);
        if let Some(row) = ends.iter().position(|end| start > *end) {
            let y = top + MARK_LINE * (row as f64 + 0.8);
            ends[row] = start + width + 10.0;
            svg.text_with_tooltip(start, y, &shown, style, &format!("{label}\n{}", time::full(*moment)));
        } else {
            notes.push(format!("Without room for its label: {label} at {}.", time::full(*moment)));
        }
    }
}

fn draw_legend(svg: &mut Svg, y: f64, timeline: &Timeline<'_>, inside: f64) -> f64 {
    let anomalies = timeline.lanes.iter().flat_map(|lane| &lane.events).filter(|event| event.is_anomaly).count();
    if anomalies == 0 {
        return y;
    }
    let shape = if timeline.has_ends { Shape::Box } else { Shape::Dot };
    let entry = Entry {
        name: format!("anomalous ({})", number::count(anomalies)),
        attributes: format!("fill=\"{}\"", theme::ANOMALY),
        shape,
    };
    legend::draw(svg, y, &[entry], inside)
}
