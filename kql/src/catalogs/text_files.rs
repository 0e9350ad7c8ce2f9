//! Text files as people have them: other encodings, byte order marks, lines that do not fit.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use polars::prelude::*;

/// How much of a file tells its encoding.
const BEGINNING: u64 = 4096;

/// Refuses UTF-16, which would be read as garbage. PowerShell 5 writes it with `>`.
pub(super) fn refuse_utf16(file: &Path) -> PolarsResult<()> {
    if is_packed(file) {
        return Ok(());
    }
    let mut beginning = Vec::new();
    std::fs::File::open(file)?.take(BEGINNING).read_to_end(&mut beginning)?;
    let header = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let what = if beginning.starts_with(b"\xFF\xFE") || beginning.starts_with(b"\xFE\xFF") {
        "this is UTF-16 text, as PowerShell 5 writes with `>`, and only UTF-8 is read"
    } else if header.contains(&0) {
        "its first line holds NUL bytes: this is UTF-16 text without a mark, or no text at all, and only UTF-8 is read"
    } else {
        return Ok(());
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    polars_bail!(
        ComputeError: "{what}. Convert it: `Get-Content {name} | Set-Content -Encoding utf8 utf8-{name}`, \
        or `iconv -f UTF-16 -t UTF-8 {name} > utf8-{name}`"
    )
}

fn is_packed(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "gz" || extension == "zst")
}

/// A line without the byte order mark that Windows programs put in front of UTF-8.
pub(super) fn unmarked(line: &str) -> &str {
    line.trim_start_matches('\u{feff}')
}

/// Nothing but space, or a byte order mark.
pub(super) fn is_blank(line: &str) -> bool {
    unmarked(line).trim().is_empty()
}

/// Lines as they are read.
type Lines = Box<dyn Iterator<Item = std::io::Result<String>>>;

/// The lines of a file, unpacked.
pub(super) fn lines(file: &Path) -> PolarsResult<Lines> {
    if is_packed(file) { unpacked(line_column(file)?) } else { plain(file) }
}

/// The first line that is not blank.
pub(super) fn first_line(file: &Path) -> PolarsResult<Option<String>> {
    // A packed file is not unpacked as a whole for one line.
    let mut lines = if is_packed(file) { unpacked(line_column(file)?.limit(100))? } else { plain(file)? };
    lines.find(|line| !line.as_ref().is_ok_and(|line| is_blank(line))).transpose().map_err(PolarsError::from)
}

fn plain(file: &Path) -> PolarsResult<Lines> {
    Ok(Box::new(BufReader::new(std::fs::File::open(file)?).lines()))
}

/// Lines of a packed file: polars unpacks.
fn unpacked(column: LazyFrame) -> PolarsResult<Lines> {
    let frame = column.collect()?;
    let texts = frame.columns()[0].str()?.clone();
    let texts: Vec<String> = texts.iter().map(|text| text.unwrap_or_default().to_string()).collect();
    Ok(Box::new(texts.into_iter().map(Ok)))
}

/// The file's lines as one column. A line of JSON holds no control character, so that none can separate.
pub(super) fn line_column(file: &Path) -> PolarsResult<LazyFrame> {
    let one: Schema = [(PlSmallStr::from_static("line"), DataType::String)].into_iter().collect();
    LazyCsvReader::new(PlRefPath::try_from_path(file)?)
        .with_has_header(false)
        .with_separator(1)
        .with_quote_char(None)
        .with_schema(Some(Arc::new(one)))
        .finish()
}

/// Says which line has more fields than the header, where polars only says that one has. Other problems are passed on.
pub(super) fn with_line(problem: PolarsError, file: &Path, separator: u8) -> PolarsError {
    if !problem.to_string().contains("found more fields than defined") {
        return problem;
    }
    let (character, named) = if separator == b'\t' { ('\t', "tabs") } else { (',', "commas") };
    let where_it_is = match lines(file).ok().and_then(|lines| ragged(lines.map_while(Result::ok), character)) {
        Some(Ragged { line, fields, expected }) => {
            format!("line {line} has {fields} fields, the header has {expected}")
        }
        None => "a line has more fields than the header".to_string(),
    };
    polars_err!(
        ComputeError: "{where_it_is}. Put double quotes around fields that hold {named}, or mend the line or the header"
    )
}

/// A line with more fields than the header has.
#[derive(Debug, PartialEq)]
struct Ragged {
    /// Where the row begins, from 1
    line: usize,
    fields: usize,
    expected: usize,
}

/// The first row with more fields than the header. Rows may hold line ends between quotes.
fn ragged(lines: impl Iterator<Item = String>, separator: char) -> Option<Ragged> {
    let mut expected = None;
    let (mut begin, mut fields, mut is_quoted) = (0, 1, false);
    for (at, line) in lines.enumerate() {
        if !is_quoted {
            if line.is_empty() {
                continue;
            }
            (begin, fields) = (at + 1, 1);
        }
        for character in line.chars() {
            if character == '"' {
                is_quoted = !is_quoted;
            } else if character == separator && !is_quoted {
                fields += 1;
            }
        }
        if is_quoted {
            continue;
        }
        match expected {
            None => expected = Some(fields),
            Some(expected) if fields > expected => return Some(Ragged { line: begin, fields, expected }),
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_with_too_many_fields_is_found() {
        let found = |text: &str| ragged(text.lines().map(ToString::to_string), ',');
        assert_eq!(found("a,b\n1,\"x,y\"\n\n2\n3,4\n"), None);
        assert_eq!(found("a,b\n1,2\n\n3,4,5\n"), Some(Ragged { line: 4, fields: 3, expected: 2 }));
        // The row begins on line 2 and ends on line 4.
        assert_eq!(found("a,b\n1,\"x\ny\nz\",9\n"), Some(Ragged { line: 2, fields: 3, expected: 2 }));
    }
}
