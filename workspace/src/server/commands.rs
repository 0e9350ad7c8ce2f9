//! The text of management commands: `.show tables`, `.create-merge table T (a: string)`, ...

use crate::ColumnType;

/// A command that the server knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    ShowDatabases,
    ShowTables {
        details: bool,
    },
    ShowTableSchema {
        table: String,
        json: bool,
    },
    /// Of one database, or of all
    ShowSchema {
        database: Option<String>,
        json: bool,
    },
    ShowVersion,
    ShowFunctions,
    ShowCluster,
    /// `merge`: a table that is there gets the columns it lacks; otherwise it must not be there.
    CreateTable {
        table: String,
        columns: Vec<(String, ColumnType)>,
        merge: bool,
    },
    DropTable {
        table: String,
        if_exists: bool,
    },
    /// Lines of CSV
    IngestInline {
        table: String,
        data: String,
    },
}

impl Command {
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Command::CreateTable { .. } | Command::DropTable { .. } | Command::IngestInline { .. })
    }
}

/// A word of a command, and where it stands.
#[derive(Clone, Debug, PartialEq)]
struct Word<'a> {
    text: &'a str,
    at: usize,
    /// Of a quoted or bracketed name, which is never a keyword
    quoted: bool,
}

/// What is not understood: the word and its place in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Misread {
    pub(crate) token: String,
    pub(crate) at: usize,
}

/// Reads a command.
pub(crate) fn parse(text: &str) -> Result<Command, Misread> {
    let (command, data) = match text.split_once("<|") {
        Some((command, data)) => (command, Some(data)),
        None => (text, None),
    };
    let words = words(command)?;
    let mut rest = Rest { words: &words, end: command.len() };
    let command = rest.command(data)?;
    match rest.words.iter().find(|word| word.text != ";") {
        None => Ok(command),
        Some(extra) => Err(Misread { token: extra.text.to_owned(), at: extra.at }),
    }
}

fn words(text: &str) -> Result<Vec<Word<'_>>, Misread> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let begin = at;
        let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '$');
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if text[at..].starts_with("//") {
            at += text[at..].find('\n').unwrap_or(text.len() - at);
        } else if is_word(first) {
            at += text[at..].find(|character| !is_word(character)).unwrap_or(text.len() - at);
            words.push(Word { text: &text[begin..at], at: begin, quoted: false });
        } else if matches!(first, '\'' | '"' | '[') {
            let (name, length) = quoted(&text[at..]).ok_or_else(|| Misread { token: first.to_string(), at })?;
            at += length;
            words.push(Word { text: name, at: begin, quoted: true });
        } else {
            at += first.len_utf8();
            words.push(Word { text: &text[begin..at], at: begin, quoted: false });
        }
    }
    Ok(words)
}

/// `'name'`, `"name"`, `['name']`, `["name"]`, `[name]`: the name and the length of all.
fn quoted(text: &str) -> Option<(&str, usize)> {
    let bracketed = text.strip_prefix('[');
    let inner = bracketed.unwrap_or(text);
    let start = text.len() - inner.len();
    let quote = inner.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let (name, length) = match quote {
        Some(quote) => {
            let end = inner[1..].find(quote)?;
            (&inner[1..1 + end], start + end + 2)
        }
        None => {
            let end = inner.find(']')?;
            (inner[..end].trim(), start + end)
        }
    };
    match bracketed {
        Some(_) => text[length..].trim_start().strip_prefix(']').map(|rest| (name, text.len() - rest.len())),
        None => Some((name, length)),
    }
}

struct Rest<'a> {
    words: &'a [Word<'a>],
    end: usize,
}

impl<'a> Rest<'a> {
    fn command(&mut self, data: Option<&str>) -> Result<Command, Misread> {
        if self.takes(".show") {
            return self.show();
        }
        if self.takes(".create-merge") || (self.sees(".create") && self.after(1, "merge")) {
            if self.takes(".create") {
                self.takes("merge");
            }
            return self.create(true);
        }
        if self.takes(".create") {
            return self.create(false);
        }
        if self.takes(".drop") {
            self.expect("table")?;
            let table = self.name()?;
            return Ok(Command::DropTable { table, if_exists: self.takes("ifexists") });
        }
        if self.takes(".ingest") {
            self.expect("inline")?;
            self.expect("into")?;
            self.expect("table")?;
            let table = self.name()?;
            self.properties()?;
            let data = data.ok_or_else(|| self.unexpected())?.to_owned();
            return Ok(Command::IngestInline { table, data });
        }
        Err(self.unexpected())
    }

    fn show(&mut self) -> Result<Command, Misread> {
        if self.takes("databases") {
            return Ok(Command::ShowDatabases);
        }
        if self.takes("tables") {
            return Ok(Command::ShowTables { details: self.takes("details") });
        }
        if self.takes("table") {
            let table = self.name()?;
            if self.takes("cslschema") {
                return Ok(Command::ShowTableSchema { table, json: false });
            }
            self.expect("schema")?;
            self.expect("as")?;
            self.expect("json")?;
            return Ok(Command::ShowTableSchema { table, json: true });
        }
        if self.takes("database") {
            let database = if self.sees("schema") { None } else { Some(self.name()?) };
            self.expect("schema")?;
            return Ok(Command::ShowSchema { database, json: self.as_json()? });
        }
        if self.takes("schema") {
            return Ok(Command::ShowSchema { database: None, json: self.as_json()? });
        }
        if self.takes("version") {
            return Ok(Command::ShowVersion);
        }
        if self.takes("functions") {
            return Ok(Command::ShowFunctions);
        }
        if self.takes("cluster") {
            return Ok(Command::ShowCluster);
        }
        Err(self.unexpected())
    }

