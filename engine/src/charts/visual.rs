//! A picture by name and properties: what `render` and `--viz` ask for, and `plot::...` of cells.

use huntbook_plots::{
    CalendarOptions, ChartData, ChartKind, ChartOptions, GraphOptions, HistogramOptions, HistogramSeries,
    MatrixOptions, Picture, ProcessColumns, ProcessTreeOptions, SankeyLink, SankeyOptions, TimelineOptions, Values,
};
use polars::prelude::DataFrame;

use super::columns::{chart_data, moment};
use crate::{Error, Result};

/// Names beside those of `render`, with their properties.
const HUNTING: [(&str, &[&str]); 7] = [
    ("timeline", &["title", "time", "end", "group", "details", "anomalous", "mark", "from", "to"]),
    (
        "processtree",
        &[
            "title",
            "anomalous",
            "limit",
            "time",
            "process",
            "id",
            "parent_id",
            "parent_process",
            "command_line",
            "user",
            "host",
        ],
    ),
    ("sankey", &["title", "source", "target", "value", "anomalous"]),
    ("matrix", &["title", "rows", "columns", "value"]),
    ("entitygraph", &["title", "source", "target", "value", "anomalous"]),
    ("calendar", &["title", "time", "value"]),
    ("histogram", &["title", "column", "by", "threshold", "bins"]),
];

/// A kind of picture and its properties.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visual {
    /// A kind of `render`, or a hunting visual such as `timeline`.
    pub kind: String,
    /// Names and values, as in `render KIND with (name=value)`.
    pub properties: Vec<(String, String)>,
}

/// Whether there is a picture of this kind. `table`, `pivotchart` and the like have none.
pub fn draws(kind: &str) -> bool {
    ChartKind::from_name(kind).is_some() || hunting(kind).is_some()
}

fn hunting(kind: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    HUNTING.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind))
}

