//! How scores are spread: overlaid histograms with a threshold.

mod bins;
mod draw;

use crate::{Picture, PlotError, number, svg, text, theme};

/// Values of one colour, such as the scores of one day.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSeries {
    /// Shown in the legend when there are several series.
    pub name: String,
    /// Missing values are NaN. NaN and infinite values are left out of the bars and counted in the caption.
    pub values: Vec<f64>,
}

/// How a histogram looks.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramOptions {
    /// Shown above the chart; empty for none.
    pub title: String,
    /// Name and unit of the values.
    pub x_label: String,
    /// Name of the counts.
    pub y_label: String,
    /// Number of bins, brought into 1..=400; `None` picks it by Freedman and Diaconis, 5..=80.
    pub bins: Option<usize>,
    /// A dashed line with the number of values at or above it.
    pub threshold: Option<f64>,
    /// Pixels, brought into 320..=8000.
    pub width: u32,
    /// Pixels of the plot with its axes, brought into 200..=8000; title, legend and caption come on top.
    pub height: u32,
}

impl Default for HistogramOptions {
    fn default() -> Self {
        HistogramOptions {
            title: String::new(),
            x_label: "score".to_owned(),
            y_label: "count".to_owned(),
            bins: None,
            threshold: None,
            width: 760,
            height: 320,
        }
    }
}

/// Draws the series over one another. No finite value at all: a panel that says "no data".
///
/// # Errors
/// [`PlotError::InvalidThreshold`] for a threshold that is NaN or infinite; [`PlotError::RangeTooWide`] if the
/// distance between the smallest and the largest value overflows.
pub fn histogram(series: &[HistogramSeries], options: &HistogramOptions) -> Result<Picture, PlotError> {
    if let Some(threshold) = options.threshold
        && !threshold.is_finite()
    {
        return Err(PlotError::InvalidThreshold(threshold));
    }
    let left_out = LeftOut::of(series);
    match bins::Bins::of(series, options.bins)? {
        None => {
            let width = theme::usable_width(options.width);
            let text = format!("{}\nno data", text::clean_line(&options.title));
            Ok(Picture { svg: svg::no_data(width, &options.title, &left_out.sentences()), text })
        }
        Some(bins) => Ok(Picture {
            svg: draw::draw(series, &bins, &left_out, options),
            text: draw::text(series, &bins, &left_out, options),
        }),
    }
}

/// Values that have no place on an axis.
#[derive(Debug, Default, PartialEq, Eq)]
struct LeftOut {
    missing: usize,
    infinite: usize,
}

impl LeftOut {
    fn of(series: &[HistogramSeries]) -> LeftOut {
        let values = || series.iter().flat_map(|series| &series.values);
        LeftOut {
            missing: values().filter(|value| value.is_nan()).count(),
            infinite: values().filter(|value| value.is_infinite()).count(),
        }
    }

    fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.missing > 0 {
            sentences.push(format!("Not shown: {} null or NaN.", number::count(self.missing)));
        }
        if self.infinite > 0 {
            sentences.push(format!("Not shown: {} infinite.", number::count(self.infinite)));
        }
        sentences
    }
}
