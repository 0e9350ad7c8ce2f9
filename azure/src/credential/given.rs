//! A token that the user already has.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{AccessToken, Credential, CredentialError};
use crate::http::Transport;
use crate::secret::Secret;

/// A token as it is, for every scope. It cannot be renewed.
pub struct GivenToken(Secret);

impl GivenToken {
    pub fn new(token: Secret) -> Self {
        Self(token)
    }
}

impl Credential for GivenToken {
    fn name(&self) -> String {
        "the given token".to_owned()
    }

    fn token<'a>(&'a self, _: &'a Transport, _: &'a str) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(async move {
            // A token that does not say when it ends is the service's to judge.
            let token = match expiry(self.0.expose()) {
                Some(end) => AccessToken::until_unix(self.0.clone(), end),
                None => AccessToken::lasting(self.0.clone(), 3600),
            };
            if token.remaining() == Duration::ZERO {
                return Err(CredentialError::failed(self.name(), "it has expired: get a new one"));
            }
            Ok(token)
        })
    }

    fn is_given(&self) -> bool {
        true
    }
}

/// The claim `exp` of a JWT. It is only used to say early that a token is too old.
fn expiry(token: &str) -> Option<u64> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?.get("exp")?.as_u64()
}
