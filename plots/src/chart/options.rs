//! What can be asked of a chart, in the words of `render`.

use crate::PlotError;

/// The charts of `render`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChartKind {
    /// `timechart`
    #[default]
    Time,
    /// `linechart`
    Line,
    /// `anomalychart`
    Anomaly,
    /// `areachart`
    Area,
    /// `stackedareachart`
    StackedArea,
    /// `columnchart`: vertical bars
    Column,
    /// `barchart`: horizontal bars
    Bar,
    /// `piechart`
    Pie,
    /// `scatterchart`
    Scatter,
    /// `treemap`
    Treemap,
    /// `card`
    Card,
}

impl ChartKind {
    /// All kinds with their names in KQL.
    pub const ALL: [(&'static str, ChartKind); 11] = [
        ("timechart", ChartKind::Time),
        ("linechart", ChartKind::Line),
        ("anomalychart", ChartKind::Anomaly),
        ("areachart", ChartKind::Area),
        ("stackedareachart", ChartKind::StackedArea),
        ("columnchart", ChartKind::Column),
        ("barchart", ChartKind::Bar),
        ("piechart", ChartKind::Pie),
        ("scatterchart", ChartKind::Scatter),
        ("treemap", ChartKind::Treemap),
        ("card", ChartKind::Card),
    ];

    /// The kind of this name, in any case; `None` for `table` and for those that are not drawn, such as `pivotchart`.
    pub fn from_name(name: &str) -> Option<ChartKind> {
        ChartKind::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    /// The name in KQL.
    pub fn name(self) -> &'static str {
        ChartKind::ALL.iter().find(|(_, kind)| *kind == self).map_or("chart", |(name, _)| name)
    }
}

/// `kind=` of areas and bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stacking {
    /// `default`, `unstacked`: each on its own
    #[default]
    None,
    /// `stacked`: on top of each other
    Stacked,
    /// `stacked100`: as shares of the whole
    Full,
}

/// `ysplit=`: where several y columns go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// All on one axis
    #[default]
    None,
    /// One axis each, in one plot
    Axes,
    /// One plot each
    Panels,
}

/// How a chart looks, and which columns it takes; those that are empty are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartOptions {
    /// The kind of chart.
    pub kind: ChartKind,
    /// Shown above; empty for none.
    pub title: String,
    /// Below the x axis; `None`: the column's name.
    pub x_title: Option<String>,
    /// Beside the y axis; `None`: the column's name.
    pub y_title: Option<String>,
    /// The column of the x axis.
    pub x_column: Option<String>,
    /// The columns with quantities.
    pub y_columns: Vec<String>,
    /// The columns that together name the series.
    pub series: Vec<String>,
    /// Columns that are not zero where a point of the y column at the same place is an anomaly.
    pub anomaly_columns: Vec<String>,
    /// On top of each other?
    pub stacking: Stacking,
    /// Where several y columns go.
    pub split: Split,
    /// Powers of ten on the x axis.
    pub x_log: bool,
    /// Powers of ten on the y axis.
    pub y_log: bool,
    /// Where the y axis begins.
    pub y_min: Option<f64>,
    /// Where the y axis ends.
    pub y_max: Option<f64>,
    /// Whether several series are named above the chart.
    pub legend: bool,
    /// Each value is added to those before it.
    pub accumulate: bool,
    /// Pixels, brought into 320..=8000.
    pub width: u32,
    /// Pixels of the plot with its axes, brought into 200..=8000; title, legend and caption come on top.
    pub height: u32,
    /// Sentences for the caption.
    pub notes: Vec<String>,
}

impl Default for ChartOptions {
    fn default() -> Self {
        ChartOptions {
            kind: ChartKind::Time,
            title: String::new(),
            x_title: None,
            y_title: None,
            x_column: None,
            y_columns: Vec::new(),
            series: Vec::new(),
            anomaly_columns: Vec::new(),
            stacking: Stacking::None,
            split: Split::None,
            x_log: false,
            y_log: false,
            y_min: None,
            y_max: None,
            legend: true,
            accumulate: false,
            width: 760,
            height: 320,
            notes: Vec::new(),
        }
    }
}

impl ChartOptions {
    /// A chart of this kind with everything else chosen.
    pub fn of(kind: ChartKind) -> ChartOptions {
        let stacking = if kind == ChartKind::StackedArea { Stacking::Stacked } else { Stacking::None };
        ChartOptions { kind, stacking, ..ChartOptions::default() }
    }

