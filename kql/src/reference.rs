//! What the engine supports, as a page. It is written from the tables that the engine itself uses,
//! so it cannot promise more than runs.

use std::{collections::BTreeSet, fmt::Write};

use crate::{functions, functions::signatures, parser, plan};

/// The page `docs/kql.md`.
pub fn reference() -> String {
    let mut page = String::from(
        "# KQL in huntbook\n\n\
         Written by the engine (`HUNTBOOK_WRITE_DOCS=1 cargo test --test reference`); do not edit.\n\n\
         The parser reads the whole language. What is listed as *checked only* binds in `huntbook kql --check` and is\n\
         refused by name, with line and column, before a query runs.\n",
    );
    let checked_only: BTreeSet<&str> =
        parser::refused_operators().chain(plan::CHECKED_ONLY_OPERATORS.iter().copied()).collect();
    let operators: BTreeSet<&str> = parser::known_operators().filter(|name| !checked_only.contains(name)).collect();
    section(&mut page, "Operators", &operators, &checked_only);

    let sources: BTreeSet<&str> =
        ["datatable", "externaldata", "find", "print", "range", "search", "union"].into_iter().collect();
    section(&mut page, "Sources", &sources, &BTreeSet::new());

    let executed: BTreeSet<&str> = functions::names().chain(plan::special_functions()).collect();
    let known: BTreeSet<&str> = signatures::function_names().filter(|name| !executed.contains(name)).collect();
    section(&mut page, "Scalar functions", &executed, &known);

    let executed: BTreeSet<&str> = plan::executed_aggregates().collect();
    let known: BTreeSet<&str> = signatures::aggregate_names().filter(|name| !executed.contains(name)).collect();
    section(&mut page, "Aggregates", &executed, &known);

    let executed: BTreeSet<&str> = plan::executed_plugins().collect();
    let known: BTreeSet<&str> = plan::refused_plugins().collect();
    section(&mut page, "Plug-ins of `evaluate`", &executed, &known);
    page.push_str("\n## Where the documentation leaves room\n\n");
    for note in NOTES {
        let _ = writeln!(page, "- {note}");
    }
    page
}

/// What Kusto documents by example only, and what this engine makes of it.
const NOTES: &[&str] = &[
    "`dcount`, `hll`: exact counts, where Kusto estimates. `tdigest`: exact ranks.",
    "`series_decompose*`: as documented (median of each phase, average or line, the rest). Gaps (nulls) are left out and\n  never anomalies.",
    "`series_outliers`, anomalies with `ctukey`: the scores of Kusto's published example. High values are measured by the\n  quartiles of the series without its top, low values without its bottom.",
    "`series_periods_detect`, `series_periods_validate`: peaks of the spectrum, confirmed by the autocorrelation; the\n  published examples are reproduced, other scores may differ by some hundredths.",
    "`basket`: all frequent patterns, found exactly (Kusto samples). `autocluster`, `diffpatterns`: a search of our own for\n  the same kind of patterns; which ones are chosen may differ.",
    "`reduce`: Vaarandi's method, which Kusto names as its source; the choice of patterns may differ.",
    "`sequence_detect`: every combination of rows in order; a step is strictly later than the one before.",
    "`ingestion_time()`: the column `_TimeReceived`; null in a table without it.",
    "`geo_info_from_ip_address`: from a local file: `geo.mmdb` (MaxMind's GeoLite2 City) or `geo.csv` (lines of\n  `network,country,state,city,latitude,longitude`) in the workspace folder, or the file that `HUNTBOOK_GEO` names.",
    "`find` without `project`: the columns that all tables have, those that the condition names, and `pack_` with the rest.",
    "`facet`, `fork`: run where they give one table; several results are refused.",
    "`gzip_compress_to_base64_string` and its like: the bytes may differ from the service's, what they unpack to does not.",
];

fn section(page: &mut String, title: &str, executed: &BTreeSet<&str>, checked_only: &BTreeSet<&str>) {
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {title}\n\n{} run:\n\n{}\n", executed.len(), listed(executed));
    if !checked_only.is_empty() {
        let _ = write!(page, "\nChecked only ({}):\n\n{}\n", checked_only.len(), listed(checked_only));
    }
}

/// Names in code font, broken into lines of readable length.
fn listed(names: &BTreeSet<&str>) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for (at, name) in names.iter().enumerate() {
        let piece = name.len() + 4;
        if at > 0 {
            lines.push(',');
            if width + piece > 110 {
                lines.push('\n');
                width = 0;
            } else {
                lines.push(' ');
            }
        }
        let _ = write!(lines, "`{name}`");
        width += piece;
    }
    lines
}
