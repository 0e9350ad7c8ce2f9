use huntbook_engine::Display;

use crate::{MagicError, NAMES};

pub(crate) fn help(topic: &str) -> Result<Vec<Display>, MagicError> {
    let Some(text) = text(topic) else {
        let list = NAMES.map(|name| format!("%{name}")).join(" ");
        return Err(MagicError::usage(format!("no help on `{topic}`; there is help on: {list}")));
    };
    Ok(vec![Display::new([("text/plain", text.to_owned())])])
}

/// What there is to say about a magic; nothing is the overview.
pub(crate) fn text(topic: &str) -> Option<&'static str> {
    Some(match topic {
        "" => OVERVIEW,
        "kql" => KQL,
        "blob" => BLOB,
        "la_write" => LA_WRITE,
        "workspace" => "%workspace    the local workspace: its folder, tables and columns",
        "frames" => "%frames    named frames and their sizes",
        "use" => USE,
        "help" => "%help [MAGIC]    this text, or a magic's own",
        _ => return None,
    })
}

const OVERVIEW: &str = "\
Cells are Rust or magics; magic lines and Rust lines mix in one cell.

%kql [NAME <<] QUERY        a KQL query over the workspace and named frames
%%kql [NAME <<]             the same over a whole cell
%blob ls|read LOCATION      files: list, read into a frame
%la_write FRAME TABLE       append a frame's rows to a custom table (TABLE_CL)
%workspace  %frames         what there is to query
%use polars                 full polars in Rust cells (slower cells)
%help MAGIC                 more on one of them

In Rust cells a frame that a query named is a variable: `hits.filter(col(\"score\").gt(1.0)).head(5)`.";

const KQL: &str = "\
%kql [NAME <<] [--limit N] [--viz KIND [name=value ...]] QUERY     one line
%%kql [NAME <<] [--limit N] [--viz KIND [name=value ...]]          the query is the rest of the cell; blank lines belong to it
QUERY

NAME << keeps the rows as a frame, for later queries and for Rust cells; they are not shown.
--limit N shows N rows (50); a `;` at the end shows none. ${x} is the value of a Rust variable, as a literal.
`| render KIND` at the end of the query draws its rows; --viz KIND draws them as any kind of render, or as
timeline, processtree, sankey, matrix, entitygraph, calendar or histogram.

%kql SecurityEvent | where EventID == 5140 | summarize count() by Account | top 5 by count_
%kql shares << SecurityEvent | distinct Account, ShareName
%kql shares | count
%kql SecurityEvent | summarize count() by bin(TimeGenerated, 1h) | render timechart
%kql --viz timeline group=Computer SecurityEvent | where EventID == 4688";

const BLOB: &str = "\
%blob ls LOCATION [--recursive]
%blob [NAME <<] read LOCATION [--format csv|tsv|jsonl|parquet]

LOCATION is a path relative to the notebook or a file:// location; a folder reads all its data files.
CSV and TSV have a header line. A file that cannot be read to its end fails the cell.

%blob events << read file://exports/security_events.jsonl";

const LA_WRITE: &str = "\
%la_write FRAME TABLE

Appends the rows of a frame, or of a Rust variable that holds one, to the custom table TABLE_CL of the
local workspace. TimeGenerated is added when the frame has none. Nothing is written when a column does not fit.

%la_write top AnomalousResourceAccessResult";

const USE: &str = "\
%use polars

Adds the polars bridge to Rust cells: `hits.polars()?` gives a polars DataFrame, `from_polars(df)?` a frame.
polars is built once per machine (minutes), and every later cell of this kernel takes seconds to compile:
frames of the engine need none of it.";
