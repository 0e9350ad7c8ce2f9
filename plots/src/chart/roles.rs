//! Which column is what, where the query does not say.

use super::{ChartKind, ChartOptions};
use crate::{ChartData, PlotError, Values, text};

/// The columns of a chart, by index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Roles {
    /// `None`: the number of the row.
    pub(super) x: Option<usize>,
    pub(super) ys: Vec<usize>,
    pub(super) series: Vec<usize>,
    /// For each y column its flags, as far as there are any.
    pub(super) anomalies: Vec<usize>,
}

impl Roles {
    pub(super) fn of(data: &ChartData, options: &ChartOptions) -> Result<Roles, PlotError> {
        let named = |names: &[String]| names.iter().map(|name| data.index_of(name)).collect::<Result<Vec<_>, _>>();
        let series = named(&options.series)?;
        let named_ys = named(&options.y_columns)?;
        let named_anomalies = named(&options.anomaly_columns)?;
        for column in named_ys.iter().chain(&named_anomalies) {
            must_be_number(data, *column)?;
        }
        let taken =
            |column: &usize| series.contains(column) || named_ys.contains(column) || named_anomalies.contains(column);
        let x = match &options.x_column {
            Some(name) => Some(data.index_of(name)?),
            None => guess_x(data, options.kind, taken),
        };
        let free = |column: &usize| !taken(column) && Some(*column) != x;
        let mut ys = named_ys.clone();
        if ys.is_empty() {
            ys = of_kind(data, is_number).filter(free).collect();
        }
        let mut anomalies = named_anomalies.clone();
        if options.kind == ChartKind::Anomaly && anomalies.is_empty() && named_ys.is_empty() && ys.len() > 1 {
            let (flags, rest): (Vec<usize>, Vec<usize>) = ys.iter().partition(|column| is_flag(data, **column));
            if !rest.is_empty() {
                (anomalies, ys) = (flags, rest);
            }
        }
        if ys.is_empty() {
            let needed = "a column of numbers for its quantities, such as `summarize n = count() by ...`".to_owned();
            return Err(PlotError::Missing { picture: options.kind.name(), needed });
        }
        let series = if options.series.is_empty() {
            of_kind(data, is_text).filter(|column| free(column) && !ys.contains(column)).collect()
        } else {
            series
        };
        Ok(Roles { x, ys, series, anomalies })
    }
}

/// The x column as Kusto's own front ends choose it.
fn guess_x(data: &ChartData, kind: ChartKind, taken: impl Fn(&usize) -> bool) -> Option<usize> {
    let first = |is: fn(&Values) -> bool| of_kind(data, is).find(|column| !taken(column));
    let numbers = of_kind(data, is_number).filter(|column| !taken(column)).count();
    // A number may serve as x if a quantity is left, or was named.
    let spare_number =
        || first(is_number).filter(|_| numbers > 1 || of_kind(data, is_number).any(|column| taken(&column)));
    match kind {
        ChartKind::Column | ChartKind::Bar | ChartKind::Pie | ChartKind::Treemap => {
            let foremost = (0..data.columns().len()).find(|column| !taken(column))?;
            match &data.columns()[foremost].values {
                Values::Numbers(_) => spare_number().or_else(|| first(is_text)).or_else(|| first(is_time)),
                _ => Some(foremost),
            }
        }
        _ => first(is_time).or_else(spare_number).or_else(|| first(is_text)),
    }
}

fn of_kind(data: &ChartData, is: fn(&Values) -> bool) -> impl Iterator<Item = usize> + '_ {
    (0..data.columns().len()).filter(move |column| is(&data.columns()[*column].values))
}

fn is_number(values: &Values) -> bool {
    matches!(values, Values::Numbers(_))
}

fn is_time(values: &Values) -> bool {
    matches!(values, Values::Times(_))
}

fn is_text(values: &Values) -> bool {
    matches!(values, Values::Texts(_))
}

/// Flags of `series_decompose_anomalies`: 1 and -1 among zeros.
fn is_flag(data: &ChartData, column: usize) -> bool {
    match &data.columns()[column].values {
        Values::Numbers(values) => {
            let mut known = values.iter().filter(|value| !value.is_nan()).peekable();
            known.peek().is_some() && known.all(|value| [-1.0, 0.0, 1.0].contains(value)) && values.contains(&0.0)
        }
        _ => false,
    }
}

