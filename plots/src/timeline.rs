//! Events along time, in lanes.

mod draw;

use std::collections::HashMap;

use crate::{ChartData, Picture, PlotError, Values, axis::time, number, pick, plain, svg, text, theme};

/// Lanes; the rest is one lane "other".
const MOST_LANES: usize = 40;
const MOST_DETAILS: usize = 6;
/// Columns that tell most of an event.
const TELLING: [&str; 8] = [
    "NewProcessName",
    "EventID",
    "CommandLine",
    "ProcessCommandLine",
    "FileName",
    "Activity",
    "ActionType",
    "OperationName",
];

/// How a timeline looks, and which columns it takes; those that are `None` are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineOptions {
    /// Shown above; empty for none.
    pub title: String,
    /// When something happened; chosen: `TimeGenerated`, `Timestamp`, ..., or the first datetime.
    pub time: Option<String>,
    /// When it ended: events are then bars.
    pub end: Option<String>,
    /// One lane per value; chosen: the first text with 2 to 40 different values.
    pub group: Option<String>,
    /// Columns shown on hover; chosen: command lines and names of processes, or the first few columns.
    pub details: Vec<String>,
    /// Marks rows that are drawn red.
    pub anomalous: Option<String>,
    /// Dashed lines at moments (microseconds since 1970) with their labels.
    pub marks: Vec<(i64, String)>,
    /// Only events from here, in microseconds since 1970.
    pub from: Option<i64>,
    /// Only events up to here.
    pub to: Option<i64>,
    /// Pixels, brought into 320..=8000. The height follows from the number of lanes.
    pub width: u32,
}

impl Default for TimelineOptions {
    fn default() -> Self {
        TimelineOptions {
            title: "Timeline".to_owned(),
            time: None,
            end: None,
            group: None,
            details: Vec::new(),
            anomalous: None,
            marks: Vec::new(),
            from: None,
            to: None,
            width: 900,
        }
    }
}

/// An event, with the row it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    row: usize,
    from: i64,
    to: i64,
    is_anomaly: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Lane {
    name: String,
    events: Vec<Event>,
}

struct Timeline<'d> {
    data: &'d ChartData,
    lanes: Vec<Lane>,
    details: Vec<usize>,
    time_name: String,
    has_ends: bool,
    notes: Vec<String>,
}

/// Draws each row as a point, or as a bar if it has an end.
///
/// # Errors
/// [`PlotError::Missing`] without a datetime; [`PlotError::UnknownColumn`] and [`PlotError::WrongColumn`] for columns
/// that are named.
pub fn timeline(data: &ChartData, options: &TimelineOptions) -> Result<Picture, PlotError> {
    let timeline = Timeline::of(data, options)?;
    if timeline.lanes.is_empty() {
        let svg = svg::no_data(theme::usable_width(options.width), &options.title, &timeline.notes);
        return Ok(Picture { svg, text: format!("{}\nno data", text::clean_line(&options.title)) });
    }
    Ok(Picture { svg: draw::draw(&timeline, options), text: timeline.text(options) })
}

