//! Charts as lines of text.

use super::{
    ChartKind, ChartOptions,
    model::{Model, Series, X},
    pie,
};
use crate::{
    number,
    plain::{bar, padded, shortened, spark},
    text,
};

const SPARK_WIDTH: usize = 48;
const BAR_WIDTH: usize = 32;
const NAME_WIDTH: usize = 32;
const MOST_LINES: usize = 30;

pub(super) fn titled(title: &str) -> Option<String> {
    (!title.trim().is_empty()).then(|| text::clean_line(title))
}

pub(super) fn no_data(title: &str) -> String {
    titled(title).into_iter().chain(["no data".to_owned()]).collect::<Vec<_>>().join("\n")
}

pub(super) fn text(model: &Model, options: &ChartOptions) -> String {
    let mut lines: Vec<String> = titled(&options.title).into_iter().collect();
    match options.kind {
        ChartKind::Pie | ChartKind::Treemap => {
            for (y, name) in model.y_names.iter().enumerate() {
                let (parts, _) = pie::parts(model, y, MOST_LINES);
                let total: f64 = parts.iter().map(|part| part.value).sum();
                lines.push(format!("{name}: {} in all", number::short(total)));
                let named = parts.iter().map(|part| (part.name.clone(), part.value));
                lines.extend(bars(named, |value| format!("{}  {}", number::short(value), pie::percent(value / total))));
            }
        }
        ChartKind::Bar | ChartKind::Column if matches!(model.x, X::Categories(_)) => {
            let slots = model.slots();
            let (values, _) = model.matrix(&slots);
            let several = model.series.len() > 1;
            let rows = slots.iter().enumerate().flat_map(|(slot, x)| {
                let of_slot = model.series.iter().zip(&values).filter(move |(_, values)| !values[slot].is_nan());
                of_slot.map(move |(series, values)| {
                    let x = model.x_text(*x);
                    (if several { format!("{x}, {}", series.name) } else { x }, values[slot])
                })
            });
            lines.extend(bars(rows, number::short));
        }
        _ => lines.extend(sparks(model)),
    }
    lines.extend(model.notes.iter().cloned());
    lines.join("\n")
}

fn bars(rows: impl Iterator<Item = (String, f64)>, shown: impl Fn(f64) -> String) -> Vec<String> {
    let rows: Vec<(String, f64)> = rows.collect();
    let most = rows.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
    let kept = &rows[..rows.len().min(MOST_LINES)];
    let width = kept.iter().map(|(name, _)| shortened(name, NAME_WIDTH).chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = kept
        .iter()
        .map(|(name, value)| {
            let bar = bar(value.abs() / most.max(f64::MIN_POSITIVE), BAR_WIDTH);
            format!("{}  {bar} {}", padded(&shortened(name, NAME_WIDTH), width), shown(*value))
        })
        .collect();
    if rows.len() > kept.len() {
        lines.push(format!("... and {} more", number::count(rows.len() - kept.len())));
    }
    lines
}

fn sparks(model: &Model) -> Vec<String> {
    let (start, end) = model.extent(|point| point.x);
    let mut lines = vec![format!("{}: {} to {}", model.x_name, model.x_text(start), model.x_text(end))];
    let named: Vec<&Series> = model.series.iter().filter(|series| !series.is_other).collect();
    let width = named.iter().map(|series| shortened(&series.name, NAME_WIDTH).chars().count()).max().unwrap_or(0);
    for series in named {
        let known = || series.points.iter().filter(|point| !point.y.is_nan());
        let (low, high) = known()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.y), high.max(point.y)));
        // Each character shows the highest of its stretch.
        let mut peaks = vec![f64::NAN; SPARK_WIDTH];
        for point in known() {
            let share = if end > start { (point.x - start) / (end - start) } else { 0.0 };
            let at = ((share * SPARK_WIDTH as f64) as usize).min(SPARK_WIDTH - 1);
            peaks[at] = if peaks[at].is_nan() { point.y } else { peaks[at].max(point.y) };
        }
        let anomalies = series.points.iter().filter(|point| point.is_anomaly).count();
        let flagged = if anomalies > 0 { format!(", {} anomalies", number::count(anomalies)) } else { String::new() };
        lines.push(format!(
            "{}  {}  {} to {}{flagged}",
            padded(&shortened(&series.name, NAME_WIDTH), width),
            spark(&peaks, low.min(0.0), high),
            number::short(low),
            number::short(high),
        ));
    }
    if model.others > 0 {
        lines.push(format!("... and {} more series", number::count(model.others)));
    }
    lines
}
