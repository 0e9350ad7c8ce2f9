//! The options of `%kql`: ours, and what Kqlmagic's notebooks bring along.

use crate::options::{Ignored, Spec, Table, Takes};

const fn spec(name: &'static str, aliases: &'static [&'static str], takes: Takes, help: &'static str) -> Spec {
    Spec { name, aliases, takes, help }
}

pub(crate) const TABLE: Table = Table { magic: "%kql", specs: &SPECS, ignored: &IGNORED, properties: true };

const SPECS: [Spec; 33] = [
    spec("conn", &["c", "connection"], Takes::Connection, "where to ask, for this query; alone: the connections"),
    spec("connect", &[], Takes::Value("NAME"), "as `%connect NAME`"),
    spec("from", &[], Takes::Value("TIME"), "rows from this time on: 2026-01-31, 2026-01-31T08:00Z, -3d"),
    spec("to", &[], Takes::Value("TIME"), "rows before this time (now)"),
    spec("last", &[], Takes::Value("SPAN"), "rows of the last 7d, 12h, PT30M"),
    spec("time-column", &[], Takes::Value("COLUMN"), "the column these times mean (TimeGenerated)"),
    spec(
        "across",
        &[],
        Takes::Value("NAMES"),
        "the same query on several connections or workspaces, a,b; adds `_workspace`",
    ),
    spec("partial", &[], Takes::OneOf(&["error", "warn", "ok"]), "what an answer without all rows is (error)"),
    spec(
        "split",
        &[],
        Takes::Value("auto|off|SPAN"),
        "slices of time for answers too large for one (auto); SPAN adds `_slice`",
    ),
    spec("parallel", &[], Takes::Value("N"), "slices or workspaces asked at a time (4, 5 at the most)"),
    spec(
        "cache",
        &["cache_create", "cache_append", "cache_create_or_append"],
        Takes::Value("NAME"),
        "keep the answer, and take a kept one that is young enough",
    ),
    spec("ttl", &[], Takes::Value("SPAN"), "how old a kept answer may be (1h)"),
    spec("replay", &["use_cache"], Takes::Value("NAME"), "only kept answers: nothing is asked"),
    spec("cache-list", &[], Takes::Nothing, "answers that are kept; NAME is a table of local queries"),
    spec("cache-remove", &[], Takes::Value("NAME"), "remove the answers kept under NAME"),
    spec("query", &[], Takes::Value("VARIABLE"), "the query is the text of a Rust variable"),
    spec("file", &[], Takes::Value("PATH"), "the query is a file, relative to the notebook"),
    spec("run", &[], Takes::Value("NAME"), "a query of a YAML file (msticpy, Sentinel rule), by name or path"),
    spec("list", &[], Takes::Nothing, "queries that --run knows; words narrow the list"),
    spec(
        "p",
        &["param"],
        Takes::Value("NAME=VALUE"),
        "a typed value for ${NAME}, a declared parameter or a hole of --run",
    ),
    spec("params_dict", &["params"], Takes::Value("JSON|VARIABLE"), "values for ${...} and `let x = name;`, as JSON"),
    spec("query_properties", &[], Takes::Value("JSON"), "request properties, as `+name value`"),
    spec("limit", &["dl", "display_limit"], Takes::Value("N"), "rows shown (50)"),
    spec("auto_limit", &["al"], Takes::Value("N"), "rows kept"),
    spec("timeout", &["wait"], Takes::Value("SECONDS"), "how long the service may work"),
    spec("show_query", &["sq"], Takes::Nothing, "also show the query as it is sent"),
    spec("print", &[], Takes::Nothing, "only show the query as it would be sent"),
    spec("dry-run", &[], Takes::Nothing, "only check the query, with the local parser and the schema that is known"),
    spec("schema", &[], Takes::Nothing, "tables and columns of the connection; words narrow the list"),
    spec("assign_var", &["av"], Takes::Value("NAME"), "keep the rows as a frame and show them too"),
    spec("version", &[], Takes::Nothing, "the version of huntbook"),
    spec("auto_dataframe", &["ad"], Takes::Nothing, "a result is always a frame"),
    spec("nop", &[], Takes::Nothing, "nothing"),
];

const fn ignored(names: &'static [&'static str], takes_value: bool, why: &'static str) -> Ignored {
    Ignored { names, takes_value, why }
}

