//! The one look of all charts.
//!
//! Notebooks come in light and dark, and an SVG cannot tell which one shows it. So every chart brings its own light
//! panel with dark text: readable on both, and the same in a report that is printed.

/// Fonts every desktop has; nothing is downloaded.
pub(crate) const FONT_FAMILY: &str = "system-ui, sans-serif";

pub(crate) const PANEL: &str = "#ffffff";
pub(crate) const PANEL_BORDER: &str = "#d0d7de";
pub(crate) const PANEL_RADIUS: f64 = 8.0;
/// Space between the panel's edge and anything drawn in it.
pub(crate) const PADDING: f64 = 16.0;

pub(crate) const TEXT: &str = "#24292f";
pub(crate) const TEXT_MUTED: &str = "#57606a";
pub(crate) const GRID: &str = "#e6e9ed";
pub(crate) const AXIS: &str = "#8c959f";

/// Flows and nodes that are nothing to worry about.
pub(crate) const NORMAL: &str = "#8c959f";
pub(crate) const NODE: &str = "#57606a";
/// Anomalies and thresholds. Much darker than [`NORMAL`], so the two differ without colour vision as well.
pub(crate) const ANOMALY: &str = "#c1121f";

/// Okabe-Ito without yellow and black (unreadable on white, taken by text), and with vermillion last because it is
/// close to [`ANOMALY`].
pub(crate) const SERIES: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
/// Outlines of series beyond the palette repeat its colours with another dash.
pub(crate) const SERIES_DASHES: [&str; 3] = ["", "5 3", "2 2"];

pub(crate) const TITLE_SIZE: f64 = 15.0;
pub(crate) const HEADER_SIZE: f64 = 12.0;
pub(crate) const LABEL_SIZE: f64 = 11.0;
/// From one baseline to the next at [`LABEL_SIZE`].
pub(crate) const LABEL_LINE: f64 = 15.0;

/// Charts outside these limits are unreadable or too much for a browser.
const SIDE_LIMITS: (u32, u32) = (200, 8_000);
const WIDTH_MINIMUM: u32 = 320;

pub(crate) fn usable_width(width: u32) -> f64 {
    f64::from(width.clamp(WIDTH_MINIMUM, SIDE_LIMITS.1))
}

pub(crate) fn usable_height(height: u32) -> f64 {
    f64::from(height.clamp(SIDE_LIMITS.0, SIDE_LIMITS.1))
}
