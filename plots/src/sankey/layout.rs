//! Where everything goes: an order of the nodes with few crossings, then pixels.

use super::{
    SankeyOptions,
    graph::{Flow, Graph, Node},
};
use crate::{svg::TextStyle, text, theme};

/// Rounds of ordering one side by the other; the best order seen is kept, so more can only help.
const SWEEPS: usize = 12;
pub(super) const NODE_WIDTH: f64 = 10.0;
const LABEL_GAP: f64 = 6.0;
/// The share of the width that the labels of one side may take.
const GUTTER_SHARE: f64 = 0.3;
const ROW_GAP: f64 = 3.0;
/// Thinner flows could not be seen or hit with the pointer; an anomaly must catch the eye however small it is.
const THINNEST_FLOW: f64 = 0.8;
const THINNEST_ANOMALY: f64 = 2.0;
/// Pixels that all flows share: some for every row, within reason.
const FLOW_PIXELS_PER_ROW: f64 = 14.0;
const FLOW_PIXELS: (f64, f64) = (44.0, 900.0);

/// A node's bar.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Bar {
    pub(super) top: f64,
    pub(super) height: f64,
}

impl Bar {
    pub(super) fn middle(self) -> f64 {
        self.top + self.height / 2.0
    }
}

/// A flow's ribbon: the middle of its two ends.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ribbon {
    pub(super) left_y: f64,
    pub(super) right_y: f64,
    pub(super) thickness: f64,
}

/// Coordinates for a graph; y starts at zero below the headings.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The left edges of the two columns of bars.
    pub(super) left_x: f64,
    pub(super) right_x: f64,
    pub(super) left: Vec<Bar>,
    pub(super) right: Vec<Bar>,
    pub(super) ribbons: Vec<Ribbon>,
    /// The widest label that fits on each side.
    pub(super) gutters: (f64, f64),
}

impl Layout {
    pub(super) fn of(graph: &Graph, width: f64, options: &SankeyOptions) -> Layout {
        let order = Order::with_few_crossings(graph);
        let thickness = flow_thickness(graph);
        let left_heights = bar_heights(graph.left.nodes.len(), &graph.flows, &thickness, |flow| flow.source);
        let right_heights = bar_heights(graph.right.nodes.len(), &graph.flows, &thickness, |flow| flow.target);
        let height = stacked_height(&left_heights).max(stacked_height(&right_heights));
        let left = stack(&order.left, &left_heights, height);
        let right = stack(&order.right, &right_heights, height);
        let ribbons = attach(graph, &thickness, &left, &right);

        let limit = width * GUTTER_SHARE;
        let left_gutter = gutter(&graph.left.nodes, &options.left_label, limit);
        let right_gutter = gutter(&graph.right.nodes, &options.right_label, limit);
        Layout {
            width,
            height,
            left_x: theme::PADDING + left_gutter + LABEL_GAP,
            right_x: width - theme::PADDING - right_gutter - LABEL_GAP - NODE_WIDTH,
            left,
            right,
            ribbons,
            gutters: (left_gutter, right_gutter),
        }
    }

    /// Where labels end on the left and start on the right.
    pub(super) fn label_x(&self) -> (f64, f64) {
        (self.left_x - LABEL_GAP, self.right_x + NODE_WIDTH + LABEL_GAP)
    }
}

/// Room for the widest label or the heading of one side, up to `limit`.
fn gutter(nodes: &[Node], heading: &str, limit: f64) -> f64 {
    let heading = TextStyle::HEADER.width_of(&text::clean_line(heading));
    let widest = nodes
        .iter()
        .map(|node| TextStyle::LABEL.bold_if(node.anomalous_flows > 0).width_of(&node.name))
        .fold(heading, f64::max);
    widest.min(limit)
}

/// The vertical order: `left[position]` is the index of the node at that position.
#[derive(Clone)]
struct Order {
    left: Vec<usize>,
    right: Vec<usize>,
}

impl Order {
    /// Sweeps from two starts, by size and by name (names often carry the department), and keeps the best order.
    fn with_few_crossings(graph: &Graph) -> Order {
        let starts = [by_size, by_name]
            .map(|sorted| Order { left: sorted(&graph.left.nodes), right: sorted(&graph.right.nodes) });
        let swept = starts.into_iter().flat_map(|start| start.sweeps(graph));
        let best = swept.min_by_key(|order| order.crossings(&graph.flows));
        best.unwrap_or_else(|| Order { left: by_size(&graph.left.nodes), right: by_size(&graph.right.nodes) })
    }

