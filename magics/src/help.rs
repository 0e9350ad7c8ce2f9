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
        "sentinel" => SENTINEL,
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
%sentinel ...               analytics rules, incidents, bookmarks, watchlists
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

const SENTINEL: &str = "\
%sentinel [NAME <<] rule test FILE|DIR [--at TIME | --from TIME --to TIME] [--record]
%sentinel rule show FILE
%sentinel rule new NAME --query \"...\" | --frame NAME [--severity S] [--frequency 1h] [--period 1d]
    [--tactic T]... [--technique T]... [--entity Account.Name=user]... [--detail Score=score]... [--alert-per-row]
    [--output FILE] [--force]
%%sentinel rule new NAME ...        the query is the rest of the cell
%sentinel rule deploy FILE [--yes]
%sentinel bookmark FRAME --title \"...\" [--notes N] [--label L]... [--query Q] [--incident N] [--yes]
%sentinel [NAME <<] incident list [--status New|Active|Closed] [--top N]
%sentinel incident show N
%sentinel incident update N [--status S] [--severity S] [--owner O] [--label L]... [--title T] [--yes]
%sentinel incident comment N \"text\" [--yes]
%sentinel incident close N --classification TruePositive|BenignPositive|FalsePositive|Undetermined
    [--reason R] [--comment \"text\"] [--yes]
%sentinel [NAME <<] watchlist list
%sentinel [NAME <<] watchlist get ALIAS
%sentinel watchlist put ALIAS FRAME [--key COLUMN] [--title T] [--yes]

What changes something only says what it would change, until --yes. Without times a rule is tested over all rows that its
tables have. --record writes alerts and incidents to SecurityAlert and SecurityIncident. In titles, {{Column}} is the row's
value.

%sentinel rule new \"Rare share access\" --frame hits --entity Account.Name=user --tactic Discovery
%sentinel rule test RareShareAccess.yaml --record
%sentinel incident close 1 --classification TruePositive --comment \"confirmed with the owner\" --yes
%sentinel watchlist put vip people --key user --yes";

const USE: &str = "\
%use polars

Adds the polars bridge to Rust cells: `hits.polars()?` gives a polars DataFrame, `from_polars(df)?` a frame.
polars is built once per machine (minutes), and every later cell of this kernel takes seconds to compile:
frames of the engine need none of it.";
