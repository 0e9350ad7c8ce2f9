//! Pictures by kind and properties: every chart of KQL's `render`, and what hunters look at.
//!
//! Columns that are not named are chosen by the engine, as Kusto chooses them for charts, and by the names that logs use
//! for hunting visuals.

use huntbook_wire::ChartSpec;

use crate::{Frame, Result};

/// A kind of picture of a frame's rows, with properties as `render KIND with (name=value)` has them.
#[derive(Clone)]
struct Visual {
    frame: Frame,
    kind: &'static str,
    properties: Vec<(String, String)>,
}

impl Visual {
    fn new(frame: &Frame, kind: &'static str) -> Visual {
        Visual { frame: frame.clone(), kind, properties: Vec::new() }
    }

    fn set(&mut self, name: &str, value: impl ToString) {
        self.properties.push((name.to_owned(), value.to_string()));
    }

    fn spec(&self) -> ChartSpec {
        ChartSpec::Visual { kind: self.kind.to_owned(), properties: self.properties.clone() }
    }
}

/// A picture with setters that take text, one for each property.
macro_rules! picture {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $setter:ident as $property:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone)]
        pub struct $name(Visual);

        impl $name {
            $($(#[$what])*
            pub fn $setter(mut self, value: &str) -> Self {
                self.0.set($property, value);
                self
            })*

            /// The picture as SVG text.
            pub fn svg(&self) -> Result<String> {
                super::svg(&self.0.frame, self.0.spec())
            }

            pub fn evcxr_display(&self) {
                super::show(&self.0.frame, self.0.spec());
            }
        }
    };
}

picture! {
    /// A chart of KQL's `render`.
    Chart {
        title as "title",
        /// Below the x axis; empty for none.
        x_title as "xtitle",
        /// Beside the y axis; empty for none.
        y_title as "ytitle",
        /// Column of the x axis.
        x as "xcolumn",
    }
}

impl Chart {
    /// Columns with quantities.
    pub fn y<'a>(mut self, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.set("ycolumns", joined(columns));
        self
    }

    /// Columns that together name the series.
    pub fn series<'a>(mut self, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.set("series", joined(columns));
        self
    }

    /// Columns that are not zero where a value is an anomaly (`anomaly_chart`).
    pub fn anomalies<'a>(mut self, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.set("anomalycolumns", joined(columns));
        self
    }

    /// Areas and bars on top of each other.
    pub fn stacked(mut self) -> Self {
        self.0.set("kind", "stacked");
        self
    }

    /// Areas and bars as shares of the whole.
    pub fn stacked100(mut self) -> Self {
        self.0.set("kind", "stacked100");
        self
    }

    /// Each column of quantities in a plot of its own.
    pub fn panels(mut self) -> Self {
        self.0.set("ysplit", "panels");
        self
    }

    /// Each column of quantities with an axis of its own.
    pub fn axes(mut self) -> Self {
        self.0.set("ysplit", "axes");
        self
    }

    /// Powers of ten on the x axis.
    pub fn log_x(mut self) -> Self {
        self.0.set("xaxis", "log");
        self
    }

    /// Powers of ten on the y axis.
    pub fn log_y(mut self) -> Self {
        self.0.set("yaxis", "log");
        self
    }

    /// Where the y axis begins.
    pub fn y_min(mut self, value: f64) -> Self {
        self.0.set("ymin", value);
        self
    }

    /// Where the y axis ends.
    pub fn y_max(mut self, value: f64) -> Self {
        self.0.set("ymax", value);
        self
    }

    /// Each value is added to those before it.
    pub fn accumulate(mut self) -> Self {
        self.0.set("accumulate", true);
        self
    }

    pub fn without_legend(mut self) -> Self {
        self.0.set("legend", "hidden");
        self
    }
}

