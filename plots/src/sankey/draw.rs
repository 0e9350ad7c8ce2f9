//! The Sankey's shapes and words.

use super::{
    SankeyOptions,
    graph::{Flow, Graph, Node, Side},
    layout::{Bar, Layout, NODE_WIDTH, Ribbon},
};
use crate::{
    number, plain,
    svg::{Anchor, Svg, TextStyle, coordinate, draw_caption, draw_title},
    text, theme,
};

pub(super) fn draw(graph: &Graph, layout: &Layout, options: &SankeyOptions) -> String {
    let mut svg = Svg::new(layout.width);
    let inside = layout.width - 2.0 * theme::PADDING;
    let y = draw_title(&mut svg, &options.title, inside);
    let top = draw_headings(&mut svg, y, layout, options);
    draw_flows(&mut svg, top, graph, layout);
    draw_nodes(&mut svg, top, graph, layout);
    let y = draw_legend(&mut svg, top + layout.height + 26.0, graph);
    let y = draw_caption(&mut svg, &caption(graph, options), y + 18.0, inside);
    let description = format!("{} {}", options.title, caption(graph, options).join(" "));
    svg.finish(y + theme::PADDING / 2.0 - 4.0, description.trim())
}

fn draw_headings(svg: &mut Svg, y: f64, layout: &Layout, options: &SankeyOptions) -> f64 {
    let baseline = y + theme::HEADER_SIZE;
    let (left_x, right_x) = layout.label_x();
    let style = TextStyle::HEADER.coloured(theme::TEXT_MUTED);
    for (label, x, limit, anchor) in [
        (&options.left_label, left_x, layout.gutters.0, Anchor::End),
        (&options.right_label, right_x, layout.gutters.1, Anchor::Start),
    ] {
        if !label.trim().is_empty() {
            svg.text(x, baseline, &style.clip(&text::clean_line(label), limit), style.anchored(anchor));
        }
    }
    baseline + 10.0
}

/// Normal flows first, so that no anomaly is hidden below one.
fn draw_flows(svg: &mut Svg, top: f64, graph: &Graph, layout: &Layout) {
    for anomalous in [false, true] {
        for (flow, ribbon) in graph.flows.iter().zip(&layout.ribbons) {
            if flow.anomalous == anomalous {
                draw_flow(svg, top, graph, flow, *ribbon, layout);
            }
        }
    }
}

fn draw_flow(svg: &mut Svg, top: f64, graph: &Graph, flow: &Flow, ribbon: Ribbon, layout: &Layout) {
    let (from, to) = (layout.left_x + NODE_WIDTH, layout.right_x);
    let bend = coordinate((from + to) / 2.0);
    let data = format!(
        "M{from} {left} C{bend} {left} {bend} {right} {to} {right}",
        from = coordinate(from),
        to = coordinate(to),
        left = coordinate(top + ribbon.left_y),
        right = coordinate(top + ribbon.right_y),
    );
    let (class, colour, opacity) =
        if flow.anomalous { ("hb-flow hb-anomalous", theme::ANOMALY, 0.75) } else { ("hb-flow", theme::NORMAL, 0.4) };
    let attributes = format!(
        "class=\"{class}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"{opacity}\" stroke-width=\"{}\"",
        coordinate(ribbon.thickness),
    );
    svg.path(&data, &attributes, Some(&flow_tooltip(graph, flow)));
}

fn flow_tooltip(graph: &Graph, flow: &Flow) -> String {
    let mut lines = vec![format!(
        "{} → {}: {}{}",
        graph.left.nodes[flow.source].name,
        graph.right.nodes[flow.target].name,
        number::short(flow.value),
        if flow.anomalous { " (anomalous)" } else { "" },
    )];
    lines.extend(flow.tooltips.iter().cloned());
    if flow.more_tooltips > 0 {
        lines.push(format!("… and {} more", number::count(flow.more_tooltips)));
    }
    lines.join("\n")
}

fn draw_nodes(svg: &mut Svg, top: f64, graph: &Graph, layout: &Layout) {
    let (left_label, right_label) = layout.label_x();
    for (node, bar) in graph.left.nodes.iter().zip(&layout.left) {
        draw_bar(svg, top, layout.left_x, *bar, node);
        draw_label(svg, (left_label, top + bar.middle()), node, layout.gutters.0, Anchor::End);
    }
    for (node, bar) in graph.right.nodes.iter().zip(&layout.right) {
        draw_bar(svg, top, layout.right_x, *bar, node);
        draw_label(svg, (right_label, top + bar.middle()), node, layout.gutters.1, Anchor::Start);
    }
}

fn draw_bar(svg: &mut Svg, top: f64, x: f64, bar: Bar, node: &Node) {
    let attributes = format!("class=\"hb-node\" fill=\"{}\"", theme::NODE);
    svg.rect((x, top + bar.top), (NODE_WIDTH, bar.height), &attributes, Some(&node_tooltip(node)));
}