impl Visual {
    /// `KIND name=value name="a value"`, as `--viz` takes it.
    ///
    /// # Errors
    /// A kind that there is not, and words that are no `name=value`.
    pub fn parse(text: &str) -> Result<Visual> {
        let words = words(text)?;
        let Some((kind, rest)) = words.split_first() else { return Err(unknown("")) };
        if !draws(kind) {
            return Err(unknown(kind));
        }
        let pair = |word: &String| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(problem(format!("`{word}` is no name=value, as in `timeline group=Computer`"))),
        };
        Ok(Visual { kind: kind.clone(), properties: rest.iter().map(pair).collect::<Result<_>>()? })
    }

    /// Draws the rows. `types` are KQL's names, where the rows come from a query.
    pub(crate) fn picture(&self, frame: &DataFrame, types: Option<&[String]>) -> Result<Picture> {
        if let Some(kind) = ChartKind::from_name(&self.kind) {
            let options = ChartOptions::from_properties(kind, &self.properties)?;
            return Ok(huntbook_plots::chart(&chart_data(frame, types)?, &options)?);
        }
        let Some((name, known)) = hunting(&self.kind) else { return Err(unknown(&self.kind)) };
        if let Some((property, _)) = self.properties.iter().find(|(property, _)| !known.contains(&property.as_str())) {
            return Err(problem(format!("`{name}` has no property `{property}`; it has {}", known.join(", "))));
        }
        let data = chart_data(frame, types)?;
        match *name {
            "timeline" => self.timeline(&data),
            "processtree" => self.process_tree(&data),
            "sankey" => self.sankey(&data),
            "matrix" => {
                let [rows, columns, value] = ["rows", "columns", "value"].map(|name| self.text(name));
                let options = MatrixOptions { title: self.title(""), rows, columns, value, ..MatrixOptions::default() };
                Ok(huntbook_plots::matrix(&data, &options)?)
            }
            "entitygraph" => {
                let [source, target, value, anomalous] =
                    ["source", "target", "value", "anomalous"].map(|name| self.text(name));
                let title = self.title("");
                let options = GraphOptions { title, source, target, value, anomalous, ..GraphOptions::default() };
                Ok(huntbook_plots::entity_graph(&data, &options)?)
            }
            "calendar" => {
                let (time, value) = (self.text("time"), self.text("value"));
                let options = CalendarOptions { title: self.title(""), time, value, ..CalendarOptions::default() };
                Ok(huntbook_plots::calendar(&data, &options)?)
            }
            _ => self.histogram(&data),
        }
    }

    fn timeline(&self, data: &ChartData) -> Result<Picture> {
        let marks = self.properties.iter().filter(|(name, _)| name == "mark").map(|(_, value)| {
            let (at, label) = value.split_once('|').unwrap_or((value, "mark"));
            Ok((at_moment("mark", at)?, label.to_owned()))
        });
        let bound = |name: &str| self.text(name).map(|value| at_moment(name, &value)).transpose();
        let options = TimelineOptions {
            title: self.title("Timeline"),
            time: self.text("time"),
            end: self.text("end"),
            group: self.text("group"),
            details: self.list("details"),
            anomalous: self.text("anomalous"),
            marks: marks.collect::<Result<_>>()?,
            from: bound("from")?,
            to: bound("to")?,
            ..TimelineOptions::default()
        };
        Ok(huntbook_plots::timeline(data, &options)?)
    }

    fn process_tree(&self, data: &ChartData) -> Result<Picture> {
        let required = ["time", "process", "id", "parent_id"].map(|name| self.text(name));
        let columns = match required {
            [None, None, None, None] => None,
            [Some(time), Some(process), Some(id), Some(parent_id)] => Some(ProcessColumns {
                time,
                process,
                id,
                parent_id,
                parent_process: self.text("parent_process"),
                command_line: self.text("command_line"),
                user: self.text("user"),
                host: self.text("host"),
                ..ProcessColumns::default()
            }),
            _ => return Err(problem("name all of time, process, id and parent_id, or none of them".to_owned())),
        };
        let options = ProcessTreeOptions {
            title: self.title("Process tree"),
            columns,
            anomalous: self.text("anomalous"),
            max_rows: self.number("limit")?.unwrap_or(ProcessTreeOptions::default().max_rows),
            ..ProcessTreeOptions::default()
        };
        Ok(huntbook_plots::process_tree(data, &options)?)
    }

    fn sankey(&self, data: &ChartData) -> Result<Picture> {
        let (source, target) = self.ends(data)?;
        let values = self.text("value").map(|name| numbers(data, &name)).transpose()?;
        let marks = match self.text("anomalous") {
            None => None,
            Some(name) => Some(truths(data, &name)?),
        };
        let links: Vec<SankeyLink> = (0..data.rows())
            .map(|row| SankeyLink {
                source: source.1[row].clone(),
                target: target.1[row].clone(),
                value: values.map_or(1.0, |values| values[row]),
                anomalous: marks.as_ref().is_some_and(|marks| marks[row]),
                tooltip: None,
            })
            .collect();
        let options = SankeyOptions {
            title: self.title("Access flows"),
            left_label: source.0,
            right_label: target.0,
            ..SankeyOptions::default()
        };
        Ok(huntbook_plots::sankey(&links, &options)?)
    }

    /// Names and texts of both ends: those that are named, `user` and `res`, or the first two columns of text.
    #[allow(clippy::type_complexity)]
    fn ends<'d>(&self, data: &'d ChartData) -> Result<((String, &'d [String]), (String, &'d [String]))> {
        let texts: Vec<(&String, &[String])> = data
            .columns()
            .iter()
            .filter_map(|column| match &column.values {
                Values::Texts(values) => Some((&column.name, values.as_slice())),
                _ => None,
            })
            .collect();
        let pick = |property: &str, usual: &str, at: usize| {
            let found = match self.text(property) {
                Some(named) => texts.iter().find(|(name, _)| **name == named),
                None => texts.iter().find(|(name, _)| *name == usual).or_else(|| texts.get(at)),
            };
            found.map(|(name, values)| ((*name).clone(), *values)).ok_or_else(|| {
                problem(format!("a Sankey needs a column of text as its {property}: `{property}=COLUMN`"))
            })
        };
        Ok((pick("source", "user", 0)?, pick("target", "res", 1)?))
    }

    fn histogram(&self, data: &ChartData) -> Result<Picture> {
        let first = || data.columns().iter().find(|column| matches!(column.values, Values::Numbers(_)));
        let column = self.text("column").or_else(|| first().map(|column| column.name.clone()));
        let column = column.ok_or_else(|| problem("a histogram needs a column of numbers".to_owned()))?;
        let values = numbers(data, &column)?;
        let mut series: Vec<HistogramSeries> = Vec::new();
        let by = self.text("by").map(|name| column_of(data, &name)).transpose()?;
        for (row, value) in values.iter().enumerate() {
            let name = match by.map(|column| &column.values) {
                None => column.clone(),
                Some(Values::Texts(texts)) => texts[row].clone(),
                Some(Values::Numbers(numbers)) => numbers[row].to_string(),
                Some(Values::Times(_)) => return Err(problem("`by` takes a column of text or numbers".to_owned())),
            };
            match series.iter_mut().find(|known| known.name == name) {
                Some(known) => known.values.push(*value),
                None => series.push(HistogramSeries { name, values: vec![*value] }),
            }
        }
        let options = HistogramOptions {
            title: self.title(&format!("Distribution of {column}")),
            x_label: column,
            threshold: self.number("threshold")?,
            bins: self.number("bins")?,
            ..HistogramOptions::default()
        };
        Ok(huntbook_plots::histogram(&series, &options)?)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn title(&self, usual: &str) -> String {
        self.text("title").unwrap_or(usual.to_owned())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| problem(format!("`{name}` takes a number, not `{value}`")))
    }
}

