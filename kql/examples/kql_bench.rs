//! The huntbook side of `benches/kql/run.py`: reads `{"kql"}` lines and answers with the number of rows.
//!
//! `kql_bench FILE.parquet`: the file is the table SecurityEvent. With `"digest": true` the answer holds a
//! digest of the rows in any order, as `benches/kql/worker.py` makes it, so that the peers can be compared.

use std::io::{BufRead, Write, stdin, stdout};

use huntbook_kql::{Engine, KqlTable, KqlType, catalogs::Files};
use md5::{Digest, Md5};
use polars::prelude::*;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: kql_bench FILE.parquet < requests.jsonl")?;
    let engine = Engine::new(Files::new().with("SecurityEvent", path));
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let query = request["kql"].as_str().ok_or("a request without `kql`")?;
        if request["explain"] == true {
            eprintln!("{}", engine.explain(query)?);
        }
        let answer = match engine.run(query) {
            Err(error) => json!({"error": error.render(query)}),
            Ok(result) if request["digest"] == true => {
                json!({"rows": result.frame.height(), "digest": format!("{:016x}", digest(&result)?)})
            }
            Ok(result) => json!({"rows": result.frame.height()}),
        };
        let mut output = stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// Of the rows in any order: the sum of a hash of each.
fn digest(result: &KqlTable) -> PolarsResult<u64> {
    let mut total = 0u64;
    for row in 0..result.frame.height() {
        let cells = result.frame.columns().iter().zip(&result.schema).map(|(column, info)| {
            let value = column.get(row)?;
            Ok(match (value, info.kql_type) {
                (AnyValue::Datetime(at, TimeUnit::Microseconds, _), _) => at.to_string(),
                (AnyValue::String(text), KqlType::Dynamic) => sorted_items(text),
                (AnyValue::String(text), _) => text.to_string(),
                (other, _) => other.to_string(),
            })
        });
        let text = cells.collect::<PolarsResult<Vec<String>>>()?.join("\u{1f}");
        let hash = Md5::digest(text.as_bytes());
        total = total.wrapping_add(hash[..8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    Ok(total)
}

fn sorted_items(array: &str) -> String {
    let mut items: Vec<String> = serde_json::from_str(array).unwrap_or_default();
    items.sort();
    items.join(",")
}
