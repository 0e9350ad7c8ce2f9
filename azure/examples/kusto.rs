//! Runs a query on a Kusto cluster and prints its tables as JSON lines, one per row.
//!
//! `cargo run -p huntbook-azure --example kusto -- http://127.0.0.1:31415 memory "print 1"`
//!
//! An address on this machine is asked without a token; any other with the token of the first credential that works.

use std::error::Error;
use std::process::ExitCode;

use huntbook_azure::cloud::Cloud;
use huntbook_azure::credential::{TokenSource, default_chain};
use huntbook_azure::http::{Auth, Endpoint, Transport, TransportOptions, Trust};
use huntbook_azure::kusto::{Kusto, Query};
use huntbook_azure::table::Values;
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    match ask() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn ask() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, query] = arguments.as_slice() else {
        return Err("usage: kusto ADDRESS DATABASE QUERY".into());
    };
    let endpoint = Endpoint::parse(address, Trust::Config)?;
    let auth = if endpoint.is_loopback() {
        Auth::Anonymous
    } else {
        Auth::Token(TokenSource::new(default_chain(Cloud::Public, None, &|name| std::env::var(name).ok())?))
    };
    let cluster = Kusto::new(Transport::new(TransportOptions::default())?, endpoint, auth, None);
    let asked = Query::new(query.as_str());
    let command = query.trim_start().starts_with('.');
    let reply = huntbook_azure::run(&|| false, async {
        if command { cluster.mgmt(database, query).await } else { cluster.query(database, &asked).await }
    })?;
    for table in reply.answer.results() {
        for row in 0..table.rows {
            let cells: Map<String, Value> =
                table.columns.iter().map(|column| (column.name.clone(), cell(&column.values, row))).collect();
            println!("{}", Value::Object(cells));
        }
    }
    eprintln!("{} bytes from {} in {:?}, request {}", reply.bytes, reply.host, reply.elapsed, reply.request_id);
    Ok(())
}

/// Times are shown as ticks of 100 ns, dynamic values and decimals as text.
fn cell(values: &Values, row: usize) -> Value {
    match values {
        Values::Bool(values) => json!(values[row]),
        Values::Int(values) => json!(values[row]),
        Values::Long(values) | Values::DateTime(values) | Values::TimeSpan(values) => json!(values[row]),
        Values::Real(values) => json!(values[row]),
        Values::Decimal(texts) | Values::String(texts) | Values::Guid(texts) | Values::Dynamic(texts) => {
            json!(texts.get(row))
        }
    }
}