/// Nodes with an anomaly have a bold label: a second sign beside the colour.
fn draw_label(svg: &mut Svg, (x, middle): (f64, f64), node: &Node, limit: f64, anchor: Anchor) {
    let style = TextStyle::LABEL.bold_if(node.anomalous_flows > 0).anchored(anchor);
    let style = if node.is_other { style.coloured(theme::TEXT_MUTED) } else { style };
    let baseline = middle + theme::LABEL_SIZE * 0.36;
    svg.text_with_tooltip(x, baseline, &style.clip(&node.name, limit), style, &node_tooltip(node));
}

fn node_tooltip(node: &Node) -> String {
    let anomalies = match node.anomalous_flows {
        0 => String::new(),
        some => format!(", {} anomalous", number::count(some)),
    };
    format!("{}: {} in {}{anomalies}", node.name, number::short(node.total), flows(node.flows))
}

/// What the colours mean; only those that occur.
fn draw_legend(svg: &mut Svg, baseline: f64, graph: &Graph) -> f64 {
    let anomalous = graph.anomalous_flows();
    let normal = graph.flows.len() - anomalous;
    let mut x = theme::PADDING;
    for (amount, word, colour, opacity) in
        [(normal, "normal", theme::NORMAL, 0.4), (anomalous, "anomalous", theme::ANOMALY, 0.75)]
    {
        if amount == 0 {
            continue;
        }
        let swatch = format!("fill=\"{colour}\" fill-opacity=\"{opacity}\"");
        svg.rect((x, baseline - 8.0), (18.0, 8.0), &swatch, None);
        let label = format!("{word} ({})", number::count(amount));
        svg.text(x + 24.0, baseline, &label, TextStyle::LABEL);
        x += 24.0 + TextStyle::LABEL.width_of(&label) + 16.0;
    }
    baseline
}

/// Flows for a terminal, in lines; anomalous ones first.
pub(super) fn text(graph: &Graph, options: &SankeyOptions) -> String {
    const MOST: usize = 30;
    let mut flows: Vec<&Flow> = graph.flows.iter().collect();
    flows.sort_by(|a, b| b.anomalous.cmp(&a.anomalous).then(b.value.total_cmp(&a.value)));
    let most = flows.iter().map(|flow| flow.value).fold(f64::MIN_POSITIVE, f64::max);
    let name = |flow: &Flow| {
        let (from, to) = (&graph.left.nodes[flow.source].name, &graph.right.nodes[flow.target].name);
        let mark = if flow.anomalous { "! " } else { "" };
        format!("{mark}{} → {}", plain::shortened(from, 28), plain::shortened(to, 28))
    };
    let shown = &flows[..flows.len().min(MOST)];
    let width = shown.iter().map(|flow| name(flow).chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    lines.extend((!options.title.trim().is_empty()).then(|| text::clean_line(&options.title)));
    lines.extend(shown.iter().map(|flow| {
        let bar = plain::bar(flow.value / most, 24);
        format!("{}  {bar} {}", plain::padded(&name(flow), width), number::short(flow.value))
    }));
    if flows.len() > MOST {
        lines.push(format!("... and {} more flows", number::count(flows.len() - MOST)));
    }
    lines.extend(caption(graph, options));
    lines.join("\n")
}

fn caption(graph: &Graph, options: &SankeyOptions) -> Vec<String> {
    let left = heading_or(&options.left_label, "left");
    let right = heading_or(&options.right_label, "right");
    let mut sentences = vec![format!(
        "{left}: {}; {right}: {}; {}, {} in total.",
        number::count(graph.left.distinct),
        number::count(graph.right.distinct),
        flows(graph.flows.len()),
        number::short(graph.total),
    )];
    sentences.extend(folding_sentence(&left, &graph.left));
    sentences.extend(folding_sentence(&right, &graph.right));
    sentences
}

fn folding_sentence(heading: &str, side: &Side) -> Option<String> {
    let other = side.nodes.last().filter(|node| node.is_other)?;
    let anomalies = match other.anomalous_flows {
        0 => String::new(),
        some => format!(", with {} anomalous", flows(some)),
    };
    Some(format!(
        "{heading}: {} with the smallest flows are folded into \"{}\"{anomalies}.",
        number::count(side.folded()),
        other.name,
    ))
}

fn heading_or(label: &str, fallback: &str) -> String {
    let heading = if label.trim().is_empty() { fallback } else { label };
    TextStyle::LABEL.clip(&text::clean_line(heading), 200.0)
}

fn flows(amount: usize) -> String {
    format!("{} flow{}", number::count(amount), if amount == 1 { "" } else { "s" })
}