fn must_be_number(data: &ChartData, column: usize) -> Result<(), PlotError> {
    let column = &data.columns()[column];
    let found = match &column.values {
        Values::Numbers(_) => return Ok(()),
        Values::Times(_) => "datetimes",
        Values::Texts(_) => "text",
    };
    let needed = "a y column needs numbers (`extend x = toreal(x)`)".to_owned();
    Err(PlotError::WrongColumn { name: text::clean_line(&column.name), found, needed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn data(columns: &[(&str, char)]) -> ChartData {
        let column = |(name, kind): &(&str, char)| {
            let values = match kind {
                't' => Values::Times(vec![Some(0), Some(1)]),
                's' => Values::Texts(vec!["a".into(), "b".into()]),
                'f' => Values::Numbers(vec![0.0, 1.0]),
                _ => Values::Numbers(vec![5.0, 7.0]),
            };
            Column { name: name.to_string(), values }
        };
        ChartData::new(columns.iter().map(column).collect()).unwrap()
    }

    fn names(data: &ChartData, columns: &[usize]) -> Vec<String> {
        columns.iter().map(|column| data.columns()[*column].name.clone()).collect()
    }

    /// x, ys, series, anomalies
    fn guess(kind: ChartKind, columns: &[(&str, char)]) -> String {
        let data = data(columns);
        let roles = Roles::of(&data, &ChartOptions::of(kind)).unwrap();
        let x = roles.x.map_or("-".to_owned(), |x| data.columns()[x].name.clone());
        let list = |columns: &[usize]| names(&data, columns).join(",");
        format!("{x} | {} | {} | {}", list(&roles.ys), list(&roles.series), list(&roles.anomalies))
    }

    #[test]
    fn columns_are_chosen_as_kusto_does() {
        use ChartKind::*;
        let cases = [
            (Time, &[("Account", 's'), ("T", 't'), ("n", 'n')][..], "T | n | Account | "),
            (Time, &[("n", 'n'), ("T", 't'), ("m", 'n'), ("U", 't')], "T | n,m |  | "),
            (Time, &[("Account", 's'), ("n", 'n')], "Account | n |  | "),
            (Line, &[("x", 'n'), ("y", 'n'), ("s", 's')], "x | y | s | "),
            (Scatter, &[("user", 's'), ("x", 'n'), ("y", 'n')], "x | y | user | "),
            (Line, &[("n", 'n')], "- | n |  | "),
            (Column, &[("EventID", 'n'), ("Computer", 's'), ("n", 'n')], "EventID | n | Computer | "),
            (Column, &[("n", 'n'), ("Account", 's')], "Account | n |  | "),
            (Bar, &[("T", 't'), ("a", 'n'), ("b", 'n')], "T | a,b |  | "),
            (Pie, &[("Account", 's'), ("n", 'n')], "Account | n |  | "),
            (Anomaly, &[("T", 't'), ("n", 'n'), ("flag", 'f'), ("score", 'n')], "T | n,score |  | flag"),
        ];
        for (kind, columns, expected) in cases {
            assert_eq!(guess(kind, columns), expected, "{kind:?} of {columns:?}");
        }
    }

    #[test]
    fn named_columns_win() {
        let data = data(&[("a", 'n'), ("b", 'n'), ("T", 't'), ("s", 's')]);
        let options = ChartOptions {
            x_column: Some("b".into()),
            y_columns: vec!["a".into()],
            series: vec!["T".into()],
            ..ChartOptions::of(ChartKind::Line)
        };
        assert_eq!(
            Roles::of(&data, &options).unwrap(),
            Roles { x: Some(1), ys: vec![0], series: vec![2], anomalies: vec![] }
        );
        let wrong = ChartOptions { y_columns: vec!["s".into()], ..ChartOptions::default() };
        assert!(Roles::of(&data, &wrong).unwrap_err().to_string().contains("`s` holds text"));
        let unknown = ChartOptions { x_column: Some("z".into()), ..ChartOptions::default() };
        let error = Roles::of(&data, &unknown).unwrap_err().to_string();
        assert_eq!(error, "there is no column `z`; the columns are a, b, T, s");
    }

    #[test]
    fn a_chart_without_numbers_says_what_it_needs() {
        let error = Roles::of(&data(&[("s", 's')]), &ChartOptions::of(ChartKind::Pie)).unwrap_err().to_string();
        assert!(error.starts_with("piechart needs a column of numbers"), "{error}");
    }
}
