//! The identity of an Azure machine or app: no secret at all, the platform gives tokens.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::Value;

use super::directory::number;
use super::{AccessToken, Credential, CredentialError, resource_of};
use crate::error::{Error, TransportKind};
use crate::http::{Endpoint, Reply, Request, Retry, Transport, encoded};
use crate::secret::Secret;

const IMDS: &str = "http://169.254.169.254";
/// On a machine that is not Azure's, nobody answers: this must not cost a hunter much.
const PATIENCE: Duration = Duration::from_secs(2);
/// An App Service answers from afar.
const PATIENCE_APP: Duration = Duration::from_secs(15);

pub struct ManagedIdentity {
    service: Service,
    client: Option<String>,
}

enum Service {
    /// The instance metadata service of a virtual machine.
    Machine(Endpoint),
    /// The endpoint in the environment of an App Service, function or container app.
    App(Endpoint, Secret),
}

impl ManagedIdentity {
    /// What the environment has: an App Service's endpoint, or else the machine's. `client_id` names a user-assigned
    /// identity.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>, client_id: Option<String>) -> Result<Self, Error> {
        match (env("IDENTITY_ENDPOINT"), env("IDENTITY_HEADER")) {
            (Some(endpoint), Some(header)) => Self::app(&endpoint, Secret::new(header), client_id),
            _ => Self::machine(env("AZURE_POD_IDENTITY_AUTHORITY_HOST").as_deref(), client_id),
        }
    }

    /// Of a virtual machine. Another address than Azure's is for this machine or link-local only.
    pub fn machine(address: Option<&str>, client_id: Option<String>) -> Result<Self, Error> {
        Ok(Self { service: Service::Machine(Endpoint::metadata(address.unwrap_or(IMDS))?), client: client_id })
    }

    /// Of an App Service: IDENTITY_ENDPOINT and IDENTITY_HEADER.
    pub fn app(endpoint: &str, header: Secret, client_id: Option<String>) -> Result<Self, Error> {
        Ok(Self { service: Service::App(Endpoint::metadata(endpoint)?, header), client: client_id })
    }

    async fn fetch(&self, transport: &Transport, scope: &str) -> Result<AccessToken, CredentialError> {
        let mut query = format!("resource={}", encoded(resource_of(scope)));
        if let Some(client) = &self.client {
            query.push_str(&format!("&client_id={}", encoded(client)));
        }
        let reply = match self.ask(transport, &query, Retry::Never).await {
            Ok(reply) => reply,
            Err(Error::Transport { kind: TransportKind::Connect, .. }) => return Err(self.nobody()),
            Err(Error::Transport { .. }) if matches!(self.service, Service::Machine(_)) => return Err(self.nobody()),
            Err(error) => return Err(CredentialError::of(self.name(), error)),
        };
        // Somebody is there: then it is worth waiting until it has time.
        let busy = Retry::Harmless.after_status(reply.status);
        let reply = if busy { self.ask(transport, &query, Retry::Harmless).await } else { Ok(reply) };
        let reply = reply.map_err(|error| CredentialError::of(self.name(), error))?;
        let answer = reply.json().map_err(|error| CredentialError::of(self.name(), error))?;
        read(&answer)
            .ok_or_else(|| CredentialError::failed(self.name(), "the answer has no access_token and expires_on"))
    }

    async fn ask(&self, transport: &Transport, query: &str, retry: Retry) -> Result<Reply, Error> {
        let mut request = match &self.service {
            Service::Machine(endpoint) => {
                let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
                let mut request = Request::new(Method::GET, endpoint, path);
                request.headers.push(("metadata", "true".to_owned()));
                request.patience = PATIENCE;
                request
            }
            Service::App(endpoint, header) => {
                let mut request = Request::new(Method::GET, endpoint, format!("?api-version=2019-08-01&{query}"));
                request.headers.push(("x-identity-header", header.expose().to_owned()));
                request.patience = PATIENCE_APP;
                request
            }
        };
        request.retry = retry;
        transport.send(request).await
    }

    fn nobody(&self) -> CredentialError {
        CredentialError::unavailable(
            self.name(),
            "no identity service answers: this is not an Azure machine with an identity",
        )
    }
}

impl Credential for ManagedIdentity {
    fn name(&self) -> String {
        let of = match self.service {
            Service::Machine(_) => "the managed identity of this machine",
            Service::App(..) => "the managed identity of this app",
        };
        self.client.as_ref().map_or_else(|| of.to_owned(), |client| format!("{of} ({client})"))
    }

    fn token<'a>(
        &'a self,
        transport: &'a Transport,
        scope: &'a str,
    ) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(self.fetch(transport, scope))
    }
}

fn read(answer: &Value) -> Option<AccessToken> {
    let secret = Secret::new(answer.get("access_token")?.as_str()?);
    match answer.get("expires_on").and_then(number) {
        Some(end) => Some(AccessToken::until_unix(secret, end)),
        None => Some(AccessToken::lasting(secret, number(answer.get("expires_in")?)?)),
    }
}
