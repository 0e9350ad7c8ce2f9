//! Entities and what goes on between them.

mod draw;
mod layout;

use std::collections::HashMap;

use crate::{ChartData, Picture, PlotError, number, pick, svg, text, theme};

/// How an entity graph looks, and which columns it takes; those that are `None` are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphOptions {
    /// Shown above; empty for none.
    pub title: String,
    /// Where edges begin; chosen: a user, an account, a source address, or the first text.
    pub source: Option<String>,
    /// Where they end; chosen: a resource, a computer, a destination, or the next text. The same name is one entity.
    pub target: Option<String>,
    /// The weight of an edge; chosen: the only other number, else each row counts 1.
    pub value: Option<String>,
    /// Marks rows whose edges are drawn red.
    pub anomalous: Option<String>,
    /// Entities shown (at least two); those with anomalies come first, then those with the heaviest edges.
    pub max_nodes: usize,
    /// Pixels, brought into 320..=8000.
    pub width: u32,
    /// Pixels of the drawing, brought into 200..=8000.
    pub height: u32,
}

impl Default for GraphOptions {
    fn default() -> Self {
        GraphOptions {
            title: String::new(),
            source: None,
            target: None,
            value: None,
            anomalous: None,
            max_nodes: 80,
            width: 900,
            height: 560,
        }
    }
}

struct Entity {
    name: String,
    /// Sums of edges that begin and end here.
    out: f64,
    into: f64,
    edges: usize,
    anomalies: usize,
}

struct Edge {
    from: usize,
    to: usize,
    value: f64,
    is_anomaly: bool,
}

struct Graph {
    entities: Vec<Entity>,
    edges: Vec<Edge>,
    source_name: String,
    target_name: String,
    notes: Vec<String>,
}

/// Draws entities as circles and what is between them as lines; rows of equal ends are one edge.
///
/// # Errors
/// [`PlotError::Missing`] without two columns of names; those of columns that are named.
pub fn entity_graph(data: &ChartData, options: &GraphOptions) -> Result<Picture, PlotError> {
    let graph = Graph::of(data, options)?;
    if graph.edges.is_empty() {
        let svg = svg::no_data(theme::usable_width(options.width), &options.title, &graph.notes);
        return Ok(Picture { svg, text: format!("{}\nno data", text::clean_line(&options.title)) });
    }
    Ok(Picture { svg: draw::draw(&graph, options), text: graph.text(options) })
}

impl Graph {
    fn of(data: &ChartData, options: &GraphOptions) -> Result<Graph, PlotError> {
        let (source, target) =
            pick::ends(data, options.source.as_deref(), options.target.as_deref(), "an entity graph")?;
        let value = pick::value(data, options.value.as_deref(), &[source, target])?;
        let marks = pick::marks(data, options.anomalous.as_deref())?;
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut entities: Vec<Entity> = Vec::new();
        let mut sums: HashMap<(usize, usize), Edge> = HashMap::new();
        let mut left_out = 0;
        for row in 0..data.rows() {
            let value = value.map_or(1.0, |(_, values)| values[row]);
            if !value.is_finite() || value < 0.0 {
                left_out += 1;
                continue;
            }
            let mut entity = |column: usize| {
                *known.entry(pick::shown(data, column, row)).or_insert_with_key(|name| {
                    entities.push(Entity { name: name.clone(), out: 0.0, into: 0.0, edges: 0, anomalies: 0 });
                    entities.len() - 1
                })
            };
            let (from, to) = (entity(source), entity(target));
            let edge = sums.entry((from, to)).or_insert(Edge { from, to, value: 0.0, is_anomaly: false });
            edge.value += value;
            edge.is_anomaly |= marks[row];
        }
        let mut edges: Vec<Edge> = sums.into_values().filter(|edge| edge.value.is_finite()).collect();
        edges.sort_by_key(|edge| (edge.from, edge.to));
        for edge in &edges {
            entities[edge.from].out += edge.value;
            entities[edge.to].into += edge.value;
            for end in [edge.from, edge.to] {
                entities[end].edges += 1;
                entities[end].anomalies += usize::from(edge.is_anomaly);
            }
        }
        let name = |column: usize| text::clean_line(&data.columns()[column].name);
        let mut notes =
            vec![format!("{} entities, {} edges.", number::count(entities.len()), number::count(edges.len()))];
        if left_out > 0 {
            notes.push(format!("Not shown: {} null, infinite or below zero.", number::count(left_out)));
        }
        let graph = Graph { entities, edges, source_name: name(source), target_name: name(target), notes };
        Ok(graph.limited(options.max_nodes.max(2)))
    }

    /// The most telling entities and the edges between them.
    fn limited(mut self, most: usize) -> Graph {
        if self.entities.len() <= most {
            return self;
        }
        // Edges are taken whole, heaviest first, so that nobody stands alone.
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&self.edges[*a], &self.edges[*b]);
            b.is_anomaly.cmp(&a.is_anomaly).then(b.value.total_cmp(&a.value))
        });
        let mut place: Vec<Option<usize>> = vec![None; self.entities.len()];
        let mut kept = 0;
        for edge in order {
            let Edge { from, to, .. } = self.edges[edge];
            let new = if from == to { vec![from] } else { vec![from, to] };
            let new: Vec<usize> = new.into_iter().filter(|end| place[*end].is_none()).collect();
            if kept + new.len() > most {
                continue;
            }
            for end in new {
                place[end] = Some(kept);
                kept += 1;
            }
        }
        let folded = number::count(self.entities.len() - kept);
        self.notes.push(format!("Not shown: {folded} entities with the lightest edges."));
        let mut entities: Vec<(usize, Entity)> =
            self.entities.into_iter().zip(&place).filter_map(|(entity, place)| Some(((*place)?, entity))).collect();
        entities.sort_by_key(|(place, _)| *place);
        self.entities = entities.into_iter().map(|(_, entity)| entity).collect();
        self.edges.retain_mut(|edge| match (place[edge.from], place[edge.to]) {
            (Some(from), Some(to)) => {
                (edge.from, edge.to) = (from, to);
                true
            }
            _ => false,
        });
        self
    }

    fn text(&self, options: &GraphOptions) -> String {
        const MOST: usize = 30;
        let mut lines: Vec<String> = Vec::new();
        lines.extend((!options.title.trim().is_empty()).then(|| text::clean_line(&options.title)));
        let mut edges: Vec<&Edge> = self.edges.iter().collect();
        edges.sort_by(|a, b| b.is_anomaly.cmp(&a.is_anomaly).then(b.value.total_cmp(&a.value)));
        for edge in edges.iter().take(MOST) {
            let mark = if edge.is_anomaly { "! " } else { "" };
            let name = |entity: usize| crate::plain::shortened(&self.entities[entity].name, 40);
            lines.push(format!("{mark}{} → {}: {}", name(edge.from), name(edge.to), number::short(edge.value)));
        }
        if edges.len() > MOST {
            lines.push(format!("... and {} more edges", number::count(edges.len() - MOST)));
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}