impl<'d> Timeline<'d> {
    fn of(data: &'d ChartData, options: &TimelineOptions) -> Result<Timeline<'d>, PlotError> {
        let (time_column, times) = pick::time(data, options.time.as_deref(), "a timeline")?;
        let ends = options.end.as_ref().map(|name| data.index_of(name)).transpose()?;
        let ends = ends.map(|column| pick::times(data, column)).transpose()?;
        let marks = pick::marks(data, options.anomalous.as_deref())?;
        let group = match &options.group {
            Some(name) => Some(data.index_of(name)?),
            None => guess_group(data),
        };
        let mut events = Vec::with_capacity(data.rows());
        let (mut without, mut outside) = (0, 0);
        for (row, from) in times.iter().enumerate() {
            let Some(from) = *from else {
                without += 1;
                continue;
            };
            let to = ends.and_then(|ends| ends[row]).unwrap_or(from);
            let (from, to) = (from.min(to), from.max(to));
            if options.from.is_some_and(|first| to < first) || options.to.is_some_and(|last| from > last) {
                outside += 1;
                continue;
            }
            events.push(Event { row, from, to, is_anomaly: marks[row] });
        }
        let mut notes = Vec::new();
        notes.extend((!events.is_empty()).then(|| plural(events.len(), "event") + "."));
        notes.extend((outside > 0).then(|| format!("Outside the range: {}.", number::count(outside))));
        notes.extend((without > 0).then(|| format!("Not shown: {} without a time.", number::count(without))));
        let lanes = lanes(data, group, events, &mut notes);
        Ok(Timeline {
            data,
            lanes,
            details: details(data, options)?,
            time_name: text::clean_line(&data.columns()[time_column].name),
            has_ends: ends.is_some(),
            notes,
        })
    }

    fn extent(&self) -> (i64, i64) {
        let events = || self.lanes.iter().flat_map(|lane| &lane.events);
        let first = events().map(|event| event.from).min().unwrap_or(0);
        (first, events().map(|event| event.to).max().unwrap_or(first))
    }

    fn text(&self, options: &TimelineOptions) -> String {
        const WIDTH: usize = 60;
        let (first, last) = self.extent();
        let mut lines = vec![text::clean_line(&options.title)];
        lines.push(format!("{}: {} to {}", self.time_name, time::full(first), time::full(last)));
        let widest = self.lanes.iter().map(|lane| plain::shortened(&lane.name, 30).chars().count()).max().unwrap_or(0);
        for lane in &self.lanes {
            let mut counts = vec![f64::NAN; WIDTH];
            for event in &lane.events {
                let share = (event.from as f64 - first as f64) / (last as f64 - first as f64).max(1.0);
                let at = ((share * WIDTH as f64) as usize).min(WIDTH - 1);
                counts[at] = if counts[at].is_nan() { 1.0 } else { counts[at] + 1.0 };
            }
            let most = counts.iter().copied().fold(1.0, f64::max);
            let name = plain::padded(&plain::shortened(&lane.name, 30), widest);
            lines.push(format!("{name}  {}  {}", plain::spark(&counts, 0.0, most), number::count(lane.events.len())));
        }
        for (moment, label) in &options.marks {
            lines.push(format!("mark: {} {}", time::full(*moment), text::clean_line(label)));
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}

pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number::count(count), if count == 1 { "" } else { "s" })
}

/// Events in lanes in order of their first one; the smallest lanes beyond the limit are one.
fn lanes(data: &ChartData, group: Option<usize>, mut events: Vec<Event>, notes: &mut Vec<String>) -> Vec<Lane> {
    events.sort_by_key(|event| event.from);
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut lanes: Vec<Lane> = Vec::new();
    for event in events {
        let name = group.map_or(String::new(), |column| pick::shown(data, column, event.row));
        let index = *known.entry(name).or_insert_with_key(|name| {
            lanes.push(Lane { name: name.clone(), events: Vec::new() });
            lanes.len() - 1
        });
        lanes[index].events.push(event);
    }
    if lanes.len() > MOST_LANES {
        let importance = |lane: &Lane| {
            let anomalies = lane.events.iter().filter(|event| event.is_anomaly).count();
            std::cmp::Reverse((anomalies, lane.events.len()))
        };
        lanes.sort_by_key(importance);
        let rest = lanes.split_off(MOST_LANES - 1);
        let folded = number::count(rest.len());
        lanes.sort_by_key(|lane| lane.events[0].from);
        notes.push(format!("The {folded} lanes with the fewest events are one, \"other ({folded})\"."));
        let mut events: Vec<Event> = rest.into_iter().flat_map(|lane| lane.events).collect();
        events.sort_by_key(|event| event.from);
        lanes.push(Lane { name: format!("other ({folded})"), events });
    }
    lanes
}

fn guess_group(data: &ChartData) -> Option<usize> {
    (0..data.columns().len()).find(|column| match &data.columns()[*column].values {
        Values::Texts(values) => {
            let mut seen = std::collections::HashSet::new();
            let many = values.iter().any(|value| {
                seen.insert(value.as_str());
                seen.len() > MOST_LANES
            });
            !many && seen.len() > 1
        }
        _ => false,
    })
}

fn details(data: &ChartData, options: &TimelineOptions) -> Result<Vec<usize>, PlotError> {
    if !options.details.is_empty() {
        return options.details.iter().map(|name| data.index_of(name)).collect();
    }
    let telling: Vec<usize> = TELLING.iter().filter_map(|name| data.find(&[name])).collect();
    let first = || (0..data.columns().len()).take(MOST_DETAILS).collect();
    Ok(if telling.is_empty() { first() } else { telling })
}
