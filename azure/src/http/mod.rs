//! The one way to the network: no redirects, https but for this machine, a limit on every wait and size, and secrets
//! only to the origin that they are for.

mod client;
pub(crate) mod endpoint;
pub(crate) mod retry;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
pub use endpoint::{Endpoint, Trust};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
pub use retry::Retry;
use serde_json::Value;
use tokio::time::{Instant as Clock, timeout, timeout_at};

use crate::credential::TokenSource;
use crate::error::{Error, ServiceError, TransportKind};
use crate::fault::Fault;
use crate::redact;
use crate::secret::Secret;

/// An answer that comes slower than this many bytes in an idle time counts as none.
const SLOWEST: usize = 1024;
/// How much of an answer that is not JSON an error shows.
const SHOWN: usize = 200;

/// How to reach services.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Certificates to trust beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How much later than the service's own limit for a query its answer may begin.
    pub grace: Duration,
    /// How long an answer may be silent once it has begun.
    pub idle: Duration,
    /// The largest answer taken, in bytes after decompression.
    pub largest: usize,
    /// How often a request is sent at the most.
    pub attempts: u32,
    /// The longest wait that a service may ask for before another attempt.
    pub longest_wait: Duration,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            ca_file: None,
            connect: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            largest: 2 << 30,
            attempts: 5,
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// What a request shows to be let in.
#[derive(Debug, Clone)]
pub enum Auth {
    Anonymous,
    /// `x-api-key`
    ApiKey(Secret),
    /// A token of Entra, fetched when it is needed.
    Token(Arc<TokenSource>),
    /// The whole `Authorization` header.
    Header(Secret),
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) endpoint: &'a Endpoint,
    /// Below the endpoint, with its query, encoded.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Bytes>,
    pub(crate) auth: &'a Auth,
    /// What a token is asked for.
    pub(crate) scope: &'a str,
    pub(crate) retry: Retry,
    /// How long until the answer begins.
    pub(crate) patience: Duration,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, endpoint: &'a Endpoint, path: impl Into<String>) -> Self {
        Self {
            method,
            endpoint,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            auth: &Auth::Anonymous,
            scope: "",
            retry: Retry::Harmless,
            patience: Duration::from_secs(60),
        }
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.headers.push(("content-type", "application/json".to_owned()));
        self.body = Some(Bytes::from(body.to_string()));
        self
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) host: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How often the request was sent.
    pub(crate) attempts: u32,
    /// An attempt before the last may have been carried out.
    pub(crate) in_doubt: bool,
}

/// Connections to services. Clones share them.
#[derive(Debug, Clone)]
pub struct Transport {
    /// Through the proxy of the environment, if there is one.
    far: Client,
    /// For this machine.
    near: Client,
    options: Arc<TransportOptions>,
}

impl Transport {
    /// Errors: a CA file that cannot be read.
    pub fn new(options: TransportOptions) -> Result<Self, Error> {
        let far = client::build(&options, true)?;
        let near = client::build(&options, false)?;
        Ok(Self { far, near, options: Arc::new(options) })
    }

    /// How long to wait for the answer to a query on which the service may work for `wait`.
    pub(crate) fn patience(&self, wait: Duration) -> Duration {
        wait + self.options.grace
    }

