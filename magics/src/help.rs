use huntbook_engine::Display;

use crate::MagicError;
use crate::complete::option_table;

pub(crate) fn help(topic: &str) -> Result<Vec<Display>, MagicError> {
    let Some(text) = text(topic) else {
        let list = crate::list();
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
        "sentinel" => SENTINEL,
        "workspace" => "%workspace    the local workspace: its folder, tables and columns",
        "frames" => "%frames    named frames and their sizes",
        "use" => USE,
        "opt" => OPT,
        "vars" => "%vars    Rust variables with types, and the values of scalars; frames with rows, columns and bytes",
        "who" => "%who    names of Rust variables and frames",
        "time" => TIME,
        "env" => ENV,
        "restart" => RESTART,
        "load" => LOAD,
        "save" => SAVE,
        "sh" | "bash" | "!" => SHELL,
        "explain" => EXPLAIN,
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
%blob ls|read|write|...     files and Azure blobs: list, copy, read into frames, write
%la_write FRAME TABLE       append a frame's rows to a custom table (TABLE_CL)
%sentinel ...               analytics rules, incidents, bookmarks, watchlists
%workspace  %frames         what there is to query
%use polars                 full polars in Rust cells (slower cells)
%vars  %who                 variables and frames of this session; their names only
%time [-v] CODE  %%time     how long code takes; with -v, where the time goes
%explain [E0382]            the compiler's long explanation, of the last error or a code
!COMMAND  %%bash            a line, or a cell, for the shell
%load FILE  %save FILE      a file as a new cell; this session's cells as a file
%env [NAME[=VALUE]]         environment variables
%opt 0..3  %restart         optimisation of cells; a new process for Rust cells
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
`| render KIND` at the end of the query draws its rows; --viz KIND [name=value ...] draws them as any kind of render, or as
timeline, processtree, sankey, matrix, entitygraph, calendar or histogram.

%kql SecurityEvent | where EventID == 5140 | summarize count() by Account | top 5 by count_
%kql shares << SecurityEvent | distinct Account, ShareName
%kql shares | count
%kql SecurityEvent | summarize count() by bin(TimeGenerated, 1h) | render timechart
%kql --viz timeline group=Computer SecurityEvent | where EventID == 4688
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
%la_write FRAME TABLE [OPTIONS]

Appends the rows of a frame, or of a Rust variable that holds one, to the custom table TABLE_CL: of the local workspace,
or with --conn or --dcr of Log Analytics (Logs Ingestion API). TimeGenerated is added when the frame has none. Nothing
is written when a column does not fit. A service is written to only with --yes; without it, what would be written is said.

%la_write top AnomalousResourceAccessResult
%la_write top AnomalousResourceAccessResult --conn prod --dry-run
%la_write top AnomalousResourceAccessResult --dce https://... --dcr dcr-... --stream Custom-Hits_CL --yes";

const OPT: &str = "\
%opt [0|1|2|3]

How much the compiler optimises the cells that follow: 0 (the default) compiles fastest, 3 runs fastest. Crates
from `:dep` and the engine are always optimised: 3 is for loops of your own. Without a level, says which is set.

%opt 3";

const TIME: &str = "\
%time [-v] CODE     one line of Rust, or a magic
%%time [-v]         the rest of the cell

Says how long it took. -v says where: type inference (rust-analyzer), cargo, rustc, loading, running.

%time hits.height()
%time -v %kql SecurityEvent | count";

const ENV: &str = "\
%env                 all environment variables, secrets hidden
%env NAME            one of them
%env NAME=VALUE      sets it for the engine, for shell lines and for Rust cells

Values of variables whose names say that they are secret (KEY, TOKEN, SECRET, PASSWORD, ...) are not shown, and
hidden wherever a cell prints them. Names by which huntbook itself works (HUNTBOOK_*, EVCXR_*, RUSTC, RUSTFLAGS,
...) cannot be set. What is typed into a cell stays in the notebook: ask for a secret with `password(\"Key? \")?`.";

const RESTART: &str = "\
%restart

A new process for Rust cells: Rust variables are lost (they are named), functions, types and imports are kept, and so
are all frames of the engine.";

const LOAD: &str = "\
%load FILE

Puts the text of a file into a new cell below this one. A relative path begins at the notebook's folder.

%load queries/logons.rs";

const SAVE: &str = "\
%save FILE [CELLS] [--force]

Writes cells of this session, as they were run, into a text file that `%load` can read. CELLS are numbers and
ranges: `3 5-8 10-`; without any, all cells. A file that is there is left alone unless --force is given.

%save hunt.rs 3-8";

const SHELL: &str = "\
!COMMAND             one line for the shell
%sh COMMAND          the same
%%bash               the rest of the cell

Runs in the notebook's folder, with its output as it comes; nothing can be typed to it. An interrupt ends the command
and all that it started; what it leaves in the background ends with it. A status other than 0 fails the cell.
A `!` before a Rust variable, or before something called, stays Rust: `!is_empty`, `!names.is_empty()`.

!ls -l exports | head";

const EXPLAIN: &str = "\
%explain [CODE]

The compiler's own long explanation of an error code, with examples; without a code, of the last compile error.

%explain E0382";

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
