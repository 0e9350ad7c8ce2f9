//! Signing in with a browser anywhere: the notebook shows a link and a code.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::directory::{Denied, Granted, number};
use super::{AccessToken, Credential, CredentialError, Directory};
use crate::http::Transport;
use crate::secret::Secret;

/// The Azure CLI's public client: usable in every tenant without a registration.
pub const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// The public client of Kusto's own tools.
pub const KUSTO_CLIENT_ID: &str = "db662dc1-0cfe-4e1c-a843-19a68e65be58";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// What RFC 8628 adds to the interval when a service finds the polling too fast.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// What the user has to see. The code is for the user's eyes and short-lived; it is no secret of this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePrompt {
    pub message: String,
    pub verification_uri: String,
    pub user_code: String,
    pub expires_in: Duration,
}

/// Signs in by device code once, then renews silently while the process lives.
pub struct DeviceCode {
    directory: Directory,
    client: String,
    show: Arc<dyn Fn(&DevicePrompt) + Send + Sync>,
    refresh: Mutex<Option<Secret>>,
}

impl DeviceCode {
    /// `show` is called with link and code when a sign-in is needed; dropping the future that waits cancels it.
    pub fn new(
        directory: Directory,
        client_id: impl Into<String>,
        show: impl Fn(&DevicePrompt) + Send + Sync + 'static,
    ) -> Self {
        Self { directory, client: client_id.into(), show: Arc::new(show), refresh: Mutex::default() }
    }

    async fn fetch(&self, transport: &Transport, scope: &str) -> Result<AccessToken, CredentialError> {
        let scope = format!("{scope} offline_access");
        let refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(refresh) = refresh {
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", self.client.as_str()),
                ("scope", scope.as_str()),
                ("refresh_token", refresh.expose()),
            ];
            match self.directory.token(transport, &form).await {
                Ok(granted) => return Ok(self.keep(granted)),
                // It is too old, or the tenant wants to see the user again.
                Err(Denied::ByDirectory(_)) => {}
                Err(other) => return Err(self.failed(&other.message())),
            }
        }
        self.sign_in(transport, &scope).await
    }

    async fn sign_in(&self, transport: &Transport, scope: &str) -> Result<AccessToken, CredentialError> {
        let form = [("client_id", self.client.as_str()), ("scope", scope)];
        let answer = self.directory.device_code(transport, &form).await.map_err(|no| self.failed(&no.message()))?;
        let (prompt, code, mut interval) =
            read(&answer).ok_or_else(|| self.failed("the answer has no code to show; is the authority right?"))?;
        (self.show)(&prompt);
        let end = Instant::now() + prompt.expires_in;
        let form = [("grant_type", GRANT), ("client_id", self.client.as_str()), ("device_code", code.expose())];
        while Instant::now() < end {
            sleep(interval).await;
            match self.directory.token(transport, &form).await {
                Ok(granted) => return Ok(self.keep(granted)),
                Err(Denied::ByDirectory(fault)) => match fault.code.as_str() {
                    "authorization_pending" => {}
                    "slow_down" => interval += SLOW_DOWN,
                    "expired_token" => break,
                    "authorization_declined" | "access_denied" => {
                        return Err(self.failed("the sign-in was declined in the browser"));
                    }
                    _ => return Err(self.failed(&Denied::ByDirectory(fault).message())),
                },
                Err(other) => return Err(self.failed(&other.message())),
            }
        }
        Err(self.failed("the code expired before anybody signed in: run the cell again for a new one"))
    }

    fn keep(&self, granted: Granted) -> AccessToken {
        if granted.refresh.is_some() {
            *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = granted.refresh;
        }
        granted.token
    }

    fn failed(&self, message: &str) -> CredentialError {
        CredentialError::failed(self.name(), message)
    }
}

impl Credential for DeviceCode {
    fn name(&self) -> String {
        format!("a sign-in by device code in tenant {}", self.directory.tenant())
    }

    fn token<'a>(
        &'a self,
        transport: &'a Transport,
        scope: &'a str,
    ) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(self.fetch(transport, scope))
    }
}

fn read(answer: &Value) -> Option<(DevicePrompt, Secret, Duration)> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let user_code = text("user_code")?.to_owned();
    let verification_uri = text("verification_uri").or_else(|| text("verification_url"))?.to_owned();
    let message = text("message")
        .map_or_else(|| format!("Open {verification_uri} and enter the code {user_code}."), str::to_owned);
    let expires_in = Duration::from_secs(number(answer.get("expires_in")?)?.min(3600));
    let interval = Duration::from_secs(answer.get("interval").and_then(number).unwrap_or(5).min(60));
    let prompt = DevicePrompt { message, verification_uri, user_code, expires_in };
    Some((prompt, Secret::new(text("device_code")?), interval))
}
