//! The histogram's shapes and words.

use super::{HistogramOptions, HistogramSeries, LeftOut, bins::Bins};
use crate::{
    axis::{Axis, Tick},
    number, plain,
    svg::{Anchor, Svg, TextStyle, coordinate, draw_caption, draw_title},
    text, theme,
};

/// Room above the bars for the threshold's label.
const THRESHOLD_STRIP: f64 = 20.0;
/// Pixels between two ticks, below which there are fewer of them.
const TICK_DISTANCE: (f64, f64) = (50.0, 44.0);
/// A threshold is shown if it stretches the axis by no more than this; further out it would squash the bars.
const STRETCH: f64 = 1.0;

pub(super) fn draw(series: &[HistogramSeries], bins: &Bins, left_out: &LeftOut, options: &HistogramOptions) -> String {
    let width = theme::usable_width(options.width);
    let inside = width - 2.0 * theme::PADDING;
    let mut svg = Svg::new(width);
    let y = draw_title(&mut svg, &options.title, inside);
    let y = draw_legend(&mut svg, y, series, inside);

    let plot = Plot::new(bins, options, y, width);
    plot.draw_axes(&mut svg, options);
    for (index, (series, counts)) in series.iter().zip(&bins.counts).enumerate() {
        plot.draw_series(&mut svg, Look::of(index, bins.counts.len()), series, counts, bins);
    }
    let reached = options.threshold.map(|threshold| Reached::of(series, threshold));
    if let Some(reached) = &reached {
        plot.draw_threshold(&mut svg, reached);
    }

    let sentences = caption(series, bins, left_out, reached.as_ref().filter(|reached| !plot.shows(reached.threshold)));
    let end = draw_caption(&mut svg, &sentences, plot.caption_y(options), inside);
    let description = format!("{} {}", options.title, sentences.join(" "));
    svg.finish(end + theme::PADDING / 2.0 - 4.0, description.trim())
}

/// How many values are at or above the threshold.
struct Reached {
    threshold: f64,
    values: usize,
    of: usize,
}

impl Reached {
    /// Infinite scores count too: plus infinity is above every threshold, though it has no bar.
    fn of(series: &[HistogramSeries], threshold: f64) -> Reached {
        let values = || series.iter().flat_map(|series| &series.values).filter(|value| !value.is_nan());
        Reached { threshold, values: values().filter(|value| **value >= threshold).count(), of: values().count() }
    }

    fn sentence(&self) -> String {
        format!(
            "threshold {}: {} of {} at or above",
            number::short(self.threshold),
            number::count(self.values),
            number::count(self.of),
        )
    }
}

/// The colours of one series.
struct Look {
    colour: &'static str,
    dash: &'static str,
    opacity: f64,
    outlined: bool,
}

impl Look {
    fn of(index: usize, amount: usize) -> Look {
        let palette = theme::SERIES.len();
        Look {
            colour: theme::SERIES[index % palette],
            dash: theme::SERIES_DASHES[index / palette % theme::SERIES_DASHES.len()],
            opacity: match amount {
                0 | 1 => 0.85,
                2 | 3 => 0.35,
                // Many layers would add up to mud.
                _ => 0.15,
            },
            outlined: amount > 1,
        }
    }

    fn outline(&self) -> String {
        let dash = match self.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        format!("fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{dash}", self.colour)
    }
}

/// The area of the bars and its two axes.
struct Plot {
    x: Axis,
    y: Axis,
    /// The right end for texts above the plot.
    limit: f64,
}

impl Plot {
    fn new(bins: &Bins, options: &HistogramOptions, top: f64, width: f64) -> Plot {
        let height = theme::usable_height(options.height);
        let bottom = top + height - 24.0 - label_room(&options.x_label);
        let top = top + if options.threshold.is_some() { THRESHOLD_STRIP } else { 6.0 };
        let y = Axis::of_counts(bins.highest(), (bottom, top), ((bottom - top) / TICK_DISTANCE.1) as usize);
        let tick_room = y.widest_label();
        let left = theme::PADDING + label_room(&options.y_label) + tick_room + 8.0;
        // Half a tick label may stick out on the right.
        let right = width - theme::PADDING - 14.0;
        let most_ticks = ((right - left) / TICK_DISTANCE.0) as usize;
        let x = Axis::new(extent(bins, options.threshold), (left, right), most_ticks, |ticks| {
            let widest = crate::axis::widest(ticks);
            (widest + 10.0) * ticks.len() as f64 <= right - left
        });
        Plot { x, y, limit: width - theme::PADDING }
    }

