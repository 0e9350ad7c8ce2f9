//! Runs self-contained queries: `{"id", "query"}` lines in, result lines out.
//!
//! `kql_jsonl --check SCHEMAS.json` checks them against schemas instead of running them.

use std::io::{stdin, stdout};

use huntbook_kql::{Engine, SchemaCatalog, batch, catalogs::Frames};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let unread = match arguments.as_slice() {
        [] => batch::run_jsonl(stdin().lock(), stdout().lock(), &Engine::new(Frames::new()))?,
        [flag, schemas] if flag == "--check" => {
            let catalog = SchemaCatalog::from_json(&std::fs::read_to_string(schemas)?)?;
            batch::check_jsonl(stdin().lock(), stdout().lock(), &Engine::new(catalog))?
        }
        _ => return Err("usage: kql_jsonl [--check SCHEMAS.json] < queries.jsonl".into()),
    };
    match unread {
        0 => Ok(()),
        _ => Err(format!("{unread} lines were no queries").into()),
    }
}