macro_rules! charts {
    ($($(#[$about:meta])* $name:ident,)*) => {
        $($(#[$about])*
        pub fn $name(frame: &Frame) -> Chart {
            Chart(Visual::new(frame, stringify!($name)))
        })*
    };
}

charts! {
    /// Lines over time.
    timechart,
    /// Lines over numbers.
    linechart,
    /// Lines over time with their anomalies marked.
    anomalychart,
    /// Filled lines.
    areachart,
    /// Filled lines on top of each other.
    stackedareachart,
    /// Vertical bars.
    columnchart,
    /// Horizontal bars.
    barchart,
    /// Parts of a whole.
    piechart,
    /// Points.
    scatterchart,
    /// Nested rectangles.
    treemap,
    /// One big number for each column of the first row.
    card,
}

picture! {
    /// Events along time, in lanes.
    Timeline {
        title as "title",
        /// Column of moments (`TimeGenerated`, `Timestamp`, or the first datetime).
        time as "time",
        /// Column of ends: events are then bars.
        end as "end",
        /// Column with one lane per value.
        group as "group",
        /// Boolean column: true is drawn red.
        anomalous as "anomalous",
        /// Only events from this time on: `2026-11-02T09:00:00Z`.
        from as "from",
        /// Only events up to this time.
        to as "to",
    }
}

impl Timeline {
    /// Columns shown on hover.
    pub fn details<'a>(mut self, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.set("details", joined(columns));
        self
    }

    /// A dashed line at a time (`2026-11-02T09:00:00Z`) with its label; several are possible.
    pub fn mark(mut self, time: &str, label: &str) -> Self {
        self.0.set("mark", format!("{time}|{label}"));
        self
    }
}

pub fn timeline(frame: &Frame) -> Timeline {
    Timeline(Visual::new(frame, "timeline"))
}

picture! {
    /// Processes and their children. The columns of SecurityEvent 4688, Sysmon 1, DeviceProcessEvents and auditd are known.
    ProcessTree {
        title as "title",
        /// Boolean column: true is drawn red.
        anomalous as "anomalous",
        /// Column with the name or address of the host.
        host as "host",
        /// Column of command lines.
        command_line as "command_line",
        /// Column with who runs a process.
        user as "user",
        /// Column with the file that the parent runs.
        parent_process as "parent_process",
    }
}

impl ProcessTree {
    /// Columns of a log that is not known: when a process was created, the file it runs, its id and its parent's id.
    pub fn columns(mut self, time: &str, process: &str, id: &str, parent_id: &str) -> Self {
        for (name, column) in [("time", time), ("process", process), ("id", id), ("parent_id", parent_id)] {
            self.0.set(name, column);
        }
        self
    }

    /// Processes shown (120).
    pub fn limit(mut self, processes: usize) -> Self {
        self.0.set("limit", processes);
        self
    }
}

pub fn process_tree(frame: &Frame) -> ProcessTree {
    ProcessTree(Visual::new(frame, "processtree"))
}

picture! {
    /// How often each value of one column meets each of another.
    Matrix {
        title as "title",
        /// Column along the left.
        rows as "rows",
        /// Column along the top.
        columns as "columns",
        /// Column that is added up; without it every row counts 1, unless there is just one number.
        value as "value",
    }
}

pub fn matrix(frame: &Frame) -> Matrix {
    Matrix(Visual::new(frame, "matrix"))
}

picture! {
    /// Entities and what goes on between them.
    EntityGraph {
        title as "title",
        /// Column where edges begin.
        source as "source",
        /// Column where edges end.
        target as "target",
        /// Column with the weight of an edge.
        value as "value",
        /// Boolean column: true is drawn red.
        anomalous as "anomalous",
    }
}

pub fn entity_graph(frame: &Frame) -> EntityGraph {
    EntityGraph(Visual::new(frame, "entitygraph"))
}

picture! {
    /// By hour of each day, or by day of each year (in UTC).
    Calendar {
        title as "title",
        /// Column of moments.
        time as "time",
        /// Column that is added up; without it every row counts 1, unless there is just one number.
        value as "value",
    }
}

pub fn calendar(frame: &Frame) -> Calendar {
    Calendar(Visual::new(frame, "calendar"))
}

fn joined<'a>(columns: impl IntoIterator<Item = &'a str>) -> String {
    columns.into_iter().collect::<Vec<_>>().join(", ")
}
