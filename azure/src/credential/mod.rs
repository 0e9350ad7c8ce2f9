//! Who the user is to Azure: ways to get a token, tried in order or by name.
//!
//! A credential asks for tokens; a [`TokenSource`] keeps them, in memory only. See `docs/credentials.md`.

mod cache;
mod chain;
mod cli;
mod device_code;
mod directory;
mod given;
mod managed_identity;
mod service_principal;

use std::fmt;
use std::time::{Duration, SystemTime};

pub use cache::TokenSource;
pub use chain::{Chain, Environment, default_chain};
pub use cli::{AzureCli, AzureDeveloperCli};
pub use device_code::{AZURE_CLI_CLIENT_ID, DeviceCode, DevicePrompt, KUSTO_CLIENT_ID};
pub use directory::Directory;
use futures_util::future::BoxFuture;
pub use given::GivenToken;
pub use managed_identity::ManagedIdentity;
pub use service_principal::{CertificateKey, Proof, ServicePrincipal};
use thiserror::Error;

use crate::error::Error;
use crate::http::Transport;
use crate::secret::Secret;

/// A way to get tokens for one identity in one tenant.
pub trait Credential: Send + Sync {
    /// What the user knows it by, as `client secret of application 04b0...`. No secret.
    fn name(&self) -> String;

    /// A new token for `scope`, as `https://api.loganalytics.io/.default`.
    fn token<'a>(
        &'a self,
        transport: &'a Transport,
        scope: &'a str,
    ) -> BoxFuture<'a, Result<AccessToken, CredentialError>>;

    /// Of several ways, the one that gave the last token.
    fn won(&self) -> Option<String> {
        None
    }

    /// Whether the user gave this very token for this very connection, so that it may go wherever the connection leads.
    fn is_given(&self) -> bool {
        false
    }
}

/// A token and its end.
#[derive(Debug, Clone)]
pub struct AccessToken {
    pub secret: Secret,
    pub expires: SystemTime,
}

impl AccessToken {
    pub fn lasting(secret: Secret, seconds: u64) -> Self {
        // A year is more than any service gives, and less than any clock overflows at.
        Self { secret, expires: SystemTime::now() + Duration::from_secs(seconds.min(31_536_000)) }
    }

    pub fn until_unix(secret: Secret, seconds: u64) -> Self {
        Self { secret, expires: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(1 << 40)) }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.expires.duration_since(SystemTime::now()).unwrap_or_default()
    }
}

/// Why a credential gave no token.
#[derive(Debug, Clone, PartialEq, Error)]
pub struct CredentialError {
    pub credential: String,
    pub reason: Reason,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing to try with: not configured, not installed, not on such a machine.
    Unavailable,
    /// It was tried, and refused.
    Failed,
}

impl CredentialError {
    pub(crate) fn unavailable(credential: impl Into<String>, message: impl Into<String>) -> Self {
        Self { credential: credential.into(), reason: Reason::Unavailable, message: message.into() }
    }

    pub(crate) fn failed(credential: impl Into<String>, message: impl Into<String>) -> Self {
        Self { credential: credential.into(), reason: Reason::Failed, message: message.into() }
    }

    /// What a request for a token met.
    pub(crate) fn of(credential: impl Into<String>, error: Error) -> Self {
        match error {
            Error::Credential(error) => error,
            other => Self::failed(credential, other.to_string()),
        }
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no token from {}: {}", self.credential, self.message)
    }
}

/// `https://vault.azure.net/.default` asks for the resource `https://vault.azure.net`.
pub(crate) fn resource_of(scope: &str) -> &str {
    scope.strip_suffix("/.default").unwrap_or(scope)
}