    fn shows(&self, value: f64) -> bool {
        (self.x.start..=self.x.end).contains(&value)
    }

    fn draw_axes(&self, svg: &mut Svg, options: &HistogramOptions) {
        let ((left, right), (bottom, top)) = (self.x.pixels, self.y.pixels);
        for Tick { value, label, .. } in &self.y.ticks {
            let y = self.y.pixel(*value);
            let colour = if *value == 0.0 { theme::AXIS } else { theme::GRID };
            svg.straight_line((left, y), (right, y), &format!("stroke=\"{colour}\""));
            svg.text(left - 6.0, y + 4.0, label, TextStyle::MUTED.anchored(Anchor::End));
        }
        for Tick { value, label, .. } in &self.x.ticks {
            let x = self.x.pixel(*value);
            svg.straight_line((x, bottom), (x, bottom + 4.0), &format!("stroke=\"{}\"", theme::AXIS));
            svg.text(x, bottom + 17.0, label, TextStyle::MUTED.anchored(Anchor::Middle));
        }
        let style = TextStyle::LABEL.anchored(Anchor::Middle);
        if !options.x_label.trim().is_empty() {
            let label = style.clip(&text::clean_line(&options.x_label), right - left);
            svg.text((left + right) / 2.0, bottom + 36.0, &label, style);
        }
        if !options.y_label.trim().is_empty() {
            let label = style.clip(&text::clean_line(&options.y_label), bottom - top);
            svg.text_upwards(theme::PADDING + theme::LABEL_SIZE, (bottom + top) / 2.0, &label, style);
        }
    }

    fn draw_series(&self, svg: &mut Svg, look: Look, series: &HistogramSeries, counts: &[usize], bins: &Bins) {
        let bottom = self.y.pixels.0;
        let fill = format!("class=\"hb-bar\" fill=\"{}\" fill-opacity=\"{}\"", look.colour, look.opacity);
        let name = text::clean_line(&series.name);
        for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (from, to) = (self.x.pixel(bins.edge(bin)), self.x.pixel(bins.edge(bin + 1)));
            let top = self.y.pixel(count as f64);
            // A hair of space keeps neighbouring bars apart where there is room for it.
            let gap = if look.outlined || to - from < 4.0 { 0.0 } else { 1.0 };
            let tooltip = bar_tooltip(&name, bins, bin, count);
            svg.rect((from, top), (to - from - gap, bottom - top), &fill, Some(&tooltip));
        }
        if look.outlined {
            svg.path(&self.outline(counts, bins), &look.outline(), None);
        }
    }

    /// The steps along the top of the bars; a line along zero would only hide the axis and the other series.
    fn outline(&self, counts: &[usize], bins: &Bins) -> String {
        let x = |bin: usize| coordinate(self.x.pixel(bins.edge(bin)));
        let y = |count: usize| coordinate(self.y.pixel(count as f64));
        let mut data = String::new();
        let mut before = 0;
        for (bin, &count) in counts.iter().chain(&[0]).enumerate() {
            match (before, count) {
                (0, 0) => {}
                (0, _) => data.push_str(&format!("M{} {}V{}", x(bin), y(0), y(count))),
                _ => data.push_str(&format!("H{}V{}", x(bin), y(count))),
            }
            before = count;
        }
        data
    }

    fn draw_threshold(&self, svg: &mut Svg, reached: &Reached) {
        if !self.shows(reached.threshold) {
            return;
        }
        let x = self.x.pixel(reached.threshold);
        let (bottom, top) = self.y.pixels;
        let line = format!(
            "class=\"hb-threshold\" stroke=\"{}\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"",
            theme::ANOMALY
        );
        svg.straight_line((x, bottom), (x, top - THRESHOLD_STRIP + 4.0), &line);
        let style = TextStyle::LABEL.coloured(theme::ANOMALY);
        let label = reached.sentence();
        let width = style.width_of(&label);
        let baseline = top - 7.0;
        if x + 6.0 + width <= self.limit {
            svg.text(x + 6.0, baseline, &label, style);
        } else if x - 6.0 - width >= theme::PADDING {
            svg.text(x - 6.0, baseline, &label, style.anchored(Anchor::End));
        } else {
            let label = style.clip(&label, self.limit - x - 6.0);
            svg.text(x + 6.0, baseline, &label, style);
        }
    }

    fn caption_y(&self, options: &HistogramOptions) -> f64 {
        self.y.pixels.0 + 38.0 + label_room(&options.x_label)
    }
}

fn label_room(label: &str) -> f64 {
    if label.trim().is_empty() { 0.0 } else { 18.0 }
}

