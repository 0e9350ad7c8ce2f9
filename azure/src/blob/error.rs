use std::fmt;

/// What kind of failure it was, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobErrorKind {
    /// A location, a connection string or a credential that is not right.
    Invalid,
    /// The container or blob is not there.
    NotFound,
    /// The blob is there and was not to be overwritten.
    Exists,
    /// The blob was changed while it was read.
    Changed,
    /// The service refused the credential, or what it asks for.
    Denied,
    /// The service or the way to it failed.
    Service,
}

/// A sentence for a person. Never holds a key, a signature or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobError {
    pub kind: BlobErrorKind,
    message: String,
}

impl BlobError {
    pub(super) fn new(kind: BlobErrorKind, message: impl Into<String>) -> BlobError {
        BlobError { kind, message: message.into() }
    }

    /// No credential could be had.
    pub fn credential(message: impl Into<String>) -> BlobError {
        BlobError::new(BlobErrorKind::Denied, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> BlobError {
        BlobError::new(BlobErrorKind::Invalid, message)
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BlobError {}

/// Why the service refused: its code and sentence, and what to try.
///
/// The body's `AuthenticationErrorDetail` repeats the signature, and the sentence goes on with request ids: only the
/// first line of `Message` is taken.
pub(super) fn refused(what: &str, status: u16, code: Option<&str>, body: &str) -> BlobError {
    let code = code.or_else(|| element(body, "Code")).unwrap_or_default();
    let sentence = element(body, "Message").and_then(|text| text.lines().next()).unwrap_or_default().trim();
    let kind = match (status, code) {
        (404, _) => BlobErrorKind::NotFound,
        (401 | 403, _) => BlobErrorKind::Denied,
        (409, "BlobAlreadyExists") => BlobErrorKind::Exists,
        // `If-None-Match: *` on a blob that is there; `If-Match` on one that has changed.
        (412, _) => BlobErrorKind::Changed,
        _ => BlobErrorKind::Service,
    };
    let advice = match code {
        "ContainerNotFound" => "the container does not exist: `%blob ls az://` lists those of the account",
        "BlobNotFound" | "ResourceNotFound" => "there is no such blob; `%blob ls` shows what is there",
        "AuthenticationFailed" => {
            "the key, signature or token is not accepted: it may belong to another account, or have expired"
        }
        "AuthorizationFailure" => {
            "the credential is wrong or not allowed this, or the account's network rules keep this machine out"
        }
        "AuthorizationPermissionMismatch" => {
            "the identity needs the role Storage Blob Data Reader (to write: Storage Blob Data Contributor)"
        }
        "AuthorizationResourceTypeMismatch" | "AuthorizationServiceMismatch" => {
            "the shared access signature does not cover this kind of resource"
        }
        "PublicAccessNotPermitted" | "NoAuthenticationInformation" => {
            "the container is not public: give a credential (`%blob --help` says how)"
        }
        "KeyBasedAuthenticationNotPermitted" => "the account allows no keys: sign in with an Entra identity",
        _ if status == 404 => "there is no such container or blob",
        _ if status == 403 || status == 401 => "the credential is not allowed this",
        _ => "",
    };
    let reason: Vec<&str> = [code, sentence].into_iter().filter(|part| !part.is_empty()).collect();
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", reason.join(": ")) };
    let advice = if advice.is_empty() { String::new() } else { format!(". {}", capital(advice)) };
    let shown = reason.trim_end_matches('.');
    BlobError::new(kind, format!("cannot {what}: the service answered {status}{shown}{advice}"))
}

/// The way to the service failed. The error's own text could hold a URL with a signature: it is taken off.
pub(super) fn unreachable(what: &str, host: &str, error: reqwest::Error) -> BlobError {
    let error = error.without_url();
    let mut reasons = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        reasons.push(cause.to_string());
        source = cause.source();
    }
    let reason = reasons.pop().unwrap_or_default();
    BlobError::new(BlobErrorKind::Service, format!("cannot {what}: no connection with {host} ({reason})"))
}

/// The text of the first element of this name, as it stands.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let end = xml[start..].find(&format!("</{name}>"))? + start;
    Some(&xml[start..end])
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_repeats_no_signature() {
        let body = "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.\nRequestId:1\nTime:2</Message><AuthenticationErrorDetail>The MAC signature 'c2lnbmF0dXJl' is not</AuthenticationErrorDetail></Error>";
        let error = refused("list `c`", 403, None, body);
        assert_eq!(error.kind, BlobErrorKind::Denied);
        let text = error.to_string();
        assert!(text.contains("AuthenticationFailed") && text.contains("another account"), "{text}");
        assert!(!text.contains("c2lnbmF0dXJl") && !text.contains("RequestId"), "{text}");
    }

    #[test]
    fn an_answer_without_a_body_is_still_a_sentence() {
        let error = refused("read `a`", 404, None, "");
        assert_eq!(error.kind, BlobErrorKind::NotFound);
        assert_eq!(error.to_string(), "cannot read `a`: the service answered 404. There is no such container or blob");
    }
}
