//! From links to the nodes and flows that are drawn: checked, merged, and folded where there are too many.

use std::collections::{BTreeMap, HashMap};

use super::SankeyLink;
use crate::{PlotError, number, text};

/// Tooltips of merged links shown on one flow.
const TOOLTIPS_PER_FLOW: usize = 5;

/// A node with everything that is said about it.
#[derive(Debug, Default, Clone)]
pub(super) struct Node {
    /// Clean text, not yet clipped.
    pub(super) name: String,
    pub(super) total: f64,
    pub(super) flows: usize,
    pub(super) anomalous_flows: usize,
    /// The node "other (n)".
    pub(super) is_other: bool,
}

/// All links between two nodes that are alike in being anomalous or not.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) value: f64,
    pub(super) anomalous: bool,
    pub(super) tooltips: Vec<String>,
    pub(super) more_tooltips: usize,
}

/// One side of the chart.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) nodes: Vec<Node>,
    /// Distinct names before folding.
    pub(super) distinct: usize,
}

impl Side {
    /// How many names stand behind "other"; zero when nothing was folded.
    pub(super) fn folded(&self) -> usize {
        match self.nodes.last() {
            Some(node) if node.is_other => self.distinct + 1 - self.nodes.len(),
            _ => 0,
        }
    }
}

/// What is drawn.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) left: Side,
    pub(super) right: Side,
    pub(super) flows: Vec<Flow>,
    pub(super) total: f64,
}

impl Graph {
    pub(super) fn of(links: &[SankeyLink], max_nodes: usize) -> Result<Graph, PlotError> {
        links.iter().try_for_each(check)?;
        let total: f64 = links.iter().map(|link| link.value).sum();
        if !total.is_finite() {
            return Err(PlotError::FlowsTooLarge);
        }
        let (mut left, left_index) = choose_nodes(links, |link| &link.source, max_nodes);
        let (mut right, right_index) = choose_nodes(links, |link| &link.target, max_nodes);
        let flows = merge(links, |link| (left_index[link.source.as_str()], right_index[link.target.as_str()]));
        for flow in &flows {
            for node in [&mut left.nodes[flow.source], &mut right.nodes[flow.target]] {
                node.total += flow.value;
                node.flows += 1;
                node.anomalous_flows += usize::from(flow.anomalous);
            }
        }
        Ok(Graph { left, right, flows, total })
    }

    pub(super) fn anomalous_flows(&self) -> usize {
        self.flows.iter().filter(|flow| flow.anomalous).count()
    }
}

fn check(link: &SankeyLink) -> Result<(), PlotError> {
    if link.value.is_finite() && link.value >= 0.0 {
        return Ok(());
    }
    Err(PlotError::InvalidFlow {
        from: text::clip_middle(&text::clean_line(&link.source), 400.0, 11.0, false),
        to: text::clip_middle(&text::clean_line(&link.target), 400.0, 11.0, false),
        value: link.value,
    })
}

/// Why a name deserves a node of its own, most important first.
#[derive(Default, Clone, Copy)]
struct Weight {
    anomalous_links: usize,
    anomalous_value: f64,
    value: f64,
}

/// Picks the nodes of one side and says which node each name belongs to.
fn choose_nodes<'a>(
    links: &'a [SankeyLink],
    name_of: impl Fn(&'a SankeyLink) -> &'a String,
    max_nodes: usize,
) -> (Side, HashMap<&'a str, usize>) {
    let mut weights: BTreeMap<&str, Weight> = BTreeMap::new();
    for link in links {
        let weight = weights.entry(name_of(link)).or_default();
        weight.value += link.value;
        if link.anomalous {
            weight.anomalous_links += 1;
            weight.anomalous_value += link.value;
        }
    }
    let mut ranked: Vec<(&str, Weight)> = weights.into_iter().collect();
    // The sort is stable, so equals stay in the order of their names.
    ranked.sort_by(|(_, a), (_, b)| {
        let by_anomaly = (b.anomalous_links > 0).cmp(&(a.anomalous_links > 0));
        by_anomaly.then(b.anomalous_value.total_cmp(&a.anomalous_value)).then(b.value.total_cmp(&a.value))
    });

    let distinct = ranked.len();
    let max_nodes = max_nodes.max(1);
    // "other (1)" would take as much room as the node it hides.
    let named = if distinct == max_nodes.saturating_add(1) { distinct } else { distinct.min(max_nodes) };
    let index = ranked.iter().enumerate().map(|(rank, (name, _))| (*name, rank.min(named))).collect();
    let mut nodes: Vec<Node> =
        ranked[..named].iter().map(|(name, _)| Node { name: text::clean_line(name), ..Node::default() }).collect();
    if named < distinct {
        let name = format!("other ({})", number::count(distinct - named));
        nodes.push(Node { name, is_other: true, ..Node::default() });
    }
    (Side { nodes, distinct }, index)
}

