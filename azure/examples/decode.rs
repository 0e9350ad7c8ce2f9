//! Decodes a file with an answer of Log Analytics or Kusto, several times, and prints what it found and the seconds of
//! each time as JSON. `benches/decode/run.py` sets it beside azure-monitor-query.
//!
//! `cargo run -p huntbook-azure --example decode -- ANSWER.json [ROUNDS]`

use std::error::Error;
use std::time::Instant;

use huntbook_azure::decode::{Partial, decode};
use huntbook_azure::table::Values;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: decode ANSWER.json [ROUNDS]")?;
    let rounds: usize = arguments.next().map_or(Ok(3), |rounds| rounds.parse())?;
    let body = std::fs::read(file)?;
    let mut seconds = Vec::new();
    let mut found = json!(null);
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        let answer = decode(&body, Partial::Refuse, &|| false)?;
        seconds.push(start.elapsed().as_secs_f64());
        let table = answer.results().next().ok_or("there is no result in the answer")?;
        // The sum of the longs and the length of the texts are what the other side computes too.
        let mut longs: i128 = 0;
        let mut letters = 0;
        for column in &table.columns {
            match &column.values {
                Values::Long(values) => longs += values.iter().flatten().map(|value| i128::from(*value)).sum::<i128>(),
                Values::String(texts) => {
                    letters += texts.iter().flatten().map(|text| text.chars().count()).sum::<usize>()
                }
                _ => {}
            }
        }
        found =
            json!({"rows": table.rows, "columns": table.columns.len(), "longs": longs.to_string(), "letters": letters});
    }
    println!("{}", json!({"seconds": seconds, "found": found, "bytes": body.len()}));
    Ok(())
}