    /// The chart of `render KIND with (property=value, ...)`; lists are joined by commas. A property that charts do
    /// not have becomes a note in the caption.
    ///
    /// # Errors
    /// [`PlotError::BadProperty`] for a value that a property cannot have.
    pub fn from_properties(kind: ChartKind, properties: &[(String, String)]) -> Result<ChartOptions, PlotError> {
        let mut options = ChartOptions::of(kind);
        for (property, value) in properties {
            options.set(property, value.trim())?;
        }
        Ok(options)
    }

    /// Sets one property of `render`, in any case.
    ///
    /// # Errors
    /// As [`ChartOptions::from_properties`].
    pub fn set(&mut self, property: &str, value: &str) -> Result<(), PlotError> {
        let bad = |expected| PlotError::BadProperty {
            property: crate::text::clean_line(property),
            value: crate::text::clean_line(value),
            expected,
        };
        let number = || value.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| bad("a number"));
        let is_one_of = |yes: &str, no: &str, expected| match value.to_lowercase() {
            word if word == yes => Ok(true),
            word if word == no => Ok(false),
            _ => Err(bad(expected)),
        };
        match property.to_lowercase().as_str() {
            "title" => self.title = value.to_owned(),
            "xtitle" => self.x_title = Some(value.to_owned()),
            "ytitle" => self.y_title = Some(value.to_owned()),
            "xcolumn" => self.x_column = Some(value.to_owned()),
            "ycolumns" => self.y_columns = list(value),
            "series" => self.series = list(value),
            "anomalycolumns" => self.anomaly_columns = list(value),
            "xaxis" => self.x_log = is_one_of("log", "linear", "linear or log")?,
            "yaxis" => self.y_log = is_one_of("log", "linear", "linear or log")?,
            "legend" => self.legend = is_one_of("visible", "hidden", "visible or hidden")?,
            "accumulate" => self.accumulate = is_one_of("true", "false", "true or false")?,
            "ymin" => self.y_min = Some(number()?),
            "ymax" => self.y_max = Some(number()?),
            "kind" => {
                self.stacking = match value.to_lowercase().as_str() {
                    "stacked" => Stacking::Stacked,
                    "stacked100" => Stacking::Full,
                    "default" | "unstacked" => Stacking::None,
                    // `kind=map` of scatter and pie charts, and what is yet to come.
                    _ => return Err(bad("default, unstacked, stacked or stacked100")),
                }
            }
            "ysplit" => {
                self.split = match value.to_lowercase().as_str() {
                    "none" => Split::None,
                    "axes" => Split::Axes,
                    "panels" => Split::Panels,
                    _ => return Err(bad("none, axes or panels")),
                }
            }
            // Rows are sorted where a line needs it, whatever the query promises.
            "isquerysorted" => {}
            _ => self.notes.push(format!("`{}` of `render` has no effect here.", crate::text::clean_line(property))),
        }
        Ok(())
    }

    pub(crate) fn is_stacked(&self) -> bool {
        self.stacking != Stacking::None
            && matches!(self.kind, ChartKind::Area | ChartKind::StackedArea | ChartKind::Bar | ChartKind::Column)
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<ChartOptions, PlotError> {
        let properties: Vec<(String, String)> =
            properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        ChartOptions::from_properties(ChartKind::Column, &properties)
    }

    #[test]
    fn properties_of_render_are_read_in_any_case() {
        let options = read(&[
            ("title", "Sign-ins"),
            ("YColumns", "a, b"),
            ("kind", "stacked100"),
            ("ymin", "-3.5"),
            ("xaxis", "LOG"),
            ("legend", "hidden"),
            ("ysplit", "panels"),
            ("accumulate", "true"),
        ]);
        let options = options.unwrap();
        assert_eq!(options.y_columns, ["a", "b"]);
        assert_eq!((options.stacking, options.split), (Stacking::Full, Split::Panels));
        assert_eq!((options.y_min, options.x_log, options.legend, options.accumulate), (Some(-3.5), true, false, true));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let error = read(&[("kind", "sideways")]).unwrap_err().to_string();
        assert_eq!(error, "`kind` cannot be `sideways`: default, unstacked, stacked or stacked100");
        assert!(read(&[("ymin", "low")]).is_err() && read(&[("ymax", "NaN")]).is_err());
        assert_eq!(read(&[("colour", "red")]).unwrap().notes, ["`colour` of `render` has no effect here."]);
    }

    #[test]
    fn kinds_have_names() {
        for (name, kind) in ChartKind::ALL {
            assert_eq!((ChartKind::from_name(&name.to_uppercase()), kind.name()), (Some(kind), name));
        }
        assert_eq!(ChartKind::from_name("pivotchart"), None);
    }
}
