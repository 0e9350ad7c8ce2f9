//! The tree's shapes and lines of text.

use super::{
    ProcessTreeOptions,
    tree::{Forest, Node, Row, base_name},
};
use crate::{
    axis::time,
    number, plain,
    svg::{Anchor, Svg, TextStyle, coordinate, draw_last, draw_title},
    text::{self, clean_line},
    theme,
};

const ROW: f64 = 22.0;
const STEP: f64 = 20.0;
/// Deeper trees do not move further to the right.
const DEEPEST: usize = 16;
const TIME_WIDTH: f64 = 140.0;
const NAME_LIMIT: f64 = 220.0;

pub(super) fn draw(forest: &Forest, rows: &[Row], options: &ProcessTreeOptions) -> String {
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let top = draw_title(&mut svg, &options.title, inside) + 2.0;
    let day = common_day(forest, rows);
    for (index, row) in rows.iter().enumerate() {
        draw_row(&mut svg, forest, row, index, top, width, day.as_deref());
    }
    // Verticals from each parent to its last visible child.
    draw_branches(&mut svg, rows, top);
    let notes = notes(forest, rows, day.as_deref());
    let end = draw_last(&mut svg, &notes, top + ROW * rows.len() as f64 + 2.0, inside);
    svg.finish(end, &format!("{} process tree. {}", options.title, notes.join(" ")))
}

fn x_of(depth: usize) -> f64 {
    theme::PADDING + 6.0 + STEP * depth.min(DEEPEST) as f64
}

fn draw_row(svg: &mut Svg, forest: &Forest, row: &Row, index: usize, top: f64, width: f64, day: Option<&str>) {
    let node = &forest.nodes[row.node];
    let (x, y) = (x_of(row.depth), top + ROW * (index as f64 + 0.5));
    let tooltip = tooltip(node);
    let corner = (theme::PADDING, y - ROW / 2.0 + 1.0);
    let size = (width - 2.0 * theme::PADDING, ROW - 2.0);
    if node.is_anomaly {
        let fill = format!("class=\"hb-anomaly\" fill=\"{}\" fill-opacity=\"0.14\" rx=\"3\"", theme::ANOMALY);
        svg.rect(corner, size, &fill, Some(&tooltip));
    } else if index.is_multiple_of(2) {
        svg.rect(corner, size, &format!("fill=\"{}\" rx=\"3\"", theme::STRIPE), None);
    }
    let (fill, stroke) = match (node.is_anomaly, node.row) {
        (true, _) => (theme::ANOMALY, theme::ANOMALY),
        (false, Some(_)) => (theme::SERIES[row.depth % theme::SERIES.len()], theme::PANEL),
        (false, None) => (theme::PANEL, theme::AXIS),
    };
    let dash = if node.row.is_none() { " stroke-dasharray=\"2 2\"" } else { "" };
    let dot = format!("class=\"hb-process\" fill=\"{fill}\" stroke=\"{stroke}\"{dash}");
    svg.circle((x, y), 5.0, &dot, Some(&tooltip));

    let colour = if node.row.is_none() { theme::TEXT_MUTED } else { theme::TEXT };
    let style = TextStyle::HEADER.coloured(if node.is_anomaly { theme::ANOMALY } else { colour });
    let name = style.clip_end(&name(node), NAME_LIMIT.min(width * 0.35));
    let mut at = x + 12.0;
    svg.text_with_tooltip(at, y + 4.0, &name, style, &tooltip);
    at += style.width_of(&name) + 8.0;
    let mut id = clean_line(&node.id);
    if row.depth == 0 && forest.hosts > 1 {
        id.push_str(&format!(" on {}", clean_line(&node.host)));
    }
    let id = TextStyle::MUTED.clip_end(&id, 190.0);
    svg.text_with_tooltip(at, y + 4.0, &id, TextStyle::MUTED, &tooltip);
    at += TextStyle::MUTED.width_of(&id) + 12.0;

    let right = width - theme::PADDING - 6.0;
    if let Some(moment) = node.time.filter(|_| node.row.is_some()) {
        let full = time::full(moment);
        let shown = day.and_then(|day| full.strip_prefix(day)).map_or(full.as_str(), str::trim_start);
        svg.text(
            right,
            y + 4.0,
            if shown.is_empty() { "00:00" } else { shown },
            TextStyle::MUTED.anchored(Anchor::End),
        );
    }
    let limit = right - TIME_WIDTH - at;
    if limit > 30.0 {
        let (shown, style) = if node.row.is_none() {
            ("not in these rows".to_owned(), TextStyle::MUTED)
        } else {
            (clean_command(node), TextStyle::LABEL)
        };
        svg.text_with_tooltip(at, y + 4.0, &style.clip_end(&shown, limit), style, &tooltip);
    }
}

