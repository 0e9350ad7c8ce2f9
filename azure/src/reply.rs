//! An answer to a query, with where it is from.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::decode::{DecodeError, Partial, decode};
use crate::error::Error;
use crate::fault::Fault;
use crate::http;
use crate::table::Answer;

/// A decoded answer and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub answer: Answer,
    pub host: String,
    /// What the service calls the request: support asks for it.
    pub request_id: String,
    /// Bytes of the answer, after decompression.
    pub bytes: usize,
    pub elapsed: Duration,
    /// How often the query was sent.
    pub attempts: u32,
}

/// A table that a service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    pub name: String,
    /// Names and KQL types.
    pub columns: Vec<(String, String)>,
}

/// Checks and decodes the answer to a query.
pub(crate) async fn read(reply: http::Reply, partial: Partial, start: Instant, asked_id: &str) -> Result<Reply, Error> {
    let reply = reply.success()?;
    let answer = if reply.status == 204 {
        nothing()
    } else {
        reply.expect_json()?;
        decoded(reply.body.clone(), partial).await.map_err(|error| Error::Decode { host: reply.host.clone(), error })?
    };
    Ok(Reply {
        answer,
        request_id: reply.request_id().unwrap_or_else(|| asked_id.to_owned()),
        bytes: reply.body.len(),
        elapsed: start.elapsed(),
        attempts: reply.attempts,
        host: reply.host,
    })
}

/// What Log Analytics has to say about a workspace that has no data yet.
fn nothing() -> Answer {
    let warning =
        Fault { is_warning: true, ..Fault::new("NoContent", "the service has no data there yet: the answer is empty") };
    Answer { tables: Vec::new(), render: None, statistics: None, partial: Vec::new(), warnings: vec![warning] }
}

/// Decodes beside the network's thread, and stops when nobody waits any more.
async fn decoded(body: Bytes, partial: Partial) -> Result<Answer, DecodeError> {
    let (waiting, gone) = tokio::sync::watch::channel(());
    let stop = move || gone.has_changed().is_err();
    let work = tokio::task::spawn_blocking(move || decode(&body, partial, &stop));
    let answer = work.await.map_err(|error| DecodeError::Shape(format!("reading it crashed: {error}")))?;
    drop(waiting);
    answer
}
