//! The documents around the rows. All three dialects name the same things, with capitals of their own.

use serde_json::{Map, Value};

use super::cells::Dynamics;
use super::cursor::Cursor;
use super::rows::{self, Layout};
use super::{DecodeError, Stop};
use crate::fault::Fault;
use crate::table::{Answer, Column, ColumnType, Render, Table, TableKind, Values};

pub(super) fn read(text: &str, stop: Stop<'_>) -> Result<Answer, DecodeError> {
    let mut reader = Reader::new(text, stop);
    match reader.cursor.peek() {
        None => return Err(DecodeError::Empty),
        Some(b'[') => reader.frames()?,
        Some(b'{') => reader.document()?,
        Some(_) => return Err(reader.cursor.wrong("`{` or `[` is expected")),
    }
    if reader.cursor.peek().is_some() {
        return Err(reader.cursor.wrong("something follows the answer"));
    }
    Ok(reader.answer)
}

struct Reader<'a> {
    text: &'a str,
    cursor: Cursor<'a>,
    stop: Stop<'a>,
    answer: Answer,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, stop: Stop<'a>) -> Self {
        let answer =
            Answer { tables: Vec::new(), render: None, statistics: None, partial: Vec::new(), warnings: Vec::new() };
        Self { text, cursor: Cursor::new(text, 0), stop, answer }
    }

    /// Log Analytics, or Kusto v1: `{"tables": [..], ..}`.
    fn document(&mut self) -> Result<(), DecodeError> {
        let mut has_tables = false;
        let mut kusto = false;
        let mut error = None;
        self.cursor.expect(b'{')?;
        let mut more = !self.cursor.takes(b'}');
        while more {
            match self.cursor.name()?.as_str() {
                name @ ("tables" | "Tables") => {
                    has_tables = true;
                    kusto = name == "Tables";
                    self.tables()?;
                }
                "statistics" => self.answer.statistics = Some(self.json()?),
                "render" => self.answer.render = self.json()?.as_object().and_then(render),
                "error" => error = self.json()?.as_object().map(Fault::from_error),
                "Exceptions" => {
                    let exceptions = self.json()?;
                    let texts = exceptions.as_array().into_iter().flatten();
                    self.answer.partial.extend(texts.map(exception));
                }
                _ => drop(self.cursor.skip()?),
            }
            more = self.cursor.more(b'}')?;
        }
        match error {
            Some(error) if !has_tables => return Err(DecodeError::Failed(Box::new(error))),
            Some(error) if error.is_warning => self.answer.warnings.push(error),
            Some(error) => self.answer.partial.push(error),
            None if !has_tables => return Err(DecodeError::Shape("it has no member `tables`".to_owned())),
            None => {}
        }
        if kusto {
            self.sort_v1_tables();
        }
        Ok(())
    }

    fn tables(&mut self) -> Result<(), DecodeError> {
        self.cursor.expect(b'[')?;
        let mut more = !self.cursor.takes(b']');
        while more {
            self.cursor.expect(b'{')?;
            let frame = self.frame(Dynamics::InStrings)?;
            let table = frame.table(TableKind::Primary)?;
            self.answer.tables.push(table);
            more = self.cursor.more(b']')?;
        }
        Ok(())
    }

    /// Kusto v2: an array of frames, closed by one that says whether all went well.
    fn frames(&mut self) -> Result<(), DecodeError> {
        let mut completed = false;
        self.cursor.expect(b'[')?;
        let mut more = !self.cursor.takes(b']');
        while more {
            self.cursor.expect(b'{')?;
            let mut frame = self.frame(Dynamics::Native)?;
            match frame.text("FrameType") {
                "DataSetHeader" => {}
                "DataTable" => {
                    let primary = frame.text("TableKind") == "PrimaryResult";
                    let table = frame.table(if primary { TableKind::Primary } else { TableKind::Secondary })?;
                    self.look_into_secondary(&table);
                    self.answer.tables.push(table);
                }
                "DataSetCompletion" => {
                    completed = true;
                    self.completion(&mut frame);
                }
                other => {
                    return Err(DecodeError::Shape(format!(
                        "a frame of type `{other}`: set results_progressive_enabled to false"
                    )));
                }
            }
            more = self.cursor.more(b']')?;
        }
        if completed { Ok(()) } else { Err(DecodeError::Shape("its last frame is missing".to_owned())) }
    }

    fn completion(&mut self, frame: &mut Frame) {
        let errors = frame.members.get("OneApiErrors").and_then(Value::as_array).into_iter().flatten();
        let faults: Vec<Fault> = errors.filter_map(Fault::from_json).collect();
        let is = |name: &str| frame.members.get(name).and_then(Value::as_bool) == Some(true);
        // The same faults stand among the rows, where they were met first.
        for fault in faults {
            self.note_partial(fault);
        }
        if self.answer.partial.is_empty() && is("HasErrors") {
            self.answer.partial.push(Fault::new("HasErrors", "the service says that the query met errors"));
        }
        if is("Cancelled") {
            self.note_partial(Fault::new("Cancelled", "the service cancelled the query"));
        }
    }

    fn note_partial(&mut self, fault: Fault) {
        if !self.answer.partial.iter().any(|known| (&known.code, &known.message) == (&fault.code, &fault.message)) {
            self.answer.partial.push(fault);
        }
    }

    /// One object with a table in it: the opening brace has been read.
    fn frame(&mut self, dynamics: Dynamics) -> Result<Frame, DecodeError> {
        let mut frame = Frame::default();
        let mut early_rows = None;
        let mut more = !self.cursor.takes(b'}');
        while more {
            match self.cursor.name()?.as_str() {
                "columns" | "Columns" => frame.columns = Some(columns(&self.json()?)?),
                "rows" | "Rows" if frame.columns.is_none() => {
                    self.cursor.space();
                    early_rows = Some(self.cursor.at);
                    self.cursor.skip()?;
                }
                "rows" | "Rows" => {
                    let mut cursor = self.cursor;
                    self.rows(&mut frame, &mut cursor, dynamics)?;
                    self.cursor = cursor;
                }
                name => drop(frame.members.insert(name.to_owned(), self.json()?)),
            }
            more = self.cursor.more(b'}')?;
        }
        if let Some(at) = early_rows {
            self.rows(&mut frame, &mut Cursor::new(self.text, at), dynamics)?;
        }
        Ok(frame)
    }

    fn rows(&mut self, frame: &mut Frame, cursor: &mut Cursor<'a>, dynamics: Dynamics) -> Result<(), DecodeError> {
        let columns = frame.columns.as_deref().unwrap_or_default();
        let name = frame.name();
        let layout = Layout { table: name, columns, dynamics };
        cursor.expect(b'[')?;
        let read = rows::read(self.text, cursor, &layout, self.stop)?;
        frame.rows = Some((read.columns, read.rows));
        for error in read.errors {
            let value: Value = serde_json::from_str(error)
                .map_err(|_| DecodeError::Shape("an object among the rows is not JSON".to_owned()))?;
            self.errors_among_rows(&value);
        }
        Ok(())
    }

    /// `{"OneApiErrors": [..]}` in v2, `{"Exceptions": [..]}` in v1.
    fn errors_among_rows(&mut self, value: &Value) {
        let before = self.answer.partial.len();
        let listed = |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
        let faults: Vec<Fault> =
            listed("OneApiErrors").filter_map(Fault::from_json).chain(listed("Exceptions").map(exception)).collect();
        for fault in faults {
            self.note_partial(fault);
        }
        if before == self.answer.partial.len() && before == 0 {
            self.answer.partial.push(Fault::new("", "the service put an error among the rows"));
        }
    }

    /// Kusto v1 has no kinds: with three tables or more, the last one says what the others are.
    fn sort_v1_tables(&mut self) {
        let tables = &mut self.answer.tables;
        if tables.len() < 3 {
            // A query has one result, and perhaps its properties; a management command has one.
            if let [_, second] = tables.as_mut_slice()
                && second.columns.len() == 1
                && second.columns[0].name == "Value"
            {
                second.kind = TableKind::Secondary;
            }
        } else if let Some(contents) = tables.last()
            && let (Some(kinds), Some(Values::Long(ordinals))) =
                (contents.texts("Kind"), contents.column("Ordinal").map(|column| &column.values))
        {
            let secondary: Vec<usize> = ordinals
                .iter()
                .zip(kinds.iter())
                .filter(|(_, kind)| *kind != Some("QueryResult"))
                .filter_map(|(ordinal, _)| usize::try_from((*ordinal)?).ok())
                .collect();
            let last = tables.len() - 1;
            for index in secondary.into_iter().chain([last]) {
                if let Some(table) = tables.get_mut(index) {
                    table.kind = TableKind::Secondary;
                }
            }
        }
        let secondary: Vec<Table> =
            self.answer.tables.iter().filter(|table| table.kind == TableKind::Secondary).cloned().collect();
        for table in &secondary {
            self.look_into_secondary(table);
        }
    }

    /// `render` stands in the query's properties, errors and warnings in its status.
    fn look_into_secondary(&mut self, table: &Table) {
        if table.kind == TableKind::Primary {
            return;
        }
        for value in table.texts("Value").iter().flat_map(|values| values.iter()).flatten() {
            if let Ok(Value::Object(properties)) = serde_json::from_str(value)
                && properties.contains_key("Visualization")
            {
                self.answer.render = render(&properties);
            }
        }
        let level = table.column("Level").or_else(|| table.column("Severity")).map(|column| &column.values);
        let said = table.texts("Payload").or_else(|| table.texts("StatusDescription"));
        if let (Some(said), Some(level)) = (said, level) {
            for row in 0..table.rows {
                let level = match level {
                    Values::Int(values) => values[row].map(i64::from),
                    Values::Long(values) => values[row],
                    _ => None,
                };
                // 0 to 2 are errors, 3 a warning, 4 and above are information.
                let Some(level @ 0..=3) = level else { continue };
                let fault = Fault { is_warning: level == 3, ..status(said.get(row).unwrap_or_default()) };
                if fault.is_warning { self.answer.warnings.push(fault) } else { self.note_partial(fault) }
            }
        }
    }

    fn json(&mut self) -> Result<Value, DecodeError> {
        let text = self.cursor.skip()?;
        let at = self.cursor.at - text.len();
        serde_json::from_str(text).map_err(|error| DecodeError::NotJson { at, what: error.to_string() })
    }
}

