//! Rows as series of points.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{ChartKind, ChartOptions, roles::Roles};
use crate::{ChartData, Values, axis::time, number, text, theme};

/// Series with a colour of their own. The rest is "other".
const NAMED_SERIES: usize = theme::MANY_SERIES.len();
/// Bars side by side on a time axis, one pixel each.
const MOST_BARS: usize = 640;

/// Larger numbers have no place on an axis: their sums and distances would overflow.
const LARGEST: f64 = 1e300;

/// What the x axis is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum X {
    Numbers,
    Times,
    /// Names; a point's x is the index of one.
    Categories(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    /// NaN: a gap.
    pub(super) y: f64,
    pub(super) is_anomaly: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// Index of its y column.
    pub(super) y: usize,
    pub(super) points: Vec<Point>,
    pub(super) colour: &'static str,
    pub(super) dash: &'static str,
    /// One of many that share a colour, or their sum.
    pub(super) is_other: bool,
}

impl Series {
    fn total(&self) -> f64 {
        self.points.iter().map(|point| point.y.abs()).filter(|y| y.is_finite()).sum()
    }
}

/// A chart's data, ready to draw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub(super) x: X,
    pub(super) x_name: String,
    pub(super) y_names: Vec<String>,
    pub(super) series: Vec<Series>,
    /// How many series "other" stands for.
    pub(super) others: usize,
    pub(super) is_filled: bool,
    /// Sentences for the caption.
    pub(super) notes: Vec<String>,
}

impl Model {
    pub(super) fn of(data: &ChartData, roles: &Roles, options: &ChartOptions) -> Model {
        let name = |column: usize| text::clean_line(&data.columns()[column].name);
        let mut model = Model {
            x: X::Numbers,
            x_name: roles.x.map_or("row".to_owned(), name),
            y_names: roles.ys.iter().map(|column| name(*column)).collect(),
            series: Vec::new(),
            others: 0,
            is_filled: matches!(options.kind, ChartKind::Area | ChartKind::StackedArea),
            notes: options.notes.clone(),
        };
        let (x, positions) = positions(data, roles.x, options.kind);
        model.x = x;
        model.read(data, roles, &positions);
        model.prepare(options);
        model
    }

    /// Distributes the rows to the series.
    fn read(&mut self, data: &ChartData, roles: &Roles, positions: &[f64]) {
        let mut known: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let mut keys: Vec<Vec<Series>> = Vec::new();
        let (mut without_x, mut infinite) = (0, 0);
        for (row, x) in positions.iter().copied().enumerate() {
            if x.is_nan() || x.abs() > LARGEST {
                without_x += 1;
                continue;
            }
            let key = key(data, &roles.series, row);
            let index = match known.get(&key) {
                Some(index) => *index,
                None => {
                    keys.push(self.new_series(&key));
                    known.insert(key, keys.len() - 1);
                    keys.len() - 1
                }
            };
            for (at, column) in roles.ys.iter().enumerate() {
                let y = data.columns()[*column].values.position(row);
                infinite += usize::from(y.abs() > LARGEST);
                let flag = roles.anomalies.get(at).or(roles.anomalies.first());
                let flag = flag.map_or(0.0, |column| data.columns()[*column].values.position(row));
                let is_anomaly = flag != 0.0 && !flag.is_nan();
                let y = if y.abs() <= LARGEST { y } else { f64::NAN };
                keys[index][at].points.push(Point { x, y, is_anomaly });
            }
        }
        self.series = keys.into_iter().flatten().filter(|series| series.total() > 0.0 || has_value(series)).collect();
        if without_x > 0 {
            self.notes.push(format!("Not shown: {} without a finite x.", rows(without_x)));
        }
        if infinite > 0 {
            self.notes.push(format!("Not shown: {} infinite or beyond 1e300.", number::count(infinite)));
        }
    }

    fn new_series(&self, key: &str) -> Vec<Series> {
        let key = (!key.is_empty()).then(|| text::clean_line(key));
        let series = |(y, y_name): (usize, &String)| Series {
            name: match &key {
                None => y_name.clone(),
                Some(key) if self.y_names.len() == 1 => key.clone(),
                Some(key) => format!("{key}: {y_name}"),
            },
            y,
            points: Vec::new(),
            colour: theme::NORMAL,
            dash: "",
            is_other: false,
        };
        self.y_names.iter().enumerate().map(series).collect()
    }

