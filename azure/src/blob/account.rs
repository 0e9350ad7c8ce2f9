//! An account, the credential for it, and signed requests to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, redirect};
use sha2::{Digest, Sha256};
use url::Url;

use super::connection_string::ConnectionCredential;
use super::error::{refused, unreachable};
use super::{BlobError, BlobErrorKind, ConnectionString, TokenFuture, endpoint};
use crate::secret::Secret;

/// What an Entra token for storage is asked for.
pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// The service may ask for more; then it is told to the person instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two packets.
const SILENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(15);

/// Everything in a blob's name but what stands for itself in a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Proves to the service who asks.
#[derive(Clone)]
pub enum Auth {
    AccountKey(Secret),
    /// A query string without `?`.
    Sas(Secret),
    /// Gives a token for [`STORAGE_SCOPE`], as often as it is asked.
    Entra(Arc<dyn Fn() -> TokenFuture + Send + Sync>),
    /// Public containers.
    Anonymous,
}

/// A storage account that requests are sent to. It follows no redirects: a key or signature stays with its host.
#[derive(Clone)]
pub struct BlobAccount {
    account: String,
    endpoint: Url,
    credential: Credential,
    /// Of a shared access signature
    expires: Option<DateTime<Utc>>,
    http: reqwest::Client,
}

#[derive(Clone)]
enum Credential {
    /// `None`: anonymous.
    Fixed(Option<Arc<AzureCredential>>),
    Entra(Arc<dyn Fn() -> TokenFuture + Send + Sync>),
}

/// Never the credential: it could end in a log.
impl fmt::Debug for BlobAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobAccount").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

/// One request, which is signed anew for each attempt.
pub(super) struct Call<'c> {
    pub(super) method: Method,
    /// Container and name; both empty for the account itself.
    pub(super) container: &'c str,
    pub(super) name: &'c str,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: bytes::Bytes,
    /// For errors: `read `a/b.json``.
    pub(super) what: String,
}

impl<'c> Call<'c> {
    pub(super) fn new(method: Method, container: &'c str, name: &'c str, what: impl Into<String>) -> Call<'c> {
        let (query, headers, body) = (Vec::new(), Vec::new(), bytes::Bytes::new());
        Call { method, container, name, query, headers, body, what: what.into() }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Call<'c> {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Call<'c> {
        self.headers.push((name, value.into()));
        self
    }
}

impl BlobAccount {
    /// The account of a connection string.
    pub fn connect(connection: ConnectionString) -> Result<BlobAccount, BlobError> {
        let auth = match connection.credential {
            ConnectionCredential::AccountKey(key) => Auth::AccountKey(key),
            ConnectionCredential::Sas(sas) => Auth::Sas(sas),
            ConnectionCredential::Anonymous => Auth::Anonymous,
        };
        BlobAccount::open(connection.account, connection.endpoint, &auth)
    }

    /// The account at an address that the user named, with a credential from elsewhere.
    ///
    /// Errors: a key or token for a host that is none of Azure Storage's: it could be anybody's.
    pub fn at(endpoint: &Url, auth: &Auth) -> Result<BlobAccount, BlobError> {
        let endpoint = endpoint::checked(endpoint.as_str())?;
        let host = endpoint.host_str().unwrap_or_default();
        if matches!(auth, Auth::AccountKey(_) | Auth::Entra(_)) && !endpoint::is_storage_host(&endpoint) {
            return Err(BlobError::invalid(format!(
                "{host} is no host of Azure Storage, and gets no key or token. If it is yours, put its connection string with BlobEndpoint=... into the configuration"
            )));
        }
        let account = endpoint::account_of(&endpoint)
            .ok_or_else(|| BlobError::invalid(format!("the address {host} names no storage account")))?;
        endpoint::check_account(&account)?;
        BlobAccount::open(account, endpoint, auth)
    }

