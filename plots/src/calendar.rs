//! When things happen: by hour of the day, or by day of the year.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Weekday};

use crate::{
    ChartData, Picture, PlotError, number, pick, plain,
    svg::{self, Anchor, Svg, TextStyle, draw_last, draw_title},
    text, theme,
};

/// Longer spans are drawn by days, a year in a block.
const MOST_DAYS_BY_HOUR: i64 = 45;
const MOST_YEARS: usize = 10;
const CELL: f64 = 15.0;

/// How a calendar looks, and which columns it takes; those that are `None` are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct CalendarOptions {
    /// Shown above; empty for none.
    pub title: String,
    /// When something happened; chosen: `TimeGenerated`, `Timestamp`, ..., or the first datetime.
    pub time: Option<String>,
    /// What is added up; chosen: the only number, else each row counts 1.
    pub value: Option<String>,
    /// Pixels, brought into 320..=8000.
    pub width: u32,
}

impl Default for CalendarOptions {
    fn default() -> Self {
        CalendarOptions { title: String::new(), time: None, value: None, width: 900 }
    }
}

/// Draws sums by hour of each day (up to 45 days), or by day of each year. Hours and days are those of UTC.
///
/// # Errors
/// [`PlotError::Missing`] without a datetime; those of columns that are named.
pub fn calendar(data: &ChartData, options: &CalendarOptions) -> Result<Picture, PlotError> {
    let (time_column, times) = pick::time(data, options.time.as_deref(), "a calendar")?;
    let value = pick::value(data, options.value.as_deref(), &[time_column])?;
    let mut hours: BTreeMap<(NaiveDate, u32), f64> = BTreeMap::new();
    let mut left_out = 0;
    for (row, time) in times.iter().enumerate() {
        let value = value.map_or(1.0, |(_, values)| values[row]);
        match time.and_then(DateTime::from_timestamp_micros).filter(|_| value.is_finite()) {
            Some(time) => *hours.entry((time.date_naive(), time.hour())).or_default() += value,
            None => left_out += 1,
        }
    }
    let name = |column: usize| text::clean_line(&data.columns()[column].name);
    let mut notes = Vec::new();
    notes.extend((left_out > 0).then(|| format!("Not shown: {} without a time or value.", number::count(left_out))));
    let Some(((first, _), (last, _))) = hours.keys().next().copied().zip(hours.keys().next_back().copied()) else {
        let svg = svg::no_data(theme::usable_width(options.width), &options.title, &notes);
        return Ok(Picture { svg, text: format!("{}\nno data", text::clean_line(&options.title)) });
    };
    let what = value.map_or("rows".to_owned(), |(column, _)| name(column));
    let heading = format!("{what} by {} [UTC]", name(time_column));
    let calendar = Calendar { hours, first, last, heading, notes };
    let by_hour = (last - first).num_days() < MOST_DAYS_BY_HOUR;
    Ok(if by_hour { calendar.draw_hours(options) } else { calendar.draw_days(options) })
}

struct Calendar {
    hours: BTreeMap<(NaiveDate, u32), f64>,
    first: NaiveDate,
    last: NaiveDate,
    heading: String,
    notes: Vec<String>,
}

impl Calendar {
    /// A row for each day, a column for each hour.
    fn draw_hours(&self, options: &CalendarOptions) -> Picture {
        let width = theme::usable_width(options.width);
        let mut page = Page::begin(options, &self.heading);
        let left = theme::PADDING + 92.0;
        let cell = ((width - theme::PADDING - left - 4.0) / 24.0).min(34.0);
        let top = page.y + 18.0;
        let most = self.hours.values().map(|value| value.abs()).fold(0.0, f64::max);
        for hour in (0..24).step_by(if cell < 22.0 { 3 } else { 1 }) {
            let x = left + cell * (f64::from(hour) + 0.5);
            page.svg.text(x, top - 5.0, &format!("{hour:02}"), TextStyle::MUTED.anchored(Anchor::Middle));
        }
        let mut lines = Vec::new();
        for (row, day) in self.first.iter_days().take_while(|day| *day <= self.last).enumerate() {
            let y = top + (CELL + 2.0) * row as f64;
            let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
            let style = if is_weekend { TextStyle::MUTED } else { TextStyle::LABEL };
            let label = day.format("%a %Y-%m-%d").to_string();
            page.svg.text(left - 6.0, y + 12.0, &label, style.anchored(Anchor::End));
            let values: Vec<Option<f64>> = (0..24).map(|hour| self.hours.get(&(day, hour)).copied()).collect();
            for (hour, value) in values.iter().enumerate() {
                let at = (left + cell * hour as f64, y);
                page.cell(at, (cell - 1.5, CELL), *value, most, &format!("{label} {hour:02}:00"));
            }
            let peaks: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            let sum: f64 = values.iter().flatten().sum();
            lines.push(format!("{label}  {}  {}", plain::spark(&peaks, 0.0, most), number::short(sum)));
        }
        let bottom = top + (CELL + 2.0) * lines.len() as f64;
        lines.insert(0, format!("{}; each character is an hour", self.heading));
        page.end(bottom, options, &self.notes, lines)
    }