    fn prepare(&mut self, options: &ChartOptions) {
        if !matches!(self.x, X::Categories(_)) && options.kind != ChartKind::Scatter {
            for series in &mut self.series {
                if !series.points.is_sorted_by(|a, b| a.x <= b.x) {
                    series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
                }
            }
        }
        if options.accumulate {
            self.series.iter_mut().for_each(accumulate);
        }
        self.leave_out_for_log(options);
        let adds_up = options.is_stacked() || matches!(options.kind, ChartKind::Bar | ChartKind::Column);
        self.give_colours(adds_up);
    }

    fn leave_out_for_log(&mut self, options: &ChartOptions) {
        let mut left_out = 0;
        if options.x_log && self.x == X::Numbers {
            for series in &mut self.series {
                let before = series.points.len();
                series.points.retain(|point| point.x > 0.0);
                left_out += before - series.points.len();
            }
        }
        if options.y_log {
            for point in self.series.iter_mut().flat_map(|series| &mut series.points).filter(|point| point.y <= 0.0) {
                point.y = f64::NAN;
                left_out += 1;
            }
        }
        if left_out > 0 {
            let values = number::count(left_out);
            self.notes.push(format!("Not shown: {values} at or below zero, which have no place on a log axis."));
        }
        self.series.retain(has_value);
    }

    /// The largest series get colours, in their order; the rest becomes grey, or one sum where series add up.
    fn give_colours(&mut self, adds_up: bool) {
        let mut ranks: Vec<(usize, f64)> = self.series.iter().map(Series::total).enumerate().collect();
        ranks.sort_by(|a, b| b.1.total_cmp(&a.1));
        // A single surplus series is shown, as it takes the room of "other".
        let named = if ranks.len() <= NAMED_SERIES { ranks.len() } else { NAMED_SERIES - 1 };
        for (index, _) in &ranks[named..] {
            self.series[*index].is_other = true;
        }
        self.others = ranks.len() - named;
        let palette = if named <= theme::SERIES.len() { &theme::SERIES[..] } else { &theme::MANY_SERIES[..] };
        for (at, series) in self.series.iter_mut().filter(|series| !series.is_other).enumerate() {
            series.colour = palette[at % palette.len()];
            series.dash = if at < 6 { "" } else { theme::SERIES_DASHES[1] };
        }
        if self.others == 0 {
            return;
        }
        let others = number::count(self.others);
        if adds_up {
            self.fold(&others);
            self.notes.push(format!("The {others} smallest series are added up as \"other\"."));
        } else {
            self.notes.push(format!("The {others} smallest series are grey."));
        }
    }