fn merge(links: &[SankeyLink], ends_of: impl Fn(&SankeyLink) -> (usize, usize)) -> Vec<Flow> {
    let mut flows: BTreeMap<(usize, usize, bool), Flow> = BTreeMap::new();
    for link in links {
        let (source, target) = ends_of(link);
        let flow = flows.entry((source, target, link.anomalous)).or_default();
        flow.value += link.value;
        if let Some(tooltip) = &link.tooltip {
            let tooltip = text::clean_tooltip(tooltip);
            if flow.tooltips.contains(&tooltip) {
                continue;
            }
            if flow.tooltips.len() < TOOLTIPS_PER_FLOW {
                flow.tooltips.push(tooltip);
            } else {
                flow.more_tooltips += 1;
            }
        }
    }
    flows.into_iter().map(|((source, target, anomalous), flow)| Flow { source, target, anomalous, ..flow }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(source: &str, target: &str, value: f64, anomalous: bool) -> SankeyLink {
        SankeyLink { source: source.into(), target: target.into(), value, anomalous, tooltip: None }
    }

    #[test]
    fn same_links_merge_and_anomalous_ones_stay_apart() {
        let links = [link("a", "x", 1.0, false), link("a", "x", 2.0, false), link("a", "x", 5.0, true)];
        let graph = Graph::of(&links, 10).unwrap();
        let values: Vec<f64> = graph.flows.iter().map(|flow| flow.value).collect();
        assert_eq!(values, [3.0, 5.0]);
        assert_eq!(graph.left.nodes[0].total, 8.0);
    }

    #[test]
    fn folding_keeps_the_anomalies_and_the_totals() {
        let mut links: Vec<SankeyLink> =
            (0..50).map(|i| link(&format!("u{i}"), "x", 100.0 + f64::from(i), false)).collect();
        links.push(link("tiny", "x", 0.5, true));
        let graph = Graph::of(&links, 5).unwrap();
        assert_eq!(graph.left.nodes.len(), 6);
        assert_eq!(graph.left.nodes[0].name, "tiny");
        assert_eq!(graph.left.nodes[5].name, "other (46)");
        assert_eq!(graph.left.folded(), 46);
        assert_eq!(graph.right.folded(), 0);
        let sum: f64 = graph.left.nodes.iter().map(|node| node.total).sum();
        assert!((sum - graph.total).abs() < 1e-9);
    }

    #[test]
    fn a_real_node_called_other_is_not_the_folded_one() {
        let links: Vec<SankeyLink> =
            ["other (3)", "b", "c", "d"].iter().map(|name| link(name, "x", 1.0, *name == "other (3)")).collect();
        let graph = Graph::of(&links, 1).unwrap();
        let names: Vec<&str> = graph.left.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["other (3)", "other (3)"]);
        assert_eq!(graph.flows.len(), 2);
    }

    #[test]
    fn one_surplus_node_is_not_folded() {
        let links: Vec<SankeyLink> = (0..6).map(|i| link(&format!("u{i}"), "x", 1.0, false)).collect();
        assert_eq!(Graph::of(&links, 5).unwrap().left.nodes.len(), 6);
        assert_eq!(Graph::of(&links, usize::MAX).unwrap().left.nodes.len(), 6);
        assert_eq!(Graph::of(&links, 0).unwrap().left.nodes.len(), 2);
    }
}
