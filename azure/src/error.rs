//! What can go wrong between here and a service, each with what to try.

use std::time::Duration;

use thiserror::Error;

use crate::credential::CredentialError;
use crate::decode::DecodeError;
use crate::fault::Fault;

/// An error of this crate. Its text never holds a header, a query string or a secret.
#[derive(Debug, Error)]
pub enum Error {
    #[error("interrupted")]
    Cancelled,
    /// The service answered, and said no.
    #[error("{0}")]
    Service(Box<ServiceError>),
    /// No usable answer came.
    #[error("{host}: {what}")]
    Transport { host: String, what: String, kind: TransportKind },
    #[error(
        "{host} wants to redirect to {to}, which huntbook does not follow, since a token could leave with it; name the right address as the endpoint"
    )]
    Redirect { host: String, to: String },
    /// The answer came, but cannot be read or is not whole.
    #[error("{host}: {error}{}", partial_hint(.error))]
    Decode { host: String, error: DecodeError },
    #[error("{host}: {what}")]
    Answer { host: String, what: String },
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// It would be unsafe.
    #[error("{0}")]
    Refused(String),
    /// Something that the user has written is wrong.
    #[error("{0}")]
    Config(String),
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// The service has not seen the request.
    Connect,
    /// The connection broke or was silent for too long: the service may have done what it was asked.
    Broken,
}

/// A refusal, with everything that the user and Microsoft's support need.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceError {
    pub host: String,
    pub status: u16,
    pub fault: Fault,
    /// What the service calls this request.
    pub request_id: Option<String>,
    /// How long the service asked to wait.
    pub retry_after: Option<Duration>,
    /// How often it was asked.
    pub attempts: u32,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answered {}: {}", self.host, self.status, self.fault)?;
        if self.attempts > 1 {
            write!(f, ", after {} attempts", self.attempts)?;
        }
        if let Some(hint) = self.hint() {
            write!(f, "; {hint}")?;
        }
        match self.request_id.as_ref().or(self.fault.correlation_id.as_ref()) {
            Some(id) => write!(f, " [request {id}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServiceError {}

impl ServiceError {
    fn hint(&self) -> Option<String> {
        Some(match self.status {
            401 => "the token or key is not accepted: check tenant, credential and cloud of the connection".to_owned(),
            403 => "the identity has no right to this: it needs a role there, such as Log Analytics Reader to query \
                    or Monitoring Metrics Publisher on the DCR to ingest (a new role takes up to ten minutes)"
                .to_owned(),
            404 => "check the workspace, cluster or rule id and the cloud".to_owned(),
            413 => "send less at once".to_owned(),
            429 => match self.retry_after {
                Some(wait) => format!("too many requests: the service asks to wait {} s", wait.as_secs().max(1)),
                None => "too many requests: wait a minute, or ask for less at once".to_owned(),
            },
            504 => "the service ran out of time: ask for a shorter time range or fewer columns, or allow more time"
                .to_owned(),
            500 | 502 | 503 => "the service has a problem: try again later".to_owned(),
            _ => return None,
        })
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

impl Error {
    /// One word for the kind of error, as notebooks show it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cancelled | Self::Decode { error: DecodeError::Cancelled, .. } => "Interrupted",
            Self::Service(error) => match error.status {
                401 | 403 => "AccessDenied",
                404 => "NotFound",
                429 => "Throttled",
                504 => "ServiceTimeout",
                _ => "ServiceError",
            },
            Self::Transport { .. } => "ConnectionError",
            Self::Redirect { .. } | Self::Refused(_) => "Refused",
            Self::Decode { error: DecodeError::Partial(_), .. } => "PartialResult",
            Self::Decode { error: DecodeError::Failed(_), .. } => "ServiceError",
            Self::Decode { .. } | Self::Answer { .. } => "BadAnswer",
            Self::Credential(_) => "CredentialError",
            Self::Config(_) => "ConfigError",
        }
    }

    /// What the service said about it, with line and column of the query if it named them.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Service(error) => Some(&error.fault),
            Self::Decode { error: DecodeError::Partial(faults), .. } => faults.first(),
            Self::Decode { error: DecodeError::Failed(fault), .. } => Some(fault),
            _ => None,
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.kind() == "Interrupted"
    }
}

fn partial_hint(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Partial(_) => {
            ". Ask for a shorter time range, fewer columns or a summary, or allow partial results"
        }
        _ => "",
    }
}