fn column_of<'d>(data: &'d ChartData, name: &str) -> Result<&'d huntbook_plots::Column> {
    data.columns().iter().find(|column| column.name == name).ok_or_else(|| {
        let names: Vec<&str> = data.columns().iter().map(|column| column.name.as_str()).collect();
        problem(format!("there is no column `{name}`; the columns are {}", names.join(", ")))
    })
}

fn numbers<'d>(data: &'d ChartData, name: &str) -> Result<&'d [f64]> {
    match &column_of(data, name)?.values {
        Values::Numbers(values) => Ok(values),
        _ => Err(problem(format!("column `{name}` has no numbers (`extend {name} = toreal({name})`)"))),
    }
}

fn truths(data: &ChartData, name: &str) -> Result<Vec<bool>> {
    match &column_of(data, name)?.values {
        Values::Texts(values) => Ok(values.iter().map(|value| value == "true").collect()),
        Values::Numbers(values) => Ok(values.iter().map(|value| *value != 0.0 && !value.is_nan()).collect()),
        Values::Times(_) => Err(problem(format!("column `{name}` has datetimes: a condition is needed"))),
    }
}

fn at_moment(property: &str, text: &str) -> Result<i64> {
    moment(text).ok_or_else(|| problem(format!("`{property}` takes a time such as 2026-11-02T09:00:00Z, not `{text}`")))
}

fn unknown(kind: &str) -> Error {
    let render = ChartKind::ALL.iter().map(|(name, _)| *name);
    let names: Vec<&str> = render.chain(HUNTING.iter().map(|(name, _)| *name)).collect();
    problem(format!("there is no picture `{kind}`; there are {}", names.join(", ")))
}

fn problem(message: String) -> Error {
    Error::new("PlotError", message)
}

/// Words; a value may stand in quotes.
fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut is_open = false;
    for character in text.chars() {
        match quote {
            Some(end) if character == end => quote = None,
            None if matches!(character, '"' | '\'') => (quote, is_open) = (Some(character), true),
            None if character.is_whitespace() => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            _ => {
                word.push(character);
                is_open = true;
            }
        }
    }
    if quote.is_some() {
        return Err(problem(format!("a quote is not closed in `{text}`")));
    }
    words.extend(is_open.then_some(word));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn kinds_and_properties_are_read() {
        let visual = Visual::parse(r#"timeline group=Computer title="Around the alert" mark='2026-11-02 09:00|spray'"#);
        let visual = visual.unwrap();
        assert_eq!(visual.kind, "timeline");
        let expected = [("group", "Computer"), ("title", "Around the alert"), ("mark", "2026-11-02 09:00|spray")];
        let read: Vec<(&str, &str)> =
            visual.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, expected);
        assert!(Visual::parse("pivotchart").unwrap_err().message.contains("there are timechart"));
        assert!(Visual::parse("timeline group").unwrap_err().message.contains("no name=value"));
        assert!(Visual::parse("timeline title=\"x").is_err());
    }

    #[test]
    fn every_kind_draws_rows_it_fits() {
        let frame = df!(
            "user" => ["anna", "ben"], "res" => ["x", "y"], "n" => [1.0, 2.0],
            "NewProcessName" => ["cmd.exe", "net.exe"], "NewProcessId" => ["0x1", "0x2"], "ProcessId" => ["0x0", "0x1"],
        )
        .unwrap();
        let at = lit(1_793_577_600_000_000i64).cast(DataType::Datetime(TimeUnit::Microseconds, None));
        let frame = frame.lazy().with_column(at.alias("TimeGenerated")).collect().unwrap();
        let kinds = ChartKind::ALL.iter().map(|(name, _)| *name).chain(HUNTING.iter().map(|(name, _)| *name));
        for kind in kinds {
            let picture = Visual::parse(kind).unwrap().picture(&frame, None);
            let picture = picture.unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert!(picture.svg.starts_with("<svg xmlns=") && !picture.text.contains("no data"), "{kind}");
        }
    }

    #[test]
    fn an_unknown_property_is_named() {
        let frame = df!("a" => ["x"]).unwrap();
        let error = Visual::parse("matrix colour=red").unwrap().picture(&frame, None).unwrap_err();
        assert_eq!(error.message, "`matrix` has no property `colour`; it has title, rows, columns, value");
    }
}
