//! The one look of all charts, in light and dark.
//!
//! Shapes carry the colours of light as plain attributes, which every SVG reader knows: a PDF or a mail shows them.
//! The style sheet in each chart then turns them into those of dark where the page says that it is dark: JupyterLab and
//! VS Code by attributes of the page, anything else by what the reader's system prefers. Prints are always light.
//! Each chart stands on a panel of its own, so that it can be read even where a front end says nothing of its colours.

use std::fmt::Write;

/// Fonts every desktop has; nothing is downloaded.
pub(crate) const FONT_FAMILY: &str = "system-ui, sans-serif";

pub(crate) const PANEL: &str = "#ffffff";
pub(crate) const PANEL_BORDER: &str = "#d0d7de";
pub(crate) const PANEL_RADIUS: f64 = 8.0;
/// Space between the panel's edge and anything drawn in it.
pub(crate) const PADDING: f64 = 16.0;

pub(crate) const TEXT: &str = "#24292f";
pub(crate) const TEXT_MUTED: &str = "#57606a";
/// A band behind every second row.
pub(crate) const STRIPE: &str = "#f6f8fa";
pub(crate) const GRID: &str = "#e6e9ed";
pub(crate) const AXIS: &str = "#8c959f";

/// Flows and nodes that are nothing to worry about, and what is folded into "other".
pub(crate) const NORMAL: &str = "#8c959f";
pub(crate) const NODE: &str = "#57606a";
/// Anomalies and thresholds. Much darker than [`NORMAL`], so the two differ without colour vision as well.
pub(crate) const ANOMALY: &str = "#c1121f";
/// Strength of a value, by opacity: one hue reads the same with any colour vision.
pub(crate) const HEAT: &str = "#0a66a8";

/// Okabe-Ito without yellow and black (unreadable on white, taken by text), and with vermillion last because it is
/// close to [`ANOMALY`].
pub(crate) const SERIES: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
/// More for charts with many series, from Tol's muted scheme.
pub(crate) const MANY_SERIES: [&str; 10] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#332288", "#999933", "#882255", "#44aa99"];
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

/// Every colour in light and in dark.
const DARK: [(&str, &str); 19] = [
    (PANEL, "#161b22"),
    (PANEL_BORDER, "#30363d"),
    (TEXT, "#e6edf3"),
    (TEXT_MUTED, "#a0a9b4"),
    (GRID, "#2b323b"),
    (AXIS, "#7d8590"),
    (ANOMALY, "#ff6b6b"),
    (HEAT, "#58b4f2"),
    ("#0072b2", "#4aa8e8"),
    ("#e69f00", "#f0b429"),
    ("#009e73", "#2bc08f"),
    ("#cc79a7", "#e39ac4"),
    ("#56b4e9", "#9ad5f8"),
    ("#d55e00", "#ff8548"),
    ("#332288", "#a99bf5"),
    ("#999933", "#c9c95a"),
    ("#882255", "#d9699f"),
    ("#44aa99", "#86dccd"),
    (STRIPE, "#1f262e"),
];
/// The style sheet for the colours that `body` uses.
pub(crate) fn style_sheet(body: &str) -> String {
    let used = || DARK.iter().filter(|(light, _)| body.contains(light));
    let variable = |light: &str| format!("--hb-{}", light.trim_start_matches('#'));
    let mut rules = String::new();
    let mut dark = String::new();
    for (light, dark_colour) in used() {
        let name = variable(light);
        let _ = write!(dark, "{name}:{dark_colour};");
        for property in ["fill", "stroke"] {
            if body.contains(&format!("{property}=\"{light}\"")) {
                let _ = write!(rules, ".hb-chart [{property}=\"{light}\"]{{{property}:var({name},{light})}}");
            }
        }
    }
    format!(
        "<style>@media screen{{body[data-jp-theme-light=false] .hb-chart,body.vscode-dark .hb-chart{{{dark}}}}}\
         @media screen and (prefers-color-scheme:dark){{.hb-chart:root,\
         body:not([data-jp-theme-light]):not(.vscode-light):not(.vscode-dark) .hb-chart{{{dark}}}}}{rules}</style>\n"
    )
}

pub(crate) fn usable_width(width: u32) -> f64 {
    f64::from(width.clamp(WIDTH_MINIMUM, SIDE_LIMITS.1))
}

pub(crate) fn usable_height(height: u32) -> f64 {
    f64::from(height.clamp(SIDE_LIMITS.0, SIDE_LIMITS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_a_dark_one() {
        let all = [PANEL, PANEL_BORDER, TEXT, TEXT_MUTED, GRID, AXIS, NORMAL, NODE, ANOMALY, HEAT, STRIPE];
        for colour in all.iter().chain(&SERIES).chain(&MANY_SERIES) {
            assert!(DARK.iter().any(|(light, _)| light == colour), "{colour}");
        }
    }

    #[test]
    fn only_what_is_used_is_styled() {
        let sheet = style_sheet("<text fill=\"#24292f\"/>");
        assert!(sheet.contains(".hb-chart [fill=\"#24292f\"]{fill:var(--hb-24292f,#24292f)}"), "{sheet}");
        assert!(!sheet.contains("stroke") && !sheet.contains("0072b2"), "{sheet}");
    }
}
