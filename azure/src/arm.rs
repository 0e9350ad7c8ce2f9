//! The management plane (Azure Resource Manager): resources as JSON, for Sentinel and data collection rules.

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::cloud::Cloud;
use crate::error::Error;
use crate::http::{Auth, Endpoint, Request, Retry, Transport, Trust, encoded};

/// A list that has more pages than this has no end.
const MOST_PAGES: usize = 1000;

#[derive(Debug, Clone)]
pub struct Arm {
    transport: Transport,
    endpoint: Endpoint,
    auth: Auth,
    scope: String,
}

/// A resource and its API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePath {
    path: String,
    query: String,
}

impl ResourcePath {
    /// `segments` are the parts of the path, not encoded: `["subscriptions", "..", ..]`.
    pub fn new<'a>(segments: impl IntoIterator<Item = &'a str>, api_version: &str) -> Result<Self, Error> {
        let mut path = String::new();
        for segment in segments {
            if segment.is_empty() || segment == "." || segment == ".." {
                return Err(Error::Config(format!("`{segment}` cannot be part of a resource's path")));
            }
            path.push('/');
            path.push_str(&encoded(segment));
        }
        Ok(Self { path, query: format!("?api-version={}", encoded(api_version)) })
    }

    /// Adds a parameter, as `$filter`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push_str(&format!("&{}={}", encoded(name), encoded(value)));
        self
    }

    fn whole(&self) -> String {
        format!("{}{}", self.path, self.query)
    }
}

impl Arm {
    pub fn new(transport: Transport, cloud: Cloud, auth: Auth) -> Result<Self, Error> {
        Ok(Self::at(transport, Endpoint::parse(cloud.arm(), Trust::Config)?, cloud, auth))
    }

    /// At another address.
    pub fn at(transport: Transport, endpoint: Endpoint, cloud: Cloud, auth: Auth) -> Self {
        Self { transport, endpoint, auth, scope: cloud.arm_scope().to_owned() }
    }

    pub async fn get(&self, resource: &ResourcePath) -> Result<Value, Error> {
        self.send(Method::GET, resource.whole(), None, Retry::Harmless).await
    }

    /// All elements of a list, over all its pages. Pages on another host are refused.
    pub async fn list(&self, resource: &ResourcePath) -> Result<Vec<Value>, Error> {
        let answer = |what: &str| Error::Answer { host: self.endpoint.host(), what: what.to_owned() };
        let mut path = resource.whole();
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut page = self.send(Method::GET, path, None, Retry::Harmless).await?;
            match page.get_mut("value").map(Value::take) {
                Some(Value::Array(mut values)) => all.append(&mut values),
                _ => return Err(answer("the list has no member `value`")),
            }
            match page.get("nextLink").and_then(Value::as_str).filter(|link| !link.is_empty()) {
                Some(link) => path = self.endpoint.path_of_link(link)?,
                None => return Ok(all),
            }
        }
        Err(answer("the list has no end"))
    }

    /// Creates or replaces. To replace what somebody else may have changed meanwhile, the body has the `etag` that was
    /// read: if it is not the current one, the service answers 409 or 412.
    pub async fn put(&self, resource: &ResourcePath, body: &Value) -> Result<Value, Error> {
        self.send(Method::PUT, resource.whole(), Some(body), Retry::Harmless).await
    }

    /// An action; sent once, since it may do something each time.
    pub async fn post(&self, resource: &ResourcePath, body: &Value) -> Result<Value, Error> {
        self.send(Method::POST, resource.whole(), Some(body), Retry::Never).await
    }

    /// `null` if the service has nothing to say about it.
    pub async fn delete(&self, resource: &ResourcePath) -> Result<Value, Error> {
        self.send(Method::DELETE, resource.whole(), None, Retry::Harmless).await
    }

    async fn send(&self, method: Method, path: String, body: Option<&Value>, retry: Retry) -> Result<Value, Error> {
        let mut request = Request::new(method, &self.endpoint, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.headers.push(("x-ms-correlation-request-id", Uuid::new_v4().to_string()));
        (request.auth, request.scope, request.retry) = (&self.auth, &self.scope, retry);
        let reply = self.transport.send(request).await?.success()?;
        if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
    }
}
