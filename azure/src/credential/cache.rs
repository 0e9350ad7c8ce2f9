//! Keeps tokens in memory, and fetches a new one before the old one ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use super::{AccessToken, Credential};
use crate::error::Error;
use crate::http::Transport;
use crate::secret::Secret;

/// How long before its end a token is replaced; of a short-lived one, at half of its time.
const AHEAD: Duration = Duration::from_secs(300);
/// A token that ends sooner than this is not used any more.
const LAST_USE: Duration = Duration::from_secs(10);

/// Tokens of one credential, by scope. A credential has one authority, tenant and client, so a token is never given for
/// another of these.
pub struct TokenSource {
    credential: Arc<dyn Credential>,
    slots: Mutex<HashMap<String, Slot>>,
}

/// Locked while a token is fetched, so that only one request does.
type Slot = Arc<AsyncMutex<Option<Held>>>;

struct Held {
    token: AccessToken,
    ahead: Duration,
}

impl TokenSource {
    pub fn new(credential: impl Credential + 'static) -> Arc<Self> {
        Arc::new(Self { credential: Arc::new(credential), slots: Mutex::default() })
    }

    /// A token for `scope` that is valid for some time yet.
    pub async fn token(&self, transport: &Transport, scope: &str) -> Result<Secret, Error> {
        let slot = Arc::clone(self.slots().entry(scope.to_owned()).or_default());
        let mut held = slot.lock().await;
        if let Some(held) = held.as_ref()
            && held.token.remaining() > held.ahead
        {
            return Ok(held.token.secret.clone());
        }
        match self.credential.token(transport, scope).await {
            Ok(token) => {
                let secret = token.secret.clone();
                let ahead = AHEAD.min(token.remaining() / 2);
                *held = Some(Held { token, ahead });
                Ok(secret)
            }
            Err(error) => match held.as_ref() {
                // A service of tokens that is away for a minute need not stop work.
                Some(held) if held.token.remaining() > LAST_USE => Ok(held.token.secret.clone()),
                _ => Err(error.into()),
            },
        }
    }

    /// Drops the token for `scope`, because a service refused it. `false` if there is none that could be replaced.
    pub(crate) fn forget(&self, scope: &str) -> bool {
        !self.is_given() && self.slots().remove(scope).is_some()
    }

    /// What the user knows the credential by.
    pub fn name(&self) -> String {
        self.credential.name()
    }

    /// Which credential gave the tokens; `None` before the first one.
    pub fn won(&self) -> Option<String> {
        self.credential.won().or_else(|| (!self.slots().is_empty()).then(|| self.name()))
    }

    /// Whether the token was given for this connection, by the user.
    pub fn is_given(&self) -> bool {
        self.credential.is_given()
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("credential", &self.name()).finish_non_exhaustive()
    }
}