    /// Sends a request, again where that helps, and returns the last answer, of whatever status but a redirect.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Reply, Error> {
        let host = request.endpoint.host();
        let mut attempts = 0;
        let mut in_doubt = false;
        let mut renewed = false;
        loop {
            attempts += 1;
            let last = attempts >= self.options.attempts;
            match self.once(&request, &host).await {
                Ok(mut reply) => {
                    reply.attempts = attempts;
                    reply.in_doubt = in_doubt;
                    if reply.status == 401
                        && !renewed
                        && let Auth::Token(source) = request.auth
                        && source.forget(request.scope)
                    {
                        renewed = true;
                        continue;
                    }
                    let Some(wait) = self.wait_after(&request, &reply) else { return Ok(reply) };
                    if last {
                        return Ok(reply);
                    }
                    in_doubt |= request.retry.leaves_doubt(reply.status);
                    tracing::info!(host, status = reply.status, ?wait, "the service is busy: another attempt follows");
                    tokio::time::sleep(wait.unwrap_or_else(|| retry::pause(attempts))).await;
                }
                Err(error) => {
                    let Error::Transport { kind, .. } = &error else { return Err(error) };
                    let again = match request.retry {
                        Retry::Harmless | Retry::Writes => true,
                        Retry::Costly => *kind == TransportKind::Connect,
                        Retry::Never => false,
                    };
                    // Nobody waits a minute to hear that a host is down.
                    if last || !again || attempts >= 3 {
                        return Err(error);
                    }
                    in_doubt |= request.retry == Retry::Writes && *kind == TransportKind::Broken;
                    tokio::time::sleep(retry::pause(attempts)).await;
                }
            }
        }
    }

    /// Whether to try again, and the time that the service asks for. `None` if the answer stands.
    fn wait_after(&self, request: &Request<'_>, reply: &Reply) -> Option<Option<Duration>> {
        if !request.retry.after_status(reply.status) {
            return None;
        }
        match reply.retry_after() {
            Some(wait) if wait > self.options.longest_wait => None,
            wait => Some(wait),
        }
    }

    async fn once(&self, request: &Request<'_>, host: &str) -> Result<Reply, Error> {
        let client = if request.endpoint.is_direct() { &self.near } else { &self.far };
        let url = request.endpoint.at(&request.path)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Error::Config(format!("a header cannot have the value given for `{name}`")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some((name, value)) = self.authorization(request).await? {
            headers.insert(name, value);
        }
        let mut builder = client.request(request.method.clone(), url).headers(headers);
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let broken = |what: String| Error::Transport { host: host.to_owned(), what, kind: TransportKind::Broken };
        let response = match timeout(request.patience, builder.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(client::explain(host, error)),
            Err(_) => return Err(broken(format!("no answer within {} s", request.patience.as_secs_f32()))),
        };
        if response.status().is_redirection() {
            return Err(redirect(host, &response));
        }
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = self.body(response, host).await?;
        Ok(Reply { host: host.to_owned(), status, headers, body, attempts: 1, in_doubt: false })
    }

    async fn authorization(&self, request: &Request<'_>) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
        let (name, secret) = match request.auth {
            Auth::Anonymous => return Ok(None),
            Auth::ApiKey(key) => ("x-api-key", key.expose().to_owned()),
            Auth::Header(value) => ("authorization", value.expose().to_owned()),
            Auth::Token(source) => {
                if !(request.endpoint.takes_tokens() || source.is_given()) {
                    return Err(Error::Refused(format!(
                        "{} is neither an address of Microsoft nor named in your configuration, so your token does not go there; \
                         add it as an endpoint to huntbook.toml if you trust it",
                        request.endpoint.host()
                    )));
                }
                ("authorization", format!("Bearer {}", source.token(self, request.scope).await?.expose()))
            }
        };
        let secret = zeroize::Zeroizing::new(secret);
        let mut value = HeaderValue::from_str(&secret)
            .map_err(|_| Error::Config("the key or token has characters that a header cannot have".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some((HeaderName::from_static(name), value)))
    }

    async fn body(&self, mut response: Response, host: &str) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        let mut deadline = Clock::now() + self.options.idle;
        let mut at_deadline = SLOWEST;
        loop {
            let broken = |what: &str| Error::Transport {
                host: host.to_owned(),
                what: format!("{what} after {} bytes of the answer", body.len()),
                kind: TransportKind::Broken,
            };
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    if body.len() + chunk.len() > self.options.largest {
                        return Err(Error::Answer {
                            host: host.to_owned(),
                            what: format!(
                                "the answer is larger than {} MB: ask for a shorter time range or fewer columns",
                                self.options.largest >> 20
                            ),
                        });
                    }
                    body.extend_from_slice(&chunk);
                    if body.len() >= at_deadline {
                        deadline = Clock::now() + self.options.idle;
                        at_deadline = body.len() + SLOWEST;
                    }
                }
                Ok(Ok(None)) => return Ok(body.freeze()),
                Ok(Err(_)) => return Err(broken("the connection broke or the compression is damaged")),
                Err(_) => return Err(broken("the service fell silent or far too slow")),
            }
        }
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry::retry_after(self.header("retry-after")?, SystemTime::now())
    }

    /// What the service calls this request.
    pub(crate) fn request_id(&self) -> Option<String> {
        ["x-ms-activity-id", "x-ms-request-id", "request-id", "x-ms-correlation-request-id"]
            .iter()
            .find_map(|name| self.header(name))
            .map(str::to_owned)
    }

    /// The answer, if it is a success.
    pub(crate) fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refusal().into()) }
    }

    /// What a refusal says.
    pub(crate) fn refusal(&self) -> ServiceError {
        let fault = serde_json::from_slice(&self.body).ok().as_ref().and_then(Fault::from_json);
        ServiceError {
            host: self.host.clone(),
            status: self.status,
            fault: fault.unwrap_or_else(|| Fault::new("", self.plain_words())),
            request_id: self.request_id(),
            retry_after: self.retry_after(),
            attempts: self.attempts,
        }
    }

    /// An answer without JSON: plain text is shown, pages are not.
    fn plain_words(&self) -> String {
        let plain = self.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.trim().chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
        if plain { redact::text(&text).into_owned() } else { String::new() }
    }

    /// Checks that the answer is JSON before it is read as such.
    pub(crate) fn expect_json(&self) -> Result<(), Error> {
        let answer = |what: String| Error::Answer { host: self.host.clone(), what };
        if self.body.is_empty() {
            return Err(answer(format!("the answer ({}) is empty, where a result was expected", self.status)));
        }
        let kind = self.header("content-type").unwrap_or("nothing");
        if kind.contains("json") {
            return Ok(());
        }
        let name: String = kind.chars().take(40).collect();
        Err(answer(format!(
            "the answer says it is {name} instead of JSON: a proxy or sign-in page may be in between, or the endpoint is wrong"
        )))
    }

    /// The answer as JSON, if it is a success.
    pub(crate) fn json(self) -> Result<Value, Error> {
        let reply = self.success()?;
        reply.expect_json()?;
        serde_json::from_slice(&reply.body).map_err(|error| Error::Answer {
            host: reply.host.clone(),
            what: format!("the answer is not JSON at line {}, column {}", error.line(), error.column()),
        })
    }
}

fn redirect(host: &str, response: &Response) -> Error {
    let target = response.headers().get("location").and_then(|target| target.to_str().ok());
    let url = target.and_then(|target| response.url().join(target).ok());
    Error::Redirect {
        host: host.to_owned(),
        to: url.map_or_else(|| "an unknown place".to_owned(), |url| endpoint::address_host(&url)),
    }
}

/// Encodes a name for use within a path.
pub(crate) fn encoded(name: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    match name {
        // A URL takes these as steps, also when they are encoded.
        "." | ".." => name.replace('.', "%252E"),
        _ => utf8_percent_encode(name, KEPT).to_string(),
    }
}
