//! `%vars` and `%who`: what the session holds.

use huntbook_engine::{Display, table};

use super::{Session, is_frame};
use crate::output::{CellError, Output};
use crate::redaction;

/// Types whose values are short enough to be shown, as evcxr writes them.
const SCALARS: [&str; 18] = [
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f32",
    "f64",
    "bool",
    "char",
    "String",
    "&'static str",
];
/// Types that tell how much they hold.
const COLLECTIONS: [&str; 6] = ["Vec", "HashMap", "BTreeMap", "HashSet", "BTreeSet", "VecDeque"];

/// Characters of a value that are shown.
const LONGEST: usize = 60;

/// What a table has in a row: name, type, and value or size.
type Row = [String; 3];

impl Session {
    pub(super) fn show_variables(&self) -> Result<(), CellError> {
        let variables: Vec<(String, String)> = self.state().variables.clone().into_iter().collect();
        let values = self.values_of(&variables);
        let known = |name: &str| values.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
        let rust: Vec<Row> = variables
            .iter()
            .map(|(name, type_name)| [name.clone(), type_name.clone(), known(name).unwrap_or_default()])
            .collect();
        let frames: Vec<Row> = self
            .engine
            .names()
            .into_iter()
            .map(|(name, rows, columns)| {
                let bytes = self.engine.frame(&name).map_or(0, |frame| frame.estimated_size());
                [name, format!("{rows} rows × {columns} columns"), size(bytes)]
            })
            .collect();
        self.hub.emit(Output::Display(display(&rust, &frames)));
        Ok(())
    }

    pub(super) fn show_names(&self) -> Result<(), CellError> {
        let rust: Vec<String> = self.state().variables.keys().cloned().collect();
        let frames: Vec<String> = self.engine.names().into_iter().map(|(name, _, _)| name).collect();
        let line = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        self.show(format!("Rust variables: {}\nframes: {}", line(rust), line(frames)));
        Ok(())
    }

    /// Values of scalars and lengths of collections, asked of the cell process. What cannot be had is left out: the
    /// table is still of use.
    fn values_of(&self, variables: &[(String, String)]) -> Vec<(String, String)> {
        let asked: Vec<(String, String)> =
            variables.iter().filter_map(|(name, type_name)| Some((name.clone(), question(name, type_name)?))).collect();
        if asked.is_empty() {
            return Vec::new();
        }
        let list: Vec<String> = asked.iter().map(|(_, code)| code.clone()).collect();
        let told = self.hidden(format!("huntbook::rt::tell_values(&[{}]);", list.join(", ")));
        let values = self.engine.take_values();
        match told {
            Ok(()) => asked.into_iter().map(|(name, _)| name).zip(values.into_iter().map(brief)).collect(),
            Err(error) => {
                tracing::debug!("values of variables: {}", error.value);
                Vec::new()
            }
        }
    }
}

/// A secret that is cut short would be known no more: it is hidden before.
fn brief(value: String) -> String {
    let value = redaction::text(value);
    if value.chars().count() <= LONGEST {
        return value;
    }
    value.chars().take(LONGEST).chain(['…']).collect()
}

/// Rust whose value is the text to show.
fn question(name: &str, type_name: &str) -> Option<String> {
    let short = type_name.rsplit("::").next().filter(|_| !type_name.contains('<')).unwrap_or(type_name);
    if SCALARS.contains(&short) || type_name == "&str" {
        return Some(format!("huntbook::rt::brief(&{name})"));
    }
    let outer = type_name.split('<').next().unwrap_or_default();
    let outer = outer.rsplit("::").next().unwrap_or_default();
    (COLLECTIONS.contains(&outer) && !is_frame(type_name)).then(|| format!("huntbook::rt::items({name}.len())"))
}

fn display(rust: &[Row], frames: &[Row]) -> Display {
    let mut text = String::new();
    let mut html = String::new();
    for (title, heads, rows) in
        [("Rust variables", ["variable", "type", "value"], rust), ("Frames", ["frame", "shape", "memory"], frames)]
    {
        if rows.is_empty() {
            continue;
        }
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(heads[column].chars().count())
        };
        let widths = [width(0), width(1)];
        let mut line = |cells: [&str; 3]| {
            let [first, second, third] = cells;
            let line = format!("{first:<0$}  {second:<1$}  {third}", widths[0], widths[1]);
            text.push_str(line.trim_end());
            text.push('\n');
        };
        line(heads);
        html.push_str(&format!("<table><caption>{title}</caption><tr>"));
        heads.iter().for_each(|head| html.push_str(&format!("<th style=\"text-align:left\">{head}</th>")));
        html.push_str("</tr>");
        for row in rows {
            line([&row[0], &row[1], &row[2]]);
            html.push_str("<tr>");
            for cell in row {
                html.push_str(&format!("<td style=\"text-align:left\">{}</td>", table::escape(cell)));
            }
            html.push_str("</tr>");
        }
        html.push_str("</table>");
        text.push('\n');
    }
    if text.is_empty() {
        return Display::new([("text/plain", "no variables and no frames yet".to_owned())]);
    }
    Display::new([("text/html", html), ("text/plain", text.trim_end().to_owned())])
}

/// Bytes, as people say them.
fn size(bytes: usize) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let (mut size, mut unit) = (bytes as f64 / 1000.0, 0);
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.*} {}", usize::from(size < 9.95), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_and_collections_are_asked_for() {
        assert_eq!(question("n", "i32").unwrap(), "huntbook::rt::brief(&n)");
        assert!(question("s", "std::string::String").is_some() && question("s", "&str").is_some());
        assert_eq!(question("v", "Vec<Vec<i32>>").unwrap(), "huntbook::rt::items(v.len())");
        assert!(question("m", "std::collections::HashMap<String, i32>").unwrap().contains("items"));
        assert_eq!(question("f", "huntbook::Frame"), None);
        assert_eq!(question("o", "Option<i32>"), None);
    }

    #[test]
    fn types_and_values_are_only_text() {
        let row = ["a", "Vec<i32>", "\"<script>\""].map(str::to_owned);
        let shown = display(&[row], &[]);
        let html = shown.data["text/html"].as_str().unwrap();
        assert!(html.contains("Vec&lt;i32&gt;") && !html.contains("<script>") && !html.contains("Frames"), "{html}");
        assert_eq!(shown.data["text/plain"], "variable  type      value\na         Vec<i32>  \"<script>\"");
    }

    #[test]
    fn sizes_are_short() {
        let shown = [12, 1234, 45_600, 999_900, 7_100_000, 3_000_000_000].map(size);
        assert_eq!(shown, ["12 bytes", "1.2 KB", "46 KB", "1.0 MB", "7.1 MB", "3.0 GB"]);
    }
}