/// The bins, and the threshold if it is not too far from them.
fn extent(bins: &Bins, threshold: Option<f64>) -> (f64, f64) {
    let (start, end) = (bins.start, bins.end());
    let reach = (end - start) * STRETCH;
    // A little air, so that the line does not sit on the frame.
    let air = (end - start) * 0.04;
    match threshold {
        Some(threshold) if threshold < start && threshold >= start - reach => (threshold - air, end),
        Some(threshold) if threshold > end && threshold <= end + reach => (start, threshold + air),
        _ => (start, end),
    }
}

fn bar_tooltip(name: &str, bins: &Bins, bin: usize, count: usize) -> String {
    // The last bin includes its upper end.
    let bracket = if bin + 1 == bins.bins() { ']' } else { ')' };
    format!(
        "{name}: {} in [{}, {}{bracket}",
        number::count(count),
        number::short(bins.edge(bin)),
        number::short(bins.edge(bin + 1)),
    )
}

/// One swatch and name per series, in as many lines as they need. A single series needs none.
fn draw_legend(svg: &mut Svg, y: f64, series: &[HistogramSeries], inside: f64) -> f64 {
    if series.len() < 2 {
        return y;
    }
    let amount = series.len();
    let (mut x, mut baseline) = (theme::PADDING, y + theme::LABEL_SIZE);
    for (index, series) in series.iter().enumerate() {
        let look = Look::of(index, amount);
        let full = text::clean_line(&series.name);
        let label = TextStyle::LABEL.clip(&full, 220.0_f64.min(inside - 24.0));
        let width = 24.0 + TextStyle::LABEL.width_of(&label);
        if x > theme::PADDING && x + width > theme::PADDING + inside {
            x = theme::PADDING;
            baseline += theme::LABEL_LINE + 2.0;
        }
        let fill = format!("fill=\"{}\" fill-opacity=\"{}\"", look.colour, look.opacity);
        svg.rect((x, baseline - 9.0), (18.0, 9.0), &fill, None);
        let frame = format!("M{} {}h18v9h-18z", coordinate(x), coordinate(baseline - 9.0));
        svg.path(&frame, &look.outline(), None);
        svg.text_with_tooltip(x + 24.0, baseline, &label, TextStyle::LABEL, &full);
        x += width + 16.0;
    }
    baseline + 10.0
}

/// Bars for a terminal, at most so many lines.
pub(super) fn text(series: &[HistogramSeries], bins: &Bins, left_out: &LeftOut, options: &HistogramOptions) -> String {
    const MOST: usize = 24;
    let together = bins.bins().div_ceil(MOST);
    let counts =
        |values: &Vec<usize>| -> Vec<usize> { values.chunks(together).map(|counts| counts.iter().sum()).collect() };
    let mut lines = Vec::new();
    lines.extend((!options.title.trim().is_empty()).then(|| text::clean_line(&options.title)));
    for (series, values) in series.iter().zip(&bins.counts) {
        lines.push(text::clean_line(&series.name));
        let counts = counts(values);
        let most = counts.iter().copied().max().unwrap_or(1).max(1);
        let edge = |bin: usize| number::short(bins.edge((bin * together).min(bins.bins())));
        let width = (0..=counts.len()).map(|bin| edge(bin).chars().count()).max().unwrap_or(0);
        for (bin, count) in counts.iter().enumerate() {
            let bar = plain::bar(*count as f64 / most as f64, 40);
            let (from, to) = (edge(bin), edge(bin + 1));
            lines.push(format!("{from:>width$} to {to:>width$}  {bar} {}", number::count(*count)));
        }
    }
    let reached = options.threshold.map(|threshold| Reached::of(series, threshold));
    lines.extend(reached.map(|reached| reached.sentence()));
    lines.extend(caption(series, bins, left_out, None));
    lines.join("\n")
}

fn caption(series: &[HistogramSeries], bins: &Bins, left_out: &LeftOut, unseen: Option<&Reached>) -> Vec<String> {
    let shown: usize = bins.counts.iter().flatten().sum();
    let values = format!("{} value{}", number::count(shown), if shown == 1 { "" } else { "s" });
    let bin_words = format!("{} bin{}", bins.bins(), if bins.bins() == 1 { "" } else { "s" });
    let mut sentences = vec![if series.len() > 1 {
        format!("{values} of {} series in {bin_words}.", series.len())
    } else {
        format!("{values} in {bin_words}.")
    }];
    sentences.extend(left_out.sentences());
    sentences.extend(unseen.map(|reached| format!("Outside the picture: {}.", reached.sentence())));
    sentences
}
