//! The graph's shapes.

use super::{Entity, Graph, GraphOptions, layout};
use crate::{
    legend::{self, Entry, Shape},
    number,
    svg::{Anchor, Svg, TextStyle, coordinate, draw_last, draw_title},
    theme,
};

const RADIUS: (f64, f64) = (4.0, 15.0);
const LABEL_LIMIT: f64 = 150.0;

pub(super) fn draw(graph: &Graph, options: &GraphOptions) -> String {
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = legend::draw(&mut svg, y, &entries(graph), inside) + 14.0;
    // A few entities need no large picture.
    let height = theme::usable_height(options.height).min(180.0 + 24.0 * graph.entities.len() as f64);
    let margin = (LABEL_LIMIT / 2.0, 22.0);
    let area = (inside - 2.0 * margin.0, height - 2.0 * margin.1);
    let places: Vec<(f64, f64)> = layout::places(graph, area.0 / area.1)
        .into_iter()
        .map(|(x, across)| (theme::PADDING + margin.0 + x * area.0, y + margin.1 + across * area.1))
        .collect();
    let radii = radii(graph);
    draw_edges(&mut svg, graph, &places, &radii);
    for ((entity, place), radius) in graph.entities.iter().zip(&places).zip(&radii) {
        let fill = format!(
            "class=\"hb-entity\" fill=\"{}\" stroke=\"{}\" stroke-width=\"{}\"",
            colour(entity),
            if entity.anomalies > 0 { theme::ANOMALY } else { theme::PANEL },
            if entity.anomalies > 0 { 2.5 } else { 1.5 },
        );
        svg.circle(*place, *radius, &fill, Some(&tooltip(entity)));
    }
    let hidden = draw_labels(&mut svg, graph, &places, &radii, width);
    let mut notes = graph.notes.clone();
    if hidden > 0 {
        notes.push(format!("{} names have no room: hover over a circle.", number::count(hidden)));
    }
    let end = draw_last(&mut svg, &notes, y + height + 4.0, inside);
    svg.finish(end, &format!("{} entity graph. {}", options.title, notes.join(" ")))
}

/// By how much goes through an entity; areas, not lengths, are in proportion.
fn radii(graph: &Graph) -> Vec<f64> {
    let weight = |entity: &Entity| entity.out + entity.into;
    let most = graph.entities.iter().map(weight).fold(f64::MIN_POSITIVE, f64::max);
    let radius = |entity: &Entity| RADIUS.0 + (RADIUS.1 - RADIUS.0) * (weight(entity) / most).sqrt();
    graph.entities.iter().map(radius).collect()
}

fn colour(entity: &Entity) -> &'static str {
    match (entity.edges, entity.out > 0.0, entity.into > 0.0) {
        (_, true, true) => theme::SERIES[2],
        (_, true, false) => theme::SERIES[0],
        _ => theme::SERIES[1],
    }
}

fn draw_edges(svg: &mut Svg, graph: &Graph, places: &[(f64, f64)], radii: &[f64]) {
    let most = graph.edges.iter().map(|edge| edge.value).fold(f64::MIN_POSITIVE, f64::max);
    for is_anomaly in [false, true] {
        for edge in graph.edges.iter().filter(|edge| edge.is_anomaly == is_anomaly) {
            let thickness = 0.8 + 3.2 * (edge.value / most).sqrt();
            let (class, colour, opacity) =
                if is_anomaly { ("hb-edge hb-anomaly", theme::ANOMALY, 0.85) } else { ("hb-edge", theme::NORMAL, 0.5) };
            let attributes = format!(
                "class=\"{class}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"{opacity}\" stroke-width=\"{}\"",
                coordinate(thickness)
            );
            let (from, to) = (&graph.entities[edge.from].name, &graph.entities[edge.to].name);
            let mark = if is_anomaly { " (anomalous)" } else { "" };
            let tooltip = format!("{from} → {to}: {}{mark}", number::short(edge.value));
            svg.path(&curve(places, radii, edge.from, edge.to), &attributes, Some(&tooltip));
        }
    }
}

