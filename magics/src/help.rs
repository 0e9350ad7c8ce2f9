use huntbook_engine::Display;

use crate::complete::option_table;
use crate::{MagicError, NAMES};

pub(crate) fn help(topic: &str) -> Result<Vec<Display>, MagicError> {
    let Some(text) = text(topic) else {
        let list = NAMES.map(|name| format!("%{name}")).join(" ");
        return Err(MagicError::usage(format!("no help on `{topic}`; there is help on: {list}")));
    };
    Ok(vec![Display::new([("text/plain", text)])])
}

/// What there is to say about a magic; nothing is the overview.
pub(crate) fn text(topic: &str) -> Option<String> {
    let about = match topic {
        "" => OVERVIEW,
        "kql" => KQL,
        "connect" => CONNECT,
        "blob" => BLOB,
        "la_write" => LA_WRITE,
        "workspace" => "%workspace    the local workspace: its folder, tables and columns",
        "frames" => "%frames    named frames and their sizes",
        "use" => USE,
        "help" => "%help [MAGIC]    this text, or a magic's own",
        _ => return None,
    };
    Some(match option_table(topic) {
        Some(table) => format!("{about}\n\nOptions:\n{}", table.help()),
        None => about.to_owned(),
    })
}

const OVERVIEW: &str = "\
Cells are Rust or magics; magic lines and Rust lines mix in one cell.

%kql [NAME <<] QUERY        a KQL query over the workspace and named frames
%%kql [NAME <<]             the same over a whole cell
%connect [NAME]             Log Analytics, Azure Data Explorer and other places to query
%blob ls|read LOCATION      files: list, read into a frame
%la_write FRAME TABLE       append a frame's rows to a custom table (TABLE_CL)
%workspace  %frames         what there is to query
%use polars                 full polars in Rust cells (slower cells)
%help MAGIC                 more on one of them

In Rust cells a frame that a query named is a variable: `hits.filter(col(\"score\").gt(1.0)).head(5)`.";

const KQL: &str = "\
%kql [CONNECTION] [NAME <<] [OPTIONS] QUERY     one line
%%kql [CONNECTION] [NAME <<] [OPTIONS]          the query is the rest of the cell; blank lines belong to it
QUERY

CONNECTION is a connection string, NAME@loganalytics, DATABASE@CLUSTER or @NAME; without it the query goes to the
current connection (`%connect`), at first the local workspace. NAME << keeps the rows as a frame, for later queries and
for Rust cells; they are not shown. A `;` at the end shows nothing. `_` is the result before this one.
${x} and `let y = x;` take the value of a Rust variable, as a typed literal.

%kql SecurityEvent | where EventID == 5140 | summarize count() by Account | top 5 by count_
%kql shares << SecurityEvent | distinct Account, ShareName
%kql shares | count
%kql --conn prod --last 7d SigninLogs | where ResultType != 0
%kql Samples@help StormEvents | count
%kql --run WindowsSecurity.list_host_processes --last 1d host_name=srv1";

const CONNECT: &str = "\
%connect                      the connections that there are
%connect NAME                 a connection of huntbook.toml, msticpyconfig.yaml or config.json
%connect CONNECTION STRING    loganalytics://workspace='ID';tenant='T'   kusto://cluster='C';database='D'
%connect local                back to the local workspace

Asks the service once, says which credential was accepted, and reads the schema for completion.
Queries without a connection of their own go there from then on.";

const BLOB: &str = "\
%blob ls LOCATION [--recursive]
%blob [NAME <<] read LOCATION [--format csv|tsv|jsonl|parquet]

LOCATION is a path relative to the notebook or a file:// location; a folder reads all its data files.
CSV and TSV have a header line. A file that cannot be read to its end fails the cell.

%blob events << read file://exports/security_events.jsonl";

const LA_WRITE: &str = "\
%la_write FRAME TABLE [OPTIONS]

Appends the rows of a frame, or of a Rust variable that holds one, to the custom table TABLE_CL: of the local workspace,
or with --conn or --dcr of Log Analytics (Logs Ingestion API). TimeGenerated is added when the frame has none. Nothing
is written when a column does not fit. A service is written to only with --yes; without it, what would be written is said.

%la_write top AnomalousResourceAccessResult
%la_write top AnomalousResourceAccessResult --conn prod --dry-run
%la_write top AnomalousResourceAccessResult --dce https://... --dcr dcr-... --stream Custom-Hits_CL --yes";

const USE: &str = "\
%use polars

Adds the polars bridge to Rust cells: `hits.polars()?` gives a polars DataFrame, `from_polars(df)?` a frame.
polars is built once per machine (minutes), and every later cell of this kernel takes seconds to compile:
frames of the engine need none of it.";