    /// This order and those that follow when each side in turn is sorted by the other.
    fn sweeps(self, graph: &Graph) -> impl Iterator<Item = Order> {
        std::iter::successors(Some(self), |order| {
            let mut next = order.clone();
            next.sort_right(graph);
            next.sort_left(graph);
            Some(next)
        })
        .take(SWEEPS + 1)
    }

    fn sort_right(&mut self, graph: &Graph) {
        let links = graph.flows.iter().map(|flow| (flow.target, flow.source, flow.value));
        sort_by_barycentre(&mut self.right, &graph.right.nodes, &positions(&self.left), links);
    }

    fn sort_left(&mut self, graph: &Graph) {
        let links = graph.flows.iter().map(|flow| (flow.source, flow.target, flow.value));
        sort_by_barycentre(&mut self.left, &graph.left.nodes, &positions(&self.right), links);
    }

    /// How many pairs of flows cross: inversions, counted with a Fenwick tree because hundreds of flows make
    /// hundreds of thousands of pairs.
    fn crossings(&self, flows: &[Flow]) -> u64 {
        let (left, right) = (positions(&self.left), positions(&self.right));
        let mut ends: Vec<(usize, usize)> = flows.iter().map(|flow| (left[flow.source], right[flow.target])).collect();
        ends.sort_unstable();
        let mut seen = vec![0_u64; self.right.len() + 1];
        let mut crossings = 0;
        for (already, (_, target)) in ends.into_iter().enumerate() {
            crossings += already as u64 - sum_up_to(&seen, target + 1);
            let mut slot = target + 1;
            while slot < seen.len() {
                seen[slot] += 1;
                slot += slot & slot.wrapping_neg();
            }
        }
        crossings
    }
}

fn sum_up_to(tree: &[u64], mut slot: usize) -> u64 {
    let mut sum = 0;
    while slot > 0 {
        sum += tree[slot];
        slot &= slot - 1;
    }
    sum
}

fn by_size(nodes: &[Node]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&nodes[a], &nodes[b]);
        a.is_other.cmp(&b.is_other).then(b.total.total_cmp(&a.total))
    });
    order
}

fn by_name(nodes: &[Node]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|&node| (nodes[node].is_other, &nodes[node].name));
    order
}

fn positions(order: &[usize]) -> Vec<usize> {
    let mut positions = vec![0; order.len()];
    for (position, &node) in order.iter().enumerate() {
        positions[node] = position;
    }
    positions
}

/// Sorts one side by the mean position of each node's partners, weighted by the flows; "other" stays last.
fn sort_by_barycentre(
    order: &mut [usize],
    nodes: &[Node],
    partner_position: &[usize],
    links: impl Iterator<Item = (usize, usize, f64)>,
) {
    // Values relative to the largest node, plus a little, keep huge and zero flows from breaking the mean.
    let largest = nodes.iter().map(|node| node.total).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut sums = vec![(0.0, 0.0); nodes.len()];
    for (node, partner, value) in links {
        let weight = value / largest + 1e-6;
        sums[node].0 += weight * partner_position[partner] as f64;
        sums[node].1 += weight;
    }
    let centre = |node: usize| if sums[node].1 > 0.0 { sums[node].0 / sums[node].1 } else { 0.0 };
    order.sort_by(|&a, &b| {
        let others_last = nodes[a].is_other.cmp(&nodes[b].is_other);
        others_last.then(centre(a).total_cmp(&centre(b)))
    });
}

fn flow_thickness(graph: &Graph) -> Vec<f64> {
    let rows = graph.left.nodes.len().max(graph.right.nodes.len());
    let pixels = (rows as f64 * FLOW_PIXELS_PER_ROW).clamp(FLOW_PIXELS.0, FLOW_PIXELS.1);
    graph
        .flows
        .iter()
        .map(|flow| {
            let share = if graph.total > 0.0 { flow.value / graph.total } else { 0.0 };
            (share * pixels).max(if flow.anomalous { THINNEST_ANOMALY } else { THINNEST_FLOW })
        })
        .collect()
}

fn bar_heights(nodes: usize, flows: &[Flow], thickness: &[f64], end: impl Fn(&Flow) -> usize) -> Vec<f64> {
    let mut heights = vec![0.0; nodes];
    for (flow, thickness) in flows.iter().zip(thickness) {
        heights[end(flow)] += thickness;
    }
    heights
}

/// Every row is as high as its bar and at least as high as its label: labels cannot overlap.
fn row_height(bar: f64) -> f64 {
    bar.max(theme::LABEL_LINE)
}

