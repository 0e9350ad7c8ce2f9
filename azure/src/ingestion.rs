//! The Logs Ingestion API: rows into a table by way of a data collection rule (DCR).
//!
//! Source: "Logs Ingestion API in Azure Monitor" and "Azure Monitor service limits". A post is acknowledged with 204.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use uuid::Uuid;

use crate::cloud::Cloud;
use crate::error::{Error, TransportKind};
use crate::http::{Auth, Endpoint, Request, Retry, Transport, encoded};
use crate::upload::{self, Limits, Outcome, Sent};
pub use crate::upload::{NotWritten, UploadOptions, UploadReport};

const API_VERSION: &str = "2023-01-01";
/// The documented limit of 1 MB is for the post "compressed and uncompressed".
const LIMITS: Limits = Limits { post: 1_000_000, field: 64 * 1024 };
const PATIENCE: Duration = Duration::from_secs(120);

/// A data collection endpoint, or a rule's own ingestion endpoint.
#[derive(Debug, Clone)]
pub struct LogsIngestion {
    transport: Transport,
    endpoint: Endpoint,
    auth: Auth,
    scope: String,
}

/// Where rows go: the rule by its immutable id (`dcr-..`), and one of its streams (`Custom-Hits_CL`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    rule: String,
    stream: String,
}

impl Target {
    pub fn new(rule: &str, stream: &str) -> Result<Self, Error> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !rule.starts_with("dcr-") || !plain(rule) {
            return Err(Error::Config(format!(
                "`{rule}` is no immutable id of a data collection rule: that begins with dcr- and is in the rule's JSON view"
            )));
        }
        if !(stream.starts_with("Custom-") || stream.starts_with("Microsoft-")) || !plain(stream) {
            return Err(Error::Config(format!("`{stream}` is no stream: those begin with Custom- or Microsoft-")));
        }
        Ok(Self { rule: rule.to_owned(), stream: stream.to_owned() })
    }

    fn path(&self) -> String {
        let (rule, stream) = (encoded(&self.rule), encoded(&self.stream));
        format!("/dataCollectionRules/{rule}/streams/{stream}?api-version={API_VERSION}")
    }
}

impl LogsIngestion {
    pub fn new(transport: Transport, endpoint: Endpoint, cloud: Cloud, auth: Auth) -> Self {
        Self { transport, endpoint, auth, scope: cloud.ingestion_scope().to_owned() }
    }

    /// Uploads rows, each of which is the text of a JSON object.
    ///
    /// Never fails as a whole: the report says for every row what became of it. To interrupt, use
    /// [`UploadOptions::stop`]; if this future is dropped, the account is lost.
    pub async fn upload<I: Iterator<Item = String>>(
        &self,
        target: &Target,
        rows: impl IntoIterator<IntoIter = I>,
        options: &UploadOptions<'_>,
    ) -> UploadReport {
        upload::upload(rows, LIMITS, options, |json| self.post(target, json)).await
    }

    /// What [`upload`](Self::upload) would send: how many posts and bytes, rows that do not fit, fields that are cut.
    pub fn dry_run<I: Iterator<Item = String>>(rows: impl IntoIterator<IntoIter = I>) -> UploadReport {
        upload::dry_run(rows, LIMITS)
    }

    async fn post(&self, target: &Target, json: String) -> Sent {
        let body = match gzip(json.as_bytes()) {
            Ok(body) => body,
            Err(error) => return Sent { outcome: failed(error), wire_bytes: 0 },
        };
        let wire_bytes = body.len();
        let mut request = Request::new(Method::POST, &self.endpoint, target.path());
        request.headers.extend([
            ("content-type", "application/json".to_owned()),
            ("content-encoding", "gzip".to_owned()),
            ("x-ms-client-request-id", Uuid::new_v4().to_string()),
        ]);
        request.body = Some(body);
        (request.auth, request.scope) = (&self.auth, &self.scope);
        (request.retry, request.patience) = (Retry::Writes, PATIENCE);
        let outcome = match self.transport.send(request).await {
            Ok(reply) if reply.status == 204 => Outcome::Accepted { perhaps_twice: reply.in_doubt },
            Ok(reply) => refused(reply.refusal(), reply.in_doubt, &[]),
            Err(error) => failed(error),
        };
        Sent { outcome, wire_bytes }
    }
}

fn gzip(json: &[u8]) -> Result<Bytes, Error> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(json.len() / 4), Compression::fast());
    let packed = encoder.write_all(json).and_then(|()| encoder.finish());
    packed.map(Bytes::from).map_err(|error| Error::Config(format!("cannot compress: {error}")))
}

/// A refusal, in terms of rows.
pub(crate) fn refused(error: crate::error::ServiceError, in_doubt: bool, too_large: &[u16]) -> Outcome {
    let status = error.status;
    if status == 413 || too_large.contains(&status) {
        return Outcome::TooLarge(error.into());
    }
    let perhaps_written = in_doubt || Retry::Writes.leaves_doubt(status);
    // What another post would meet too: rights, addresses, a service that is overloaded or down.
    let all_will_fail = status != 400;
    let error = if (200..300).contains(&status) {
        let what = format!("the service answered {status}, which does not say that the rows are stored");
        Error::Answer { host: error.host, what }
    } else {
        error.into()
    };
    Outcome::Refused { error, perhaps_written, all_will_fail }
}

pub(crate) fn failed(error: Error) -> Outcome {
    let perhaps_written = matches!(error, Error::Transport { kind: TransportKind::Broken, .. } | Error::Answer { .. });
    Outcome::Refused { error, perhaps_written, all_will_fail: true }
}