    fn as_json(&mut self) -> Result<bool, Misread> {
        if !self.takes("as") {
            return Ok(false);
        }
        self.expect("json")?;
        Ok(true)
    }

    fn create(&mut self, merge: bool) -> Result<Command, Misread> {
        self.expect("table")?;
        let table = self.name()?;
        self.expect("(")?;
        let mut columns = Vec::new();
        while !self.takes(")") {
            if !columns.is_empty() {
                self.expect(",")?;
            }
            let name = self.name()?;
            self.expect(":")?;
            let kind = self.words.first().and_then(|word| column_type(word.text)).ok_or_else(|| self.unexpected())?;
            self.words = &self.words[1..];
            columns.push((name, kind));
        }
        self.properties()?;
        Ok(Command::CreateTable { table, columns, merge })
    }

    /// `with (...)`: accepted, and without effect on a local table.
    fn properties(&mut self) -> Result<(), Misread> {
        if self.takes("with") {
            self.expect("(")?;
            while !self.takes(")") {
                self.words = self.words.split_first().ok_or_else(|| self.unexpected())?.1;
            }
        }
        Ok(())
    }

    fn name(&mut self) -> Result<String, Misread> {
        let word = self.words.first().filter(|word| word.quoted || word.text.chars().any(char::is_alphanumeric));
        let name = word.ok_or_else(|| self.unexpected())?.text.to_owned();
        self.words = &self.words[1..];
        Ok(name)
    }

    fn sees(&self, word: &str) -> bool {
        self.after(0, word)
    }

    fn after(&self, ahead: usize, word: &str) -> bool {
        self.words.get(ahead).is_some_and(|next| !next.quoted && next.text.eq_ignore_ascii_case(word))
    }

    fn takes(&mut self, word: &str) -> bool {
        let here = self.sees(word);
        if here {
            self.words = &self.words[1..];
        }
        here
    }

    fn expect(&mut self, word: &str) -> Result<(), Misread> {
        if self.takes(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Misread {
        match self.words.first() {
            Some(word) => Misread { token: word.text.to_owned(), at: word.at },
            None => Misread { token: String::new(), at: self.end },
        }
    }
}

/// KQL's column types by any of their names.
pub(crate) fn column_type(name: &str) -> Option<ColumnType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "bool" | "boolean" => ColumnType::Bool,
        "int" => ColumnType::Int,
        "long" => ColumnType::Long,
        "real" | "double" => ColumnType::Real,
        "string" => ColumnType::String,
        "datetime" | "date" => ColumnType::Datetime,
        "timespan" | "time" => ColumnType::Timespan,
        "dynamic" => ColumnType::Dynamic,
        "guid" | "uuid" | "uniqueid" => ColumnType::Guid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_spelling() {
        let show = |table: &str, json| Command::ShowTableSchema { table: table.to_owned(), json };
        let schema = |database: Option<&str>, json| Command::ShowSchema { database: database.map(str::to_owned), json };
        let cases = [
            (".show databases", Command::ShowDatabases),
            ("\n// c\n.show   TABLES details;", Command::ShowTables { details: true }),
            (".show table ['A b'] cslschema", show("A b", false)),
            (".show table T schema as json", show("T", true)),
            (".show database ['hunt'] schema", schema(Some("hunt"), false)),
            (".show database [\"hunt\"] schema as json", schema(Some("hunt"), true)),
            (".show database schema", schema(None, false)),
            (".show schema as json", schema(None, true)),
            (".drop table T ifexists", Command::DropTable { table: "T".to_owned(), if_exists: true }),
            (
                ".create-merge table T (a: string, ['b']:long) with (folder='x')",
                Command::CreateTable {
                    table: "T".to_owned(),
                    columns: vec![("a".to_owned(), ColumnType::String), ("b".to_owned(), ColumnType::Long)],
                    merge: true,
                },
            ),
            (
                ".ingest inline into table T <| a,1\nb,2",
                Command::IngestInline { table: "T".to_owned(), data: " a,1\nb,2".to_owned() },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn others_are_refused_at_the_word() {
        let at = |text: &str| parse(text).map_err(|misread| (misread.token, misread.at));
        assert_eq!(at(".show me"), Err(("me".to_owned(), 6)));
        assert_eq!(at(".show tables now"), Err(("now".to_owned(), 13)));
        assert_eq!(at(".alter table T"), Err((".alter".to_owned(), 0)));
        assert_eq!(at(".create table T (a: strin)"), Err(("strin".to_owned(), 20)));
        assert_eq!(at(".show table"), Err((String::new(), 11)));
        assert!(parse(".show table ['T").is_err() && parse(".create table T (a:").is_err() && parse("é[").is_err());
    }
}
