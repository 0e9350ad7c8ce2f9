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
%blob ls|read|write|...     files and Azure blobs: list, copy, read into frames, write
%la_write FRAME TABLE       append a frame's rows to a custom table (TABLE_CL)
%workspace  %frames         what there is to query
%use polars                 full polars in Rust cells (slower cells)
%help MAGIC                 more on one of them

In Rust cells a frame that a query named is a variable: `hits.filter(col(\"score\").gt(1.0)).head(5)`.";

const KQL: &str = "\
%kql [NAME <<] [--limit N] QUERY     one line
%%kql [NAME <<] [--limit N]          the query is the rest of the cell; blank lines belong to it
QUERY

NAME << keeps the rows as a frame, for later queries and for Rust cells; they are not shown.
--limit N shows N rows (50); a `;` at the end shows none. ${x} is the value of a Rust variable, as a literal.

%kql SecurityEvent | where EventID == 5140 | summarize count() by Account | top 5 by count_
%kql shares << SecurityEvent | distinct Account, ShareName
%kql shares | count";

const BLOB: &str = "\
%blob ls [LOCATION] [--long] [--recursive] [--glob PATTERN]
%blob [NAME <<] read LOCATION... [--columns A,B] [--where KQL] [--format csv|tsv|jsonl|parquet]
      [--schema 'A:int, B:datetime' | --table T] [--no-header] [--bad-lines error|skip|quarantine]
      [--memory 2GB] [--cache]
%blob [NAME <<] read [LOCATION] --export TABLE --from TIME [--to TIME] [--workspace ID]
%blob write FRAME LOCATION [--format F] [--partition-by A,B | --export TABLE --workspace ID] [--overwrite]
%blob get LOCATION FILE [--overwrite]     %blob put FILE LOCATION [--overwrite]
%blob rm LOCATION [--recursive] --yes     %blob make az://CONTAINER
%blob cat LOCATION                        %blob head LOCATION [-n 10]

LOCATION is a path relative to the notebook, file://PATH, az://CONTAINER/PATH, blob://STORE/PATH,
abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH or https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH[?SAS].
A folder means all files in it; `*` and `?` match within a folder, `**` across folders.
Who asks: --store NAME (of huntbook.toml), --connection env:NAME|file:PATH|keyvault://VAULT/NAME, --anonymous; else
AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or Entra.
JSON lines are filtered and cut to columns while they are read. Types are found from all values, or by --schema.
A file that cannot be read to its end fails the cell, and so does a line, unless --bad-lines says otherwise.
TIME is a moment (2026-11-20, 2026-11-20T06:00:00Z) or an age (7d, 12h).

%blob events << read file://exports/security_events.jsonl
%blob logons << read --export SecurityEvent --from 7d --where 'EventID == 4624' --columns TimeGenerated,Account,Computer
%blob write logons az://hunts/logons.parquet";

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