/// What one object of an answer says.
#[derive(Default)]
struct Frame {
    members: Map<String, Value>,
    columns: Option<Vec<(String, ColumnType)>>,
    rows: Option<(Vec<Values>, usize)>,
}

impl Frame {
    fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn name(&self) -> &str {
        if self.members.contains_key("name") { self.text("name") } else { self.text("TableName") }
    }

    fn table(self, kind: TableKind) -> Result<Table, DecodeError> {
        let name = self.name().to_owned();
        let (Some(columns), Some((values, rows))) = (self.columns, self.rows) else {
            return Err(DecodeError::Shape(format!("the table `{name}` has no columns or no rows")));
        };
        let columns = columns.into_iter().zip(values).map(|((name, _), values)| Column { name, values }).collect();
        Ok(Table { name, kind, columns, rows })
    }
}

fn columns(value: &Value) -> Result<Vec<(String, ColumnType)>, DecodeError> {
    let shape = || DecodeError::Shape("the columns of a table are not a list of names and types".to_owned());
    let columns = value.as_array().ok_or_else(shape)?;
    columns
        .iter()
        .map(|column| {
            let text = |names: &[&str]| names.iter().find_map(|name| column.get(name)?.as_str());
            let name = text(&["name", "ColumnName"]).ok_or_else(shape)?;
            let kind = text(&["type", "ColumnType", "DataType"]).unwrap_or("string");
            match ColumnType::from_name(kind) {
                Some(kind) => Ok((name.to_owned(), kind)),
                None => Err(DecodeError::Shape(format!("the column `{name}` is of the unknown type `{kind}`"))),
            }
        })
        .collect()
}

/// `{"visualization": "barchart", ..}`, or the same with capitals. `None` if the query did not ask to be drawn.
fn render(object: &Map<String, Value>) -> Option<Render> {
    let mut properties: Map<String, Value> = object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let mut letters = name.chars();
            let first = letters.next().map(|first| first.to_ascii_lowercase());
            (first.into_iter().chain(letters).collect(), value.clone())
        })
        .collect();
    let visualization = properties.remove("visualization")?.as_str()?.to_owned();
    Some(Render { visualization, properties })
}

/// Kusto v1 lists what went wrong as texts.
fn exception(value: &Value) -> Fault {
    match value {
        Value::String(text) => Fault::new("", text.as_str()),
        other => Fault::from_json(other).unwrap_or_else(|| Fault::new("", other.to_string())),
    }
}

/// A row of the query's status: a sentence, or JSON with `Text` or an error in it.
fn status(text: &str) -> Fault {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Fault::new("", text) };
    Fault::from_json(&value)
        .or_else(|| value.get("Text").and_then(Value::as_str).map(|text| Fault::new("", text)))
        .unwrap_or_else(|| Fault::new("", text))
}