/// Slightly bent to the right, so that there and back are two lines; an edge to itself is a loop.
fn curve(places: &[(f64, f64)], radii: &[f64], from: usize, to: usize) -> String {
    let ((x0, y0), (x1, y1)) = (places[from], places[to]);
    if from == to {
        let r = radii[from];
        return format!(
            "M{} {}c-{s} -{s} {s} -{s} 0 0",
            coordinate(x0),
            coordinate(y0 - r * 0.6),
            s = coordinate(r * 2.2)
        );
    }
    let (mx, my) = ((x0 + x1) / 2.0 + (y1 - y0) * 0.08, (y0 + y1) / 2.0 - (x1 - x0) * 0.08);
    format!(
        "M{} {}Q{} {} {} {}",
        coordinate(x0),
        coordinate(y0),
        coordinate(mx),
        coordinate(my),
        coordinate(x1),
        coordinate(y1)
    )
}

/// Names below their circles, the most telling first, where they touch no other name or circle. Returns how many
/// have no room.
fn draw_labels(svg: &mut Svg, graph: &Graph, places: &[(f64, f64)], radii: &[f64], width: f64) -> usize {
    let mut order: Vec<usize> = (0..graph.entities.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&graph.entities[*a], &graph.entities[*b]);
        (b.anomalies > 0).cmp(&(a.anomalies > 0)).then((b.out + b.into).total_cmp(&(a.out + a.into)))
    });
    let mut boxes: Vec<[f64; 4]> = places.iter().zip(radii).map(|((x, y), r)| [x - r, y - r, x + r, y + r]).collect();
    let circles = boxes.len();
    let mut hidden = 0;
    for index in order {
        let entity = &graph.entities[index];
        let style = TextStyle::LABEL.bold_if(entity.anomalies > 0).anchored(Anchor::Middle);
        let label = style.clip(&entity.name, LABEL_LIMIT);
        let half = style.width_of(&label) / 2.0 + 2.0;
        let (x, y) = places[index];
        let x = x.max(half + 4.0).min(width - half - 4.0);
        let below = y + radii[index] + 12.0;
        let above = y - radii[index] - 4.0;
        let free = [below, above].into_iter().find(|baseline| {
            let own = [x - half, baseline - 9.0, x + half, baseline + 3.0];
            let touches =
                |other: &[f64; 4]| own[0] < other[2] && other[0] < own[2] && own[1] < other[3] && other[1] < own[3];
            !boxes.iter().enumerate().any(|(at, other)| (at >= circles || at != index) && touches(other))
        });
        match free {
            Some(baseline) => {
                boxes.push([x - half, baseline - 9.0, x + half, baseline + 3.0]);
                svg.text_with_halo(x, baseline, &label, style, &tooltip(entity));
            }
            None => hidden += 1,
        }
    }
    hidden
}

fn tooltip(entity: &Entity) -> String {
    let mut lines = vec![entity.name.clone()];
    if entity.out > 0.0 {
        lines.push(format!("out: {}", number::short(entity.out)));
    }
    if entity.into > 0.0 {
        lines.push(format!("in: {}", number::short(entity.into)));
    }
    lines.push(format!("edges: {}", number::count(entity.edges)));
    if entity.anomalies > 0 {
        lines.push(format!("anomalous: {}", number::count(entity.anomalies)));
    }
    lines.join("\n")
}

fn entries(graph: &Graph) -> Vec<Entry> {
    let has = |wanted: &str| graph.entities.iter().any(|entity| colour(entity) == wanted);
    let dot = |name: &str, colour: &str| Entry {
        name: name.to_owned(),
        attributes: format!("fill=\"{colour}\""),
        shape: Shape::Dot,
    };
    let mut entries = Vec::new();
    for (name, colour) in [
        (graph.source_name.as_str(), theme::SERIES[0]),
        (graph.target_name.as_str(), theme::SERIES[1]),
        ("both", theme::SERIES[2]),
    ] {
        if has(colour) {
            entries.push(dot(name, colour));
        }
    }
    let anomalies = graph.edges.iter().filter(|edge| edge.is_anomaly).count();
    if anomalies > 0 {
        entries.push(Entry {
            name: format!("anomalous ({})", number::count(anomalies)),
            attributes: format!("stroke=\"{}\" stroke-width=\"3\"", theme::ANOMALY),
            shape: Shape::Line,
        });
    }
    entries
}