    /// A block for each year, a column for each week, a row for each day of it.
    fn draw_days(&self, options: &CalendarOptions) -> Picture {
        let mut days: BTreeMap<NaiveDate, f64> = BTreeMap::new();
        for ((day, _), value) in &self.hours {
            *days.entry(*day).or_default() += value;
        }
        let most = days.values().map(|value| value.abs()).fold(0.0, f64::max);
        let width = theme::usable_width(options.width);
        let mut page = Page::begin(options, &self.heading);
        let left = theme::PADDING + 44.0;
        let cell = ((width - theme::PADDING - left) / 53.5).min(CELL);
        let mut notes = self.notes.clone();
        let mut years: Vec<i32> = days.keys().map(Datelike::year).collect();
        years.dedup();
        if years.len() > MOST_YEARS {
            notes.push(format!("The last {MOST_YEARS} of {} years.", years.len()));
            years.drain(..years.len() - MOST_YEARS);
        }
        let mut lines = vec![format!("{}; each character is a week", self.heading)];
        let mut top = page.y;
        for year in years {
            let Some(new_year) = NaiveDate::from_ymd_opt(year, 1, 1) else { continue };
            page.svg.text(theme::PADDING, top + 11.0, &year.to_string(), TextStyle::HEADER);
            top += 18.0;
            let shift = new_year.weekday().num_days_from_monday();
            for (row, name) in [(0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun")] {
                let y = top + cell * f64::from(row) + cell * 0.5 + 4.0;
                page.svg.text(left - 6.0, y, name, TextStyle::MUTED.anchored(Anchor::End));
            }
            let mut weeks = vec![f64::NAN; 54];
            for day in new_year.iter_days().take_while(|day| day.year() == year) {
                let slot = day.ordinal0() + shift;
                let at = (left + cell * f64::from(slot / 7), top + cell * f64::from(slot % 7));
                let value = days.get(&day).copied();
                page.cell(at, (cell - 1.5, cell - 1.5), value, most, &day.format("%a %Y-%m-%d").to_string());
                if let Some(value) = value {
                    let week = &mut weeks[(slot / 7) as usize];
                    *week = if week.is_nan() { value } else { *week + value };
                }
                if day.day() == 1 {
                    let x = left + cell * f64::from(slot / 7 + u32::from(slot % 7 > 3));
                    page.svg.text(x, top - 4.0, &day.format("%b").to_string(), TextStyle::MUTED);
                }
            }
            let peak = weeks.iter().copied().fold(0.0, f64::max);
            lines.push(format!("{year}  {}", plain::spark(&weeks, 0.0, peak)));
            top += cell * 7.0 + 14.0;
        }
        page.end(top - 8.0, options, &notes, lines)
    }
}

/// A picture with its title and heading.
struct Page {
    svg: Svg,
    inside: f64,
    y: f64,
}

impl Page {
    fn begin(options: &CalendarOptions, heading: &str) -> Page {
        let width = theme::usable_width(options.width);
        let inside = width - 2.0 * theme::PADDING;
        let mut svg = Svg::new(width);
        let y = draw_title(&mut svg, &options.title, inside);
        svg.text(theme::PADDING, y + 10.0, &TextStyle::MUTED.clip(heading, inside), TextStyle::MUTED);
        Page { svg, inside, y: y + 22.0 }
    }

    fn cell(&mut self, corner: (f64, f64), size: (f64, f64), value: Option<f64>, most: f64, when: &str) {
        let Some(value) = value else {
            self.svg.rect(corner, size, &format!("fill=\"{}\" rx=\"2\"", theme::STRIPE), None);
            return;
        };
        let strength = if value == 0.0 { 0.0 } else { (value.abs() / most).sqrt() };
        let colour = if value < 0.0 { theme::ANOMALY } else { theme::HEAT };
        let opacity = 0.12 + 0.83 * strength;
        let fill = format!("class=\"hb-cell\" fill=\"{colour}\" fill-opacity=\"{opacity:.2}\" rx=\"2\"");
        self.svg.rect(corner, size, &fill, Some(&format!("{when}: {}", number::short(value))));
    }

    fn end(mut self, bottom: f64, options: &CalendarOptions, notes: &[String], mut lines: Vec<String>) -> Picture {
        let end = draw_last(&mut self.svg, notes, bottom, self.inside);
        lines.splice(0..0, (!options.title.trim().is_empty()).then(|| text::clean_line(&options.title)));
        lines.extend(notes.iter().cloned());
        let svg = self.svg.finish(end, &format!("{} calendar. {}", options.title, notes.join(" ")));
        Picture { svg, text: lines.join("\n") }
    }
}
