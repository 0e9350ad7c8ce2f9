//! A small SVG writer: the panel every chart stands on, and the few shapes we use.

use std::fmt::Write;

use crate::{text, theme};

/// Where a text hangs on its x.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks. The text itself must fit: callers measure and clip.
#[derive(Clone, Copy)]
pub(crate) struct TextStyle {
    pub(crate) size: f64,
    pub(crate) colour: &'static str,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
}

impl TextStyle {
    pub(crate) const TITLE: TextStyle =
        TextStyle { size: theme::TITLE_SIZE, colour: theme::TEXT, bold: true, anchor: Anchor::Start };
    pub(crate) const HEADER: TextStyle =
        TextStyle { size: theme::HEADER_SIZE, colour: theme::TEXT, bold: true, anchor: Anchor::Start };
    pub(crate) const LABEL: TextStyle =
        TextStyle { size: theme::LABEL_SIZE, colour: theme::TEXT, bold: false, anchor: Anchor::Start };
    pub(crate) const MUTED: TextStyle = TextStyle { colour: theme::TEXT_MUTED, ..TextStyle::LABEL };

    pub(crate) fn anchored(self, anchor: Anchor) -> TextStyle {
        TextStyle { anchor, ..self }
    }

    pub(crate) fn bold_if(self, bold: bool) -> TextStyle {
        TextStyle { bold, ..self }
    }

    pub(crate) fn coloured(self, colour: &'static str) -> TextStyle {
        TextStyle { colour, ..self }
    }

    pub(crate) fn width_of(self, text: &str) -> f64 {
        text::width(text, self.size, self.bold)
    }

    pub(crate) fn clip(self, text: &str, limit: f64) -> String {
        text::clip_middle(text, limit, self.size, self.bold)
    }

    pub(crate) fn clip_end(self, text: &str, limit: f64) -> String {
        text::clip_end(text, limit, self.size, self.bold)
    }
}

/// A chart being drawn.
pub(crate) struct Svg {
    width: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64) -> Svg {
        Svg { width, body: String::new() }
    }

    /// The finished document, `height` pixels high. `description` is read out by screen readers.
    ///
    /// `<svg xmlns=` must come first: JupyterLab looks for it to decide whether it has to repair the document.
    pub(crate) fn finish(self, height: f64, description: &str) -> String {
        let (width, height) = (coordinate(self.width), coordinate(height.ceil()));
        let description = text::escape(&text::clean_tooltip(description));
        let panel = format!(
            "<rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{}\" stroke=\"{}\"/>\n",
            coordinate(self.width - 1.0),
            coordinate(height.parse::<f64>().unwrap_or(1.0) - 1.0),
            theme::PANEL_RADIUS,
            theme::PANEL,
            theme::PANEL_BORDER,
        );
        let body = panel + &self.body;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{description}\" direction=\"ltr\" \
             class=\"hb-chart\" font-family=\"{font}\" style=\"max-width:100%;height:auto\">\n{style}{body}</svg>",
            font = theme::FONT_FAMILY,
            style = theme::style_sheet(&body),
        )
    }

    /// Draws one line of text with its baseline at `y`.
    pub(crate) fn text(&mut self, x: f64, y: f64, line: &str, style: TextStyle) {
        self.text_with(x, y, line, style, "", None);
    }

    /// Draws text that shows `tooltip` on hover: the full name of a clipped label.
    pub(crate) fn text_with_tooltip(&mut self, x: f64, y: f64, line: &str, style: TextStyle, tooltip: &str) {
        self.text_with(x, y, line, style, "", Some(tooltip));
    }

    /// Draws text that stays readable above lines: the panel's colour runs around its letters.
    pub(crate) fn text_with_halo(&mut self, x: f64, y: f64, line: &str, style: TextStyle, tooltip: &str) {
        let halo = format!(" stroke=\"{}\" stroke-width=\"3\" paint-order=\"stroke\"", theme::PANEL);
        self.text_with(x, y, line, style, &halo, Some(tooltip));
    }

    /// Draws text that runs upwards along `x`.
    pub(crate) fn text_upwards(&mut self, x: f64, y: f64, line: &str, style: TextStyle) {
        let turn = format!(" transform=\"rotate(-90 {} {})\"", coordinate(x), coordinate(y));
        self.text_with(x, y, line, style, &turn, None);
    }

    /// Draws text that slants down to the right from `x`, for labels too long to stand side by side.
    pub(crate) fn text_slanted(&mut self, x: f64, y: f64, line: &str, style: TextStyle, tooltip: &str) {
        let turn = format!(" transform=\"rotate(-40 {} {})\"", coordinate(x), coordinate(y));
        self.text_with(x, y, line, style, &turn, Some(tooltip));
    }

    fn text_with(&mut self, x: f64, y: f64, line: &str, style: TextStyle, attributes: &str, tooltip: Option<&str>) {
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        self.line(format_args!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{anchor}{weight}{attributes}>{}{}</text>",
            coordinate(x),
            coordinate(y),
            style.size,
            style.colour,
            tooltip.map(title).unwrap_or_default(),
            text::escape(line),
        ));
    }

    /// Draws a rectangle; `attributes` is trusted markup such as `fill="#fff"`.
    pub(crate) fn rect(&mut self, corner: (f64, f64), size: (f64, f64), attributes: &str, tooltip: Option<&str>) {
        self.line(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {attributes}>{}</rect>",
            coordinate(corner.0),
            coordinate(corner.1),
            coordinate(size.0.max(0.0)),
            coordinate(size.1.max(0.0)),
            tooltip.map(title).unwrap_or_default(),
        ));
    }

    pub(crate) fn circle(&mut self, (x, y): (f64, f64), radius: f64, attributes: &str, tooltip: Option<&str>) {
        self.line(format_args!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {attributes}>{}</circle>",
            coordinate(x),
            coordinate(y),
            coordinate(radius),
            tooltip.map(title).unwrap_or_default(),
        ));
    }

    /// Whatever is drawn until [`Svg::end_window`] is cut off outside this rectangle.
    pub(crate) fn begin_window(&mut self, corner: (f64, f64), size: (f64, f64)) {
        let [x, y, width, height] = [corner.0, corner.1, size.0, size.1].map(coordinate);
        self.line(format_args!(
            "<svg x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" viewBox=\"{x} {y} {width} {height}\">"
        ));
    }

    pub(crate) fn end_window(&mut self) {
        self.line(format_args!("</svg>"));
    }

    /// Draws a path; `data` and `attributes` are trusted markup.
    pub(crate) fn path(&mut self, data: &str, attributes: &str, tooltip: Option<&str>) {
        self.line(format_args!("<path d=\"{data}\" {attributes}>{}</path>", tooltip.map(title).unwrap_or_default(),));
    }

    pub(crate) fn straight_line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        self.line(format_args!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" {attributes}/>",
            coordinate(from.0),
            coordinate(from.1),
            coordinate(to.0),
            coordinate(to.1),
        ));
    }

    fn line(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.body, "{markup}");
    }
}