    fn open(account: String, endpoint: Url, auth: &Auth) -> Result<BlobAccount, BlobError> {
        let mut expires = None;
        let credential = match auth {
            Auth::AccountKey(key) => {
                let key = AzureAccessKey::try_new(key.expose().trim()).map_err(|_| {
                    BlobError::invalid(
                        "the account key is not base64: copy it as a whole from the portal (Access keys)",
                    )
                })?;
                Credential::Fixed(Some(Arc::new(AzureCredential::AccessKey(key))))
            }
            Auth::Sas(sas) => {
                let pairs = sas_pairs(sas)?;
                expires = expiry(&pairs);
                Credential::Fixed(Some(Arc::new(AzureCredential::SASToken(pairs))))
            }
            Auth::Anonymous => Credential::Fixed(None),
            Auth::Entra(token) => Credential::Entra(token.clone()),
        };
        let local = endpoint.host().is_some_and(|host| endpoint::is_loopback(&host));
        let mut http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("huntbook/", env!("CARGO_PKG_VERSION")))
            // Blobs are kept as they are: a `Content-Encoding: gzip` blob is not what its length and ETag say otherwise.
            .no_gzip();
        if local {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| unreachable("start", "the network", error))?;
        Ok(BlobAccount { account, endpoint, credential, expires, http })
    }

    /// The name of the account.
    pub fn name(&self) -> &str {
        &self.account
    }

    /// Where the account's blobs are.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// A name for one version of one blob: a hash, which tells nothing and is safe in a path.
    pub fn version_key(&self, container: &str, name: &str, etag: &str) -> String {
        let mut hash = Sha256::new();
        for part in [self.endpoint.as_str(), container, name, etag] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Sends a request until it is answered; what is not a success is an error. 429, 5xx and broken connections are
    /// tried again.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Response, BlobError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(call).await?;
            let asked = match &outcome {
                Ok(response) if response.status().is_success() => None,
                Ok(response) if is_passing(response.status()) => Some(retry_after(response.headers()).unwrap_or(pause)),
                Ok(_) => None,
                Err(error) if error.is_builder() => None,
                Err(_) => Some(pause),
            };
            match asked {
                Some(asked) if attempt < ATTEMPTS && asked <= LONGEST_PAUSE => {
                    tokio::time::sleep(asked).await;
                    pause *= 2;
                    attempt += 1;
                }
                _ => return self.settle(call, outcome).await,
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Result<Response, reqwest::Error>, BlobError> {
        let request = self.signed(call).await?;
        Ok(self.http.execute(request).await)
    }

    async fn settle(&self, call: &Call<'_>, outcome: Result<Response, reqwest::Error>) -> Result<Response, BlobError> {
        let host = self.endpoint.host_str().unwrap_or_default();
        let response = outcome.map_err(|error| unreachable(&call.what, host, error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            return Err(BlobError::new(
                BlobErrorKind::Service,
                format!("cannot {}: {host} answered with a redirect, which is not followed", call.what),
            ));
        }
        let code = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let body = response.text().await.unwrap_or_default();
        let refusal = refused(&call.what, status.as_u16(), code.as_deref(), &body);
        match self.expires {
            Some(expires) if refusal.kind == BlobErrorKind::Denied && expires < Utc::now() => Err(BlobError::new(
                BlobErrorKind::Denied,
                format!("{refusal}. The shared access signature has expired: it was good until {expires:?}"),
            )),
            _ => Err(refusal),
        }
    }

    async fn signed(&self, call: &Call<'_>) -> Result<reqwest::Request, BlobError> {
        let url = self.address(call)?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = url.as_str().parse().map_err(|_| unnameable(call.name))?;
        let headers = request.headers_mut();
        for (name, value) in &call.headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                BlobError::invalid(format!("the header {name} cannot be sent: it holds control characters"))
            })?;
            headers.insert(*name, value);
        }
        if call.method == Method::PUT {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        }
        match self.credential().await? {
            Some(credential) => AzureAuthorizer::new(&credential, &self.account).authorize(&mut request),
            None => {
                request.headers_mut().insert("x-ms-version", HeaderValue::from_static("2023-11-03"));
            }
        }
        let url = Url::parse(&request.uri().to_string()).map_err(|_| unnameable(call.name))?;
        let mut signed = reqwest::Request::new(call.method.clone(), url);
        *signed.headers_mut() = std::mem::take(request.headers_mut());
        if call.method == Method::PUT {
            *signed.body_mut() = Some(call.body.clone().into());
        }
        Ok(signed)
    }

    async fn credential(&self) -> Result<Option<Arc<AzureCredential>>, BlobError> {
        match &self.credential {
            Credential::Fixed(credential) => Ok(credential.clone()),
            Credential::Entra(token) => {
                let token = token().await?;
                if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(BlobError::invalid("the token for storage holds characters that no token has"));
                }
                Ok(Some(Arc::new(AzureCredential::BearerToken(token.expose().to_owned()))))
            }
        }
    }

    fn address(&self, call: &Call<'_>) -> Result<Url, BlobError> {
        // Addresses have no `..`: the service would be asked for another blob.
        if call.name.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(unnameable(call.name));
        }
        let mut text = self.endpoint.as_str().trim_end_matches('/').to_owned();
        text.push('/');
        text.push_str(call.container);
        if !call.name.is_empty() {
            text.push('/');
            text.extend(utf8_percent_encode(call.name, IN_PATH));
        }
        for (at, (name, value)) in call.query.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.extend(utf8_percent_encode(value, IN_QUERY));
        }
        Url::parse(&text).map_err(|_| unnameable(call.name))
    }
}

fn unnameable(name: &str) -> BlobError {
    BlobError::invalid(format!("{name:?} cannot be the name of a blob in an address"))
}

/// Worth another attempt.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The end of a signature: `se`, a moment or a day.
fn expiry(pairs: &[(String, String)]) -> Option<DateTime<Utc>> {
    let (_, text) = pairs.iter().find(|(name, _)| name == "se")?;
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    text.parse().ok().or_else(day)
}

/// Decoded pairs; the signer encodes them again.
fn sas_pairs(sas: &Secret) -> Result<Vec<(String, String)>, BlobError> {
    let bad = || BlobError::invalid("the shared access signature is no query string (`sv=...&sig=...`)");
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| bad());
    let parts = sas.expose().trim().trim_start_matches('?').split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').ok_or_else(bad)?;
        Ok((decoded(name)?, decoded(value)?))
    };
    let pairs = parts.map(pair).collect::<Result<Vec<_>, BlobError>>()?;
    if pairs.iter().any(|(name, _)| name == "sig") { Ok(pairs) } else { Err(bad()) }
}
