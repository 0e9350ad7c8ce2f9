//! Entra's token endpoint.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::AccessToken;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::fault::Fault;
use crate::http::{Endpoint, Reply, Request, Transport, Trust};
use crate::secret::Secret;

const PATIENCE: Duration = Duration::from_secs(30);

/// A tenant at an authority.
#[derive(Debug, Clone)]
pub struct Directory {
    authority: Endpoint,
    tenant: String,
}

/// A token, and what a sign-in by device code renews it with.
pub(super) struct Granted {
    pub(super) token: AccessToken,
    pub(super) refresh: Option<Secret>,
}

/// Entra said no; or no answer came.
pub(super) enum Denied {
    ByDirectory(Fault),
    Otherwise(Error),
}

impl Directory {
    /// `tenant` is an id, a domain, or `organizations`.
    pub fn new(cloud: Cloud, tenant: &str) -> Result<Self, Error> {
        Self::at(cloud.authority(), tenant)
    }

    /// At another authority, as AZURE_AUTHORITY_HOST names it.
    pub fn at(authority: &str, tenant: &str) -> Result<Self, Error> {
        let authority = Endpoint::parse(authority, Trust::Config)?;
        Ok(Self { authority, tenant: checked_tenant(tenant)?.to_owned() })
    }

    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Where tokens are asked for, as an assertion has to name it.
    pub(super) fn token_url(&self) -> String {
        format!("{}{}", self.authority.address(), self.path("token"))
    }

    fn path(&self, what: &str) -> String {
        format!("/{}/oauth2/v2.0/{what}", self.tenant)
    }

    /// Posts a form to the token endpoint.
    pub(super) async fn token(&self, transport: &Transport, form: &[(&str, &str)]) -> Result<Granted, Denied> {
        let reply = self.post(transport, "token", form).await.map_err(Denied::Otherwise)?;
        if reply.status != 200 {
            return Err(denied(&reply));
        }
        let host = reply.host.clone();
        let answer = reply.json().map_err(Denied::Otherwise)?;
        granted(&answer).ok_or_else(|| {
            Denied::Otherwise(Error::Answer { host, what: "the answer has no access_token and expires_in".to_owned() })
        })
    }

    pub(super) async fn device_code(&self, transport: &Transport, form: &[(&str, &str)]) -> Result<Value, Denied> {
        let reply = self.post(transport, "devicecode", form).await.map_err(Denied::Otherwise)?;
        if reply.status != 200 {
            return Err(denied(&reply));
        }
        reply.json().map_err(Denied::Otherwise)
    }

    async fn post(&self, transport: &Transport, what: &str, form: &[(&str, &str)]) -> Result<Reply, Error> {
        let body = Zeroizing::new(Serializer::new(String::new()).extend_pairs(form).finish());
        let mut request = Request::new(Method::POST, &self.authority, self.path(what));
        request.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        request.headers.push(("accept", "application/json".to_owned()));
        request.body = Some(Bytes::copy_from_slice(body.as_bytes()));
        request.patience = PATIENCE;
        transport.send(request).await
    }
}

impl Denied {
    /// The first line of what Entra says: the others are ids and times.
    pub(super) fn message(&self) -> String {
        match self {
            Self::ByDirectory(fault) => {
                let message = fault.message.lines().next().unwrap_or_default();
                if message.is_empty() { fault.code.clone() } else { format!("{message} ({})", fault.code) }
            }
            Self::Otherwise(error) => error.to_string(),
        }
    }
}

fn denied(reply: &Reply) -> Denied {
    let refusal = reply.refusal();
    if refusal.fault.code.is_empty() { Denied::Otherwise(refusal.into()) } else { Denied::ByDirectory(refusal.fault) }
}

fn granted(answer: &Value) -> Option<Granted> {
    let token = Secret::new(answer.get("access_token")?.as_str()?);
    let seconds = number(answer.get("expires_in")?)?;
    let refresh = answer.get("refresh_token").and_then(Value::as_str).map(Secret::new);
    Some(Granted { token: AccessToken::lasting(token, seconds), refresh })
}

/// Some token services write numbers as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A tenant goes into a path and onto a command line.
pub(super) fn checked_tenant(tenant: &str) -> Result<&str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !tenant.is_empty() && !tenant.starts_with(['-', '.']) && tenant.bytes().all(plain) {
        return Ok(tenant);
    }
    Err(Error::Config("a tenant is an id like 72f988bf-... or a domain like contoso.onmicrosoft.com".to_owned()))
}