    fn fold(&mut self, others: &str) {
        let (other, named): (Vec<Series>, Vec<Series>) =
            std::mem::take(&mut self.series).into_iter().partition(|series| series.is_other);
        self.series = named;
        let mut points: Vec<Point> = other.into_iter().flat_map(|series| series.points).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let mut sums: Vec<Point> = Vec::new();
        for point in points.into_iter().filter(|point| !point.y.is_nan()) {
            match sums.last_mut() {
                Some(last) if last.x == point.x => last.y += point.y,
                _ => sums.push(point),
            }
        }
        self.series.push(Series {
            name: format!("other ({others})"),
            y: 0,
            points: sums,
            colour: theme::NORMAL,
            dash: "",
            is_other: true,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub(super) fn has_too_many_bars(&self) -> bool {
        self.x == X::Times && self.slots().len() > MOST_BARS
    }

    /// Bars too thin to see become the area they would cover.
    pub(super) fn into_area(mut self) -> Model {
        self.notes.push("The bars would be thinner than a pixel: they are drawn as an area.".to_owned());
        self.is_filled = true;
        self
    }

    /// The distinct x of all points, in order.
    pub(super) fn slots(&self) -> Vec<f64> {
        if let X::Categories(names) = &self.x {
            return (0..names.len()).map(|index| index as f64).collect();
        }
        let mut slots: Vec<f64> = self.series.iter().flat_map(|series| &series.points).map(|point| point.x).collect();
        slots.sort_by(f64::total_cmp);
        slots.dedup();
        slots
    }

    /// For each series its value at each slot, and how many values were added to another one in the same place.
    pub(super) fn matrix(&self, slots: &[f64]) -> (Vec<Vec<f64>>, usize) {
        let mut added = 0;
        let values = self.series.iter().map(|series| {
            let mut values = vec![f64::NAN; slots.len()];
            for point in series.points.iter().filter(|point| !point.y.is_nan()) {
                let Ok(slot) = slots.binary_search_by(|slot| slot.total_cmp(&point.x)) else { continue };
                added += usize::from(!values[slot].is_nan());
                values[slot] = if values[slot].is_nan() { point.y } else { values[slot] + point.y };
            }
            values
        });
        (values.collect(), added)
    }

    /// An x in words.
    pub(super) fn x_text(&self, x: f64) -> String {
        match &self.x {
            X::Categories(names) => names.get(x as usize).cloned().unwrap_or_default(),
            X::Times => time::full(x as i64),
            X::Numbers => number::short(x),
        }
    }

    pub(super) fn extent(&self, of: impl Fn(&Point) -> f64) -> (f64, f64) {
        let values = self.series.iter().flat_map(|series| &series.points).filter(|point| !point.y.is_nan()).map(of);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(value), max.max(value)))
    }
}

/// The x of each row: a position, or the index of a category.
fn positions(data: &ChartData, x: Option<usize>, kind: ChartKind) -> (X, Vec<f64>) {
    let rows = 0..data.rows();
    let Some(column) = x else { return (X::Numbers, rows.map(|row| row as f64).collect()) };
    let values = &data.columns()[column].values;
    let is_categorical = matches!(
        (kind, values),
        (_, Values::Texts(_))
            | (ChartKind::Pie | ChartKind::Treemap | ChartKind::Bar, _)
            | (ChartKind::Column, Values::Numbers(_))
    );
    if !is_categorical {
        let kind = if matches!(values, Values::Times(_)) { X::Times } else { X::Numbers };
        return (kind, rows.map(|row| values.position(row)).collect());
    }
    let mut known: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let mut names = Vec::new();
    let positions = rows
        .map(|row| {
            let name: Cow<'_, str> = match values {
                Values::Texts(texts) => Cow::Borrowed(texts[row].as_str()),
                _ => Cow::Owned(values.shown(row).unwrap_or("(null)".to_owned())),
            };
            let index = *known.entry(name).or_insert_with_key(|name| {
                names.push(text::clean_line(name));
                names.len() - 1
            });
            index as f64
        })
        .collect();
    (X::Categories(names), positions)
}

fn key<'d>(data: &'d ChartData, columns: &[usize], row: usize) -> Cow<'d, str> {
    match columns {
        [] => Cow::Borrowed(""),
        [only] => match &data.columns()[*only].values {
            Values::Texts(texts) if texts[row].is_empty() => Cow::Borrowed(" "),
            Values::Texts(texts) => Cow::Borrowed(texts[row].as_str()),
            other => Cow::Owned(other.shown(row).unwrap_or("(null)".to_owned())),
        },
        several => {
            let parts = several.iter().map(|column| data.columns()[*column].values.shown(row));
            Cow::Owned(parts.map(|part| part.unwrap_or("(null)".to_owned())).collect::<Vec<_>>().join(", "))
        }
    }
}

fn has_value(series: &Series) -> bool {
    series.points.iter().any(|point| !point.y.is_nan())
}

fn accumulate(series: &mut Series) {
    let mut sum = 0.0;
    for point in series.points.iter_mut().filter(|point| !point.y.is_nan()) {
        sum += point.y;
        point.y = if sum.abs() <= LARGEST { sum } else { f64::NAN };
    }
}

pub(super) fn rows(count: usize) -> String {
    format!("{} row{}", number::count(count), if count == 1 { "" } else { "s" })
}