fn stacked_height(bars: &[f64]) -> f64 {
    let rows: f64 = bars.iter().map(|&bar| row_height(bar)).sum();
    rows + ROW_GAP * bars.len().saturating_sub(1) as f64
}

/// Stacks the bars of one side from top to bottom and spreads them over the whole height.
fn stack(order: &[usize], heights: &[f64], height: f64) -> Vec<Bar> {
    let spare = (height - stacked_height(heights)).max(0.0);
    let spread = spare / order.len().max(1) as f64;
    let mut bars = vec![Bar::default(); heights.len()];
    let mut y = spread / 2.0;
    for &node in order {
        let row = row_height(heights[node]);
        bars[node] = Bar { top: y + (row - heights[node]) / 2.0, height: heights[node] };
        y += row + ROW_GAP + spread;
    }
    bars
}

/// Attaches the flows to the bars; on each bar they are sorted by their other end, so that they do not cross there.
fn attach(graph: &Graph, thickness: &[f64], left: &[Bar], right: &[Bar]) -> Vec<Ribbon> {
    let mut ribbons: Vec<Ribbon> =
        thickness.iter().map(|&thickness| Ribbon { thickness, ..Ribbon::default() }).collect();
    let middle = |bars: &[Bar], node: usize| bars[node].middle();

    let mut next: Vec<f64> = left.iter().map(|bar| bar.top).collect();
    for index in sorted_by(&graph.flows, |flow| middle(right, flow.target)) {
        let edge = &mut next[graph.flows[index].source];
        ribbons[index].left_y = *edge + thickness[index] / 2.0;
        *edge += thickness[index];
    }
    let mut next: Vec<f64> = right.iter().map(|bar| bar.top).collect();
    for index in sorted_by(&graph.flows, |flow| middle(left, flow.source)) {
        let edge = &mut next[graph.flows[index].target];
        ribbons[index].right_y = *edge + thickness[index] / 2.0;
        *edge += thickness[index];
    }
    ribbons
}

fn sorted_by(flows: &[Flow], key: impl Fn(&Flow) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..flows.len()).collect();
    order.sort_by(|&a, &b| key(&flows[a]).total_cmp(&key(&flows[b])).then(a.cmp(&b)));
    order
}

#[cfg(test)]
mod tests {
    use super::super::SankeyLink;
    use super::*;

    fn graph(pairs: &[(usize, usize)]) -> Graph {
        let links: Vec<SankeyLink> = pairs
            .iter()
            .map(|(source, target)| SankeyLink {
                source: format!("u{source}"),
                target: format!("r{target}"),
                value: 1.0 + (source * 7 + target * 3) as f64 % 5.0,
                anomalous: source == target,
                tooltip: None,
            })
            .collect();
        Graph::of(&links, 1_000).unwrap()
    }

    #[test]
    fn separable_departments_do_not_cross() {
        let graph = graph(&[(0, 5), (1, 4), (2, 3), (3, 2), (4, 1), (5, 0)]);
        let order = Order::with_few_crossings(&graph);
        assert_eq!(order.crossings(&graph.flows), 0);
    }

    #[test]
    fn crossings_are_counted_like_by_hand() {
        let graph = graph(&[(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]);
        let order = Order { left: vec![0, 1, 2], right: vec![0, 1] };
        let (left, right) = (positions(&order.left), positions(&order.right));
        let ends: Vec<(usize, usize)> =
            graph.flows.iter().map(|flow| (left[flow.source], right[flow.target])).collect();
        let mut by_hand = 0;
        for (i, a) in ends.iter().enumerate() {
            by_hand += ends[..i].iter().filter(|b| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1)).count();
        }
        assert_eq!(order.crossings(&graph.flows), by_hand as u64);
    }

    #[test]
    fn rows_never_overlap_and_stay_inside() {
        let pairs: Vec<(usize, usize)> = (0..400).map(|i| (i * 31 % 22, i * 17 % 106)).collect();
        let graph = graph(&pairs);
        let layout = Layout::of(&graph, 900.0, &SankeyOptions::default());
        for bars in [&layout.left, &layout.right] {
            let mut middles: Vec<f64> = bars.iter().map(|bar| bar.middle()).collect();
            middles.sort_by(f64::total_cmp);
            assert!(middles.windows(2).all(|pair| pair[1] - pair[0] >= theme::LABEL_LINE));
            assert!(bars.iter().all(|bar| bar.top >= -1e-9 && bar.top + bar.height <= layout.height + 1e-6));
        }
    }
}
