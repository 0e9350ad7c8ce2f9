//! The HTTP Data Collector API: the old way to custom tables, for workspaces that have no data collection rule.
//!
//! Source: "Azure Monitor HTTP Data Collector API" (deprecated; Microsoft's support ended on 2026-09-14, ingestion goes
//! on). The signature covers the length and the date, not the body.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, Mac};
use reqwest::Method;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cloud::Cloud;
use crate::error::Error;
use crate::http::{Auth, Endpoint, Request, Retry, Transport, Trust};
use crate::ingestion::{failed, refused};
use crate::secret::Secret;
use crate::upload::{self, Limits, Sent};
pub use crate::upload::{NotWritten, UploadOptions, UploadReport};

const PATH: &str = "/api/logs?api-version=2016-04-01";
/// A post may have 30 MB; smaller ones lose less when one fails.
const LIMITS: Limits = Limits { post: 10_000_000, field: 32 * 1024 };
const PATIENCE: Duration = Duration::from_secs(120);

/// A workspace and its shared key.
#[derive(Debug, Clone)]
pub struct DataCollector {
    transport: Transport,
    endpoint: Endpoint,
    workspace: Uuid,
    key: Secret,
}

/// What rows become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogType {
    name: String,
    time_field: Option<String>,
}

impl LogType {
    /// `name` is the table without `_CL`. `time_field` is the column with each row's time (ISO 8601); without one, or if
    /// the time is more than two days ago, the service takes the time of arrival.
    pub fn new(name: &str, time_field: Option<&str>) -> Result<Self, Error> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let letter = name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !letter || name.len() > 100 || !plain(name) {
            return Err(Error::Config(format!(
                "`{name}` is no log type: that is a letter, then letters, digits or _, 100 at the most, without _CL"
            )));
        }
        if let Some(field) =
            time_field.filter(|field| field.is_empty() || !field.is_ascii() || field.contains(['\r', '\n']))
        {
            return Err(Error::Config(format!("`{field}` cannot be the time field")));
        }
        Ok(Self { name: name.to_owned(), time_field: time_field.map(str::to_owned) })
    }
}

impl DataCollector {
    /// Errors: an id that is no GUID, a key that is not base64.
    pub fn new(transport: Transport, cloud: Cloud, workspace: &str, key: Secret) -> Result<Self, Error> {
        let address = format!("https://{}.{}", workspace.trim(), cloud.data_collector_suffix());
        let id = workspace_id(workspace)?;
        Self::at(transport, Endpoint::parse(&address, Trust::Config)?, &id.to_string(), key)
    }

    /// At another address.
    pub fn at(transport: Transport, endpoint: Endpoint, workspace: &str, key: Secret) -> Result<Self, Error> {
        let workspace = workspace_id(workspace)?;
        signature(&key, 0, "")?;
        Ok(Self { transport, endpoint, workspace, key })
    }

    /// Posts rows, each of which is the text of a JSON object. The report is as for
    /// [`LogsIngestion::upload`](crate::ingestion::LogsIngestion::upload).
    pub async fn upload<I: Iterator<Item = String>>(
        &self,
        log_type: &LogType,
        rows: impl IntoIterator<IntoIter = I>,
        options: &UploadOptions<'_>,
    ) -> UploadReport {
        upload::upload(rows, LIMITS, options, |json| self.post(log_type, json)).await
    }

    /// What [`upload`](Self::upload) would send.
    pub fn dry_run<I: Iterator<Item = String>>(rows: impl IntoIterator<IntoIter = I>) -> UploadReport {
        upload::dry_run(rows, LIMITS)
    }

    async fn post(&self, log_type: &LogType, json: String) -> Sent {
        let body = Bytes::from(json);
        let wire_bytes = body.len();
        let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let outcome = match signature(&self.key, body.len(), &date) {
            Ok(signature) => {
                let auth = Auth::Header(Secret::of_one_request(format!("SharedKey {}:{signature}", self.workspace)));
                self.send(log_type, body, date, &auth).await
            }
            Err(error) => failed(error),
        };
        Sent { outcome, wire_bytes }
    }

    async fn send(&self, log_type: &LogType, body: Bytes, date: String, auth: &Auth) -> upload::Outcome {
        let mut request = Request::new(Method::POST, &self.endpoint, PATH);
        request.headers.extend([
            ("content-type", "application/json".to_owned()),
            ("log-type", log_type.name.clone()),
            ("x-ms-date", date),
        ]);
        if let Some(field) = &log_type.time_field {
            request.headers.push(("time-generated-field", field.clone()));
        }
        (request.body, request.auth) = (Some(body), auth);
        (request.retry, request.patience) = (Retry::Writes, PATIENCE);
        match self.transport.send(request).await {
            Ok(reply) if reply.status == 200 => upload::Outcome::Accepted { perhaps_twice: reply.in_doubt },
            Ok(reply) => refused(reply.refusal(), reply.in_doubt, &[]),
            Err(error) => failed(error),
        }
    }
}

fn workspace_id(text: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(text.trim()).map_err(|_| Error::Config(format!("`{text}` is no workspace id: that is a GUID")))
}

/// The signature of a post: HMAC-SHA256 with the workspace's key, in base64. `length` is the body's in bytes; `date` is
/// the header `x-ms-date`.
pub fn signature(key: &Secret, length: usize, date: &str) -> Result<String, Error> {
    let wrong = |_| Error::Config("the workspace's shared key is not base64: copy it anew from the portal".to_owned());
    let key = Zeroizing::new(BASE64_STANDARD.decode(key.expose().trim()).map_err(wrong)?);
    let text = format!("POST\n{length}\napplication/json\nx-ms-date:{date}\n/api/logs");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)
        .map_err(|_| Error::Config("the workspace's shared key is empty".to_owned()))?;
    mac.update(text.as_bytes());
    Ok(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_as_openssl_computes_them() {
        let key = Secret::new(BASE64_STANDARD.encode("0123456789abcdef".repeat(4)));
        let date = "Mon, 04 Apr 2016 08:00:00 GMT";
        assert_eq!(signature(&key, 1024, date).unwrap(), "RoBretOrVlpiXSRF0+2ErOcpr2xkXbtFagtM2Oowx5g=");
        assert_eq!(signature(&key, 156, date).unwrap(), "EHfyZm7kfNQO3jsq9TSQd0Zx3QS6dI/cWnU+5og/Rng=");
        let error = signature(&Secret::new("not base64!"), 1, date).unwrap_err().to_string();
        assert!(!error.contains("not base64!"), "{error}");
    }

    #[test]
    fn log_types_are_names() {
        LogType::new("AnomalousAccess", Some("TimeGenerated")).unwrap();
        for wrong in ["", "1x", "a-b", "a b", "naïve", &"x".repeat(101)] {
            assert!(LogType::new(wrong, None).is_err(), "{wrong}");
        }
        assert!(LogType::new("X", Some("a\r\nb")).is_err());
    }
}