/// A panel that says why there is nothing to see.
pub(crate) fn no_data(width: f64, chart_title: &str, caption: &[String]) -> String {
    let mut svg = Svg::new(width);
    let inside = width - 2.0 * theme::PADDING;
    let mut y = draw_title(&mut svg, chart_title, inside);
    y += 40.0;
    let style = TextStyle::HEADER.coloured(theme::TEXT_MUTED).anchored(Anchor::Middle);
    svg.text(width / 2.0, y, "no data", style);
    y = draw_caption(&mut svg, caption, y + 32.0, inside);
    svg.finish(y + theme::PADDING / 2.0, &format!("{chart_title}: no data"))
}

/// Lines a title may take.
const TITLE_LINES: usize = 2;

/// Draws the title, if there is one, and returns the y below it.
pub(crate) fn draw_title(svg: &mut Svg, chart_title: &str, inside: f64) -> f64 {
    if chart_title.trim().is_empty() {
        return theme::PADDING;
    }
    let style = TextStyle::TITLE;
    let full = text::clean_line(chart_title);
    let mut lines = text::wrap(&full, inside, style.size, style.bold);
    if lines.len() > TITLE_LINES {
        let rest = lines.split_off(TITLE_LINES - 1).join(" ");
        lines.push(style.clip(&rest, inside));
    }
    let mut baseline = theme::PADDING - 4.0;
    for line in lines {
        baseline += style.size + 4.0;
        svg.text_with_tooltip(theme::PADDING, baseline, &line, style, &full);
    }
    baseline + 12.0
}

/// Draws the caption's sentences, wrapped, the first baseline at `y`; returns the baseline after the last.
pub(crate) fn draw_caption(svg: &mut Svg, sentences: &[String], mut y: f64, inside: f64) -> f64 {
    for line in text::wrap(&sentences.join(" "), inside, theme::LABEL_SIZE, false) {
        svg.text(theme::PADDING, y, &line, TextStyle::MUTED);
        y += theme::LABEL_LINE;
    }
    y
}

/// The caption below a drawing that ends at `y`, if there is one; returns the height of the whole.
pub(crate) fn draw_last(svg: &mut Svg, sentences: &[String], y: f64, inside: f64) -> f64 {
    if sentences.is_empty() {
        return y + theme::PADDING / 2.0;
    }
    draw_caption(svg, sentences, y + 18.0, inside) + theme::PADDING / 2.0 - 4.0
}

fn title(tooltip: &str) -> String {
    format!("<title>{}</title>", text::escape(&text::clean_tooltip(tooltip)))
}

/// Two decimals are finer than any screen; not-a-number must never reach the markup.
pub(crate) fn coordinate(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let fixed = format!("{value:.2}");
    let trimmed = fixed.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}