/// Lines from each process to its children.
fn draw_branches(svg: &mut Svg, rows: &[Row], top: f64) {
    let y = |index: usize| top + ROW * (index as f64 + 0.5);
    let mut data = String::new();
    // The line of the latest row at each depth.
    let mut above: Vec<usize> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let depth = row.depth.min(DEEPEST);
        above.truncate(row.depth);
        if row.depth > 0
            && row.depth <= DEEPEST
            && let Some(parent) = above.get(row.depth - 1)
        {
            let x = x_of(depth - 1);
            data.push_str(&format!(
                "M{} {}V{}H{}",
                coordinate(x),
                coordinate(y(*parent) + 6.0),
                coordinate(y(index)),
                coordinate(x_of(depth) - 6.0)
            ));
        }
        above.push(index);
    }
    if !data.is_empty() {
        svg.path(&data, &format!("class=\"hb-branch\" fill=\"none\" stroke=\"{}\"", theme::AXIS), None);
    }
}

fn name(node: &Node) -> String {
    if node.process.trim().is_empty() { "(unknown)".to_owned() } else { clean_line(base_name(&node.process)) }
}

fn clean_command(node: &Node) -> String {
    if node.command_line.trim().is_empty() { clean_line(&node.process) } else { clean_line(&node.command_line) }
}

/// The day on which all processes started, if it is one: then it need not stand in each line.
fn common_day(forest: &Forest, rows: &[Row]) -> Option<String> {
    let mut days = rows
        .iter()
        .filter_map(|row| forest.nodes[row.node].time.filter(|_| forest.nodes[row.node].row.is_some()))
        .filter_map(|moment| time::full(moment).get(..10).map(str::to_owned));
    let first = days.next()?;
    days.all(|day| day == first).then_some(first)
}

fn tooltip(node: &Node) -> String {
    let mut lines = vec![clean_line(&node.process)];
    lines.push(format!("PID {}", clean_line(&node.id)));
    let mut add = |name: &str, value: &str| {
        if !value.trim().is_empty() {
            lines.push(format!("{name}: {}", plain::clipped(&text::clean_tooltip(value), 400)));
        }
    };
    add("command line", &node.command_line);
    add("user", &node.user);
    add("host", &node.host);
    if let Some(moment) = node.time {
        add("time", &time::full(moment));
    }
    if node.row.is_none() {
        lines.push("its creation is not in these rows".to_owned());
    }
    if node.is_anomaly {
        lines.push("anomalous".to_owned());
    }
    lines.join("\n")
}

fn notes(forest: &Forest, rows: &[Row], day: Option<&str>) -> Vec<String> {
    let mut notes = forest.notes.clone();
    if rows.len() < forest.nodes.len() {
        let (shown, all) = (number::count(rows.len()), number::count(forest.nodes.len()));
        notes.push(format!("The first {shown} of {all} lines; trees with anomalies come first, then the largest."));
    }
    notes.extend(day.map(|day| format!("All on {day}, in UTC.")));
    notes
}

pub(super) fn text(forest: &Forest, rows: &[Row], options: &ProcessTreeOptions) -> String {
    let mut lines = vec![clean_line(&options.title)];
    for row in rows {
        let node = &forest.nodes[row.node];
        let mut line: String = row.goes_on.iter().map(|goes_on| if *goes_on { "│  " } else { "   " }).collect();
        if row.depth > 0 {
            line.push_str(if row.is_last { "└─ " } else { "├─ " });
        }
        let mark = if node.is_anomaly { "! " } else { "" };
        line.push_str(&format!("{mark}{} ({})", name(node), clean_line(&node.id)));
        if node.row.is_none() {
            line.push_str(" not in these rows");
        } else {
            line.push_str(&format!("  {}", plain::clipped(&clean_command(node), 90)));
        }
        if forest.hosts > 1 && row.depth == 0 {
            line.push_str(&format!("  @ {}", clean_line(&node.host)));
        }
        lines.push(line);
    }
    lines.extend(notes(forest, rows, common_day(forest, rows).as_deref()));
    lines.join("\n")
}
