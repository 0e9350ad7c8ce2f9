//! Pictures of frames, drawn by the engine as SVG.

mod visual;

use huntbook_wire::{ChartSpec, Request, Response};

pub use visual::{
    Calendar, Chart, EntityGraph, Matrix, ProcessTree, Timeline, anomalychart, areachart, barchart, calendar, card,
    columnchart, entity_graph, linechart, matrix, piechart, process_tree, scatterchart, stackedareachart, timechart,
    timeline, treemap,
};

use crate::{Error, Frame, Result, client, rt};

/// Flows from users to resources; mark anomalous ones with [`Sankey::anomalous`].
pub fn sankey(frame: &Frame) -> Sankey {
    Sankey {
        frame: frame.clone(),
        title: "Access flows".into(),
        source: "user".into(),
        target: "res".into(),
        value: None,
        anomalous: None,
    }
}

#[derive(Clone)]
pub struct Sankey {
    frame: Frame,
    title: String,
    source: String,
    target: String,
    value: Option<String>,
    anomalous: Option<String>,
}

impl Sankey {
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Column on the left (`user`).
    pub fn source(mut self, column: &str) -> Self {
        self.source = column.to_owned();
        self
    }

    /// Column on the right (`res`).
    pub fn target(mut self, column: &str) -> Self {
        self.target = column.to_owned();
        self
    }

    /// Column with the width of a flow; without it every row counts 1.
    pub fn value(mut self, column: &str) -> Self {
        self.value = Some(column.to_owned());
        self
    }

    /// Boolean column: true is drawn red.
    pub fn anomalous(mut self, column: &str) -> Self {
        self.anomalous = Some(column.to_owned());
        self
    }

    /// The chart as SVG text.
    pub fn svg(&self) -> Result<String> {
        svg(&self.frame, self.spec())
    }

    pub fn evcxr_display(&self) {
        show(&self.frame, self.spec());
    }

    fn spec(&self) -> ChartSpec {
        let Sankey { frame: _, title, source, target, value, anomalous } = self.clone();
        ChartSpec::Sankey { title, source, target, value, anomalous }
    }
}

/// Distribution of a numeric column.
pub fn histogram(frame: &Frame, column: &str) -> Histogram {
    let (frame, column) = (frame.clone(), column.to_owned());
    Histogram { frame, title: format!("Distribution of {column}"), column, series: None, threshold: None, bins: None }
}

#[derive(Clone)]
pub struct Histogram {
    frame: Frame,
    title: String,
    column: String,
    series: Option<String>,
    threshold: Option<f64>,
    bins: Option<usize>,
}

impl Histogram {
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// Column that splits the values into overlaid series.
    pub fn by(mut self, column: &str) -> Self {
        self.series = Some(column.to_owned());
        self
    }

    /// Marks a threshold and counts what lies at or above it.
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }

    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = Some(bins);
        self
    }

    /// The chart as SVG text.
    pub fn svg(&self) -> Result<String> {
        svg(&self.frame, self.spec())
    }

    pub fn evcxr_display(&self) {
        show(&self.frame, self.spec());
    }

    fn spec(&self) -> ChartSpec {
        let Histogram { frame: _, title, column, series, threshold, bins } = self.clone();
        ChartSpec::Histogram { title, column, series, threshold, bins }
    }
}

fn svg(frame: &Frame, spec: ChartSpec) -> Result<String> {
    match client::call(&Request::Chart { plan: frame.plan().clone(), spec, show: false })? {
        Response::Text(svg) => Ok(svg),
        other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
    }
}

fn show(frame: &Frame, spec: ChartSpec) {
    rt::flush_pending();
    rt::flush_stdout();
    if let Err(error) = client::call(&Request::Chart { plan: frame.plan().clone(), spec, show: true }) {
        panic!("{error}");
    }
}