const ONE_TABLE: &str = "there is one table view";
const ONE_THEME: &str = "charts have one theme";
const NO_WINDOWS: &str = "results stand in the notebook";
const SIGN_IN: &str = "write the way to sign in into the connection (`credential`)";

pub(crate) const IGNORED: [Ignored; 15] = [
    ignored(&["table_package", "tp", "prettytable_style", "ptst"], true, ONE_TABLE),
    ignored(&["json_display", "jd", "schema_json_display", "sjd", "dynamic_to_dataframe", "dtd"], true, ONE_TABLE),
    ignored(&["plot_package", "pp", "plotly_layout", "pl", "plotly_config"], true, ONE_THEME),
    ignored(&["palette_name", "pn", "palette_colors", "pc", "palette_desaturation", "pd"], true, ONE_THEME),
    ignored(&["palette_reverse", "pr", "plotly_fs_includejs", "pfi", "palette", "palettes"], false, ONE_THEME),
    ignored(&["popup_window", "pw", "popup_schema", "ps", "auto_popup_schema", "aps"], false, NO_WINDOWS),
    ignored(&["popup_interaction", "pi"], true, NO_WINDOWS),
    ignored(&["display_id", "did", "enable_suppress_result", "esr"], false, "each run shows its own output"),
    ignored(&["feedback", "f", "show_query_time", "sqt"], false, "the provenance line is always there"),
    ignored(
        &["show_conn_info", "sci", "last_raw_result_var", "var", "cursor_var", "cv"],
        true,
        "the provenance line is always there",
    ),
    ignored(
        &["show_query_link", "sql", "short_errors", "se", "validate_connection_string", "vc"],
        false,
        "errors and connections always say what they can",
    ),
    ignored(&["query_link_destination", "qld", "cloud"], true, "it belongs to the connection"),
    ignored(
        &[
            "try_token",
            "try_msi",
            "try_azcli_login_subscription",
            "code_auth_interactive_mode",
            "caim",
            "device_code_login_notification",
            "dcln",
            "device_code_notification_email",
            "dcne",
        ],
        true,
        SIGN_IN,
    ),
    ignored(
        &[
            "try_azcli_login",
            "try_azcli_login_by_profile",
            "try_vscode_login",
            "enable_sso",
            "auth_token_warnings",
            "atw",
            "banner",
            "bug_report",
        ],
        false,
        SIGN_IN,
    ),
    ignored(
        &[
            "request_id_tag",
            "idtag",
            "request_app_tag",
            "apptag",
            "request_user_tag",
            "usertag",
            "request_user_agent_tag",
            "uatag",
            "request_cache_max_age",
            "maxage",
            "save_as",
            "save_to",
            "config",
        ],
        true,
        "requests carry our own name, and `--cache` keeps answers",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_option() {
        let page = include_str!("../../../docs/kql_magic.md");
        for spec in &SPECS {
            let spellings = [format!("`--{}", spec.name), format!("`-{}", spec.name)];
            assert!(spellings.iter().any(|spelling| page.contains(spelling)), "{}", spec.name);
        }
    }

    #[test]
    fn no_spelling_means_two_things() {
        let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
        let mut seen = std::collections::BTreeSet::new();
        let own = SPECS.iter().flat_map(|spec| [spec.name].into_iter().chain(spec.aliases.iter().copied()));
        for name in own.chain(IGNORED.iter().flat_map(|ignored| ignored.names.iter().copied())) {
            assert!(seen.insert(plain(name)), "{name} is there twice");
        }
    }
}
