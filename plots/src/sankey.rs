//! Who reaches what: users on the left, resources on the right, every access a ribbon between them.

mod draw;
mod graph;
mod layout;

use crate::{Picture, PlotError, svg, text, theme};

/// One access, or the sum of several, from a node on the left to a node on the right.
#[derive(Debug, Clone, PartialEq)]
pub struct SankeyLink {
    /// The node on the left, usually a user. The same name on both sides means two nodes.
    pub source: String,
    /// The node on the right, usually a resource.
    pub target: String,
    /// The width of the flow, in any unit: finite, zero or more. Zero is drawn as a hairline.
    pub value: f64,
    /// Drawn in red above everything else, and never folded away while a normal flow could be.
    pub anomalous: bool,
    /// An extra line for the text shown on hover, such as the score.
    pub tooltip: Option<String>,
}

/// How a Sankey looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SankeyOptions {
    /// Shown above the chart; empty for none.
    pub title: String,
    /// Pixels, brought into 320..=8000. The height follows from the number of nodes.
    pub width: u32,
    /// Nodes with a name on each side (at least one). The rest folds into one node "other (n)", and the caption
    /// says so. A single surplus node is shown instead, as it takes the room of "other".
    pub max_nodes: usize,
    /// Heading of the left side, such as `Users`.
    pub left_label: String,
    /// Heading of the right side, such as `Resources`.
    pub right_label: String,
}

impl Default for SankeyOptions {
    fn default() -> Self {
        SankeyOptions {
            title: String::new(),
            width: 760,
            max_nodes: 40,
            left_label: "Users".to_owned(),
            right_label: "Resources".to_owned(),
        }
    }
}

/// Draws the links. Links with equal source, target and `anomalous` are one flow.
///
/// The order of the links never changes the picture's nodes and flows, and equal input gives equal bytes. No links:
/// a panel that says "no data".
///
/// # Errors
/// [`PlotError::InvalidFlow`] names the first link whose value is negative, infinite or NaN;
/// [`PlotError::FlowsTooLarge`] if the sum of all values overflows.
pub fn sankey(links: &[SankeyLink], options: &SankeyOptions) -> Result<Picture, PlotError> {
    let graph = graph::Graph::of(links, options.max_nodes)?;
    let width = theme::usable_width(options.width);
    if graph.flows.is_empty() {
        let text = format!("{}\nno data", text::clean_line(&options.title));
        return Ok(Picture { svg: svg::no_data(width, &options.title, &[]), text });
    }
    let layout = layout::Layout::of(&graph, width, options);
    Ok(Picture { svg: draw::draw(&graph, &layout, options), text: draw::text(&graph, options) })
}
