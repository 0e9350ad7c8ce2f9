//! Which column a hunting visual takes, where nobody says: first by the names that logs use, then by kind.

use crate::{ChartData, PlotError, Values, text};

/// Names of times in the logs of Sentinel, Defender and Linux.
const TIMES: [&str; 6] = ["TimeGenerated", "Timestamp", "StartTime", "UtcTime", "EventTime", "time"];
/// Names of who does something.
const SOURCES: [&str; 10] = [
    "user",
    "source",
    "src",
    "Account",
    "UserPrincipalName",
    "AccountName",
    "Caller",
    "SourceIP",
    "SrcIpAddr",
    "DeviceName",
];
/// Names of what it is done to.
const TARGETS: [&str; 10] = [
    "res",
    "target",
    "dst",
    "resource",
    "ShareName",
    "AppDisplayName",
    "Computer",
    "DestinationIP",
    "DstIpAddr",
    "RemoteUrl",
];

pub(crate) fn is_text(values: &Values) -> bool {
    matches!(values, Values::Texts(_))
}

fn is_time(values: &Values) -> bool {
    matches!(values, Values::Times(_))
}

/// The column of times: the one that is named, or a usual one, or the first.
pub(crate) fn time<'d>(
    data: &'d ChartData,
    named: Option<&str>,
    picture: &'static str,
) -> Result<(usize, &'d [Option<i64>]), PlotError> {
    let column = match named {
        Some(name) => Some(data.index_of(name)?),
        None => usual(data, &TIMES, is_time).or_else(|| first(data, is_time, &[])),
    };
    match column {
        Some(column) => times(data, column).map(|values| (column, values)),
        None => {
            let needed = "a datetime column (`extend TimeGenerated = todatetime(...)`)".to_owned();
            Err(PlotError::Missing { picture, needed })
        }
    }
}

pub(crate) fn times(data: &ChartData, column: usize) -> Result<&[Option<i64>], PlotError> {
    match &data.columns()[column].values {
        Values::Times(values) => Ok(values),
        other => Err(wrong(data, column, other, "a datetime is needed (`extend t = todatetime(t)`)")),
    }
}

pub(crate) fn numbers(data: &ChartData, column: usize) -> Result<&[f64], PlotError> {
    match &data.columns()[column].values {
        Values::Numbers(values) => Ok(values),
        other => Err(wrong(data, column, other, "a number is needed (`extend n = toreal(n)`)")),
    }
}

fn wrong(data: &ChartData, column: usize, values: &Values, needed: &str) -> PlotError {
    let found = match values {
        Values::Numbers(_) => "numbers",
        Values::Times(_) => "datetimes",
        Values::Texts(_) => "text",
    };
    let name = text::clean_line(&data.columns()[column].name);
    PlotError::WrongColumn { name, found, needed: needed.to_owned() }
}

/// Two columns of names: who, and to what.
pub(crate) fn ends(
    data: &ChartData,
    source: Option<&str>,
    target: Option<&str>,
    picture: &'static str,
) -> Result<(usize, usize), PlotError> {
    let named = |name: Option<&str>| name.map(|name| data.index_of(name)).transpose();
    let (source, target) = (named(source)?, named(target)?);
    let source = source.or_else(|| usual(data, &SOURCES, is_text).filter(|column| Some(*column) != target));
    let source = source.or_else(|| first(data, is_text, target.as_slice()));
    let taken: Vec<usize> = source.into_iter().collect();
    let target = target.or_else(|| usual(data, &TARGETS, is_text).filter(|column| !taken.contains(column)));
    let target = target.or_else(|| first(data, is_text, &taken)).or_else(|| {
        // Numbers may name things too: ports, event ids.
        (0..data.columns().len()).find(|column| !taken.contains(column) && !is_time(&data.columns()[*column].values))
    });
    source.zip(target).ok_or_else(|| PlotError::Missing {
        picture,
        needed: "two columns of names, such as `summarize n = count() by Account, ShareName`".to_owned(),
    })
}

/// The named column of quantities, or the only column of numbers that is left.
pub(crate) fn value<'d>(
    data: &'d ChartData,
    named: Option<&str>,
    taken: &[usize],
) -> Result<Option<(usize, &'d [f64])>, PlotError> {
    let column = match named {
        Some(name) => Some(data.index_of(name)?),
        None => {
            let mut free = (0..data.columns().len()).filter(|column| {
                !taken.contains(column) && matches!(data.columns()[*column].values, Values::Numbers(_))
            });
            free.next().filter(|_| free.next().is_none())
        }
    };
    column.map(|column| numbers(data, column).map(|values| (column, values))).transpose()
}

/// For each row whether it is marked: `true`, or a number that is not zero. All false without a column.
pub(crate) fn marks(data: &ChartData, named: Option<&str>) -> Result<Vec<bool>, PlotError> {
    let Some(name) = named else { return Ok(vec![false; data.rows()]) };
    let column = data.index_of(name)?;
    match &data.columns()[column].values {
        Values::Numbers(values) => Ok(values.iter().map(|value| *value != 0.0 && !value.is_nan()).collect()),
        Values::Texts(values) if values.iter().all(|value| ["true", "false", "(null)"].contains(&value.as_str())) => {
            Ok(values.iter().map(|value| value == "true").collect())
        }
        other => Err(wrong(data, column, other, "a condition marks rows (`extend odd = score > 1`)")),
    }
}

fn usual(data: &ChartData, names: &[&str], is: fn(&Values) -> bool) -> Option<usize> {
    let with = |name: &&str| data.find(&[name]).filter(|column| is(&data.columns()[*column].values));
    names.iter().find_map(with)
}

pub(crate) fn first(data: &ChartData, is: fn(&Values) -> bool, taken: &[usize]) -> Option<usize> {
    (0..data.columns().len()).find(|column| !taken.contains(column) && is(&data.columns()[*column].values))
}

/// The value of a row as one line.
pub(crate) fn shown(data: &ChartData, column: usize, row: usize) -> String {
    data.columns()[column].values.shown(row).map_or("(null)".to_owned(), |value| text::clean_line(&value))
}

/// `name: value` for each of these columns, one per line.
pub(crate) fn details(data: &ChartData, columns: &[usize], row: usize) -> String {
    let line = |column: &usize| {
        let name = text::clean_line(&data.columns()[*column].name);
        format!("{name}: {}", crate::plain::clipped(&shown(data, *column, row), 160))
    };
    columns.iter().map(line).collect::<Vec<_>>().join("\n")
}
