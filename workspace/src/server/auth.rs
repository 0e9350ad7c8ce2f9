//! Who may ask: the token for queries and ingestion, the shared key for the data collector.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::reply::Refusal;

/// Text that is never shown: it has no Debug and no Display.
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Secret {
        Secret(text)
    }

    /// In constant time, whatever the lengths.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(given)).into()
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Has the token, and may write
    Known,
    /// Has shown nothing, where that is allowed
    Anonymous,
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    Missing,
    Wrong,
}

impl Stranger {
    /// As Log Analytics says it.
    pub(crate) fn azure(self) -> Refusal {
        match self {
            Stranger::Missing => missing(),
            Stranger::Wrong => Refusal::new(
                StatusCode::FORBIDDEN,
                "InvalidAuthenticationToken",
                "The provided authentication token is not valid for this resource.",
            ),
        }
    }

    /// As Kusto says it.
    pub(crate) fn kusto(self) -> Refusal {
        match self {
            Stranger::Missing => missing(),
            Stranger::Wrong => Refusal::new(
                StatusCode::UNAUTHORIZED,
                "AuthenticationFailed",
                "The token is not valid for this server.",
            ),
        }
    }
}

fn missing() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "AuthenticationFailed",
        "Authentication is needed: send the server's token as `Authorization: Bearer` or `x-api-key`.",
    )
}

/// Checks the token of a request.
pub(crate) fn caller(headers: &HeaderMap, token: &Secret, anonymous: bool) -> Result<Caller, Stranger> {
    let given = match (headers.get(header::AUTHORIZATION), headers.get("x-api-key")) {
        (Some(authorization), _) => bearer(authorization.as_bytes()).ok_or(Stranger::Wrong)?,
        (None, Some(key)) => key.as_bytes(),
        (None, None) if anonymous => return Ok(Caller::Anonymous),
        (None, None) => return Err(Stranger::Missing),
    };
    if token.is(given) { Ok(Caller::Known) } else { Err(Stranger::Wrong) }
}

fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// The data collector's shared key: the bytes behind its base64 text.
pub(crate) struct SharedKey(Vec<u8>);

impl SharedKey {
    /// `None`: the text is not base64.
    pub(crate) fn decode(text: &str) -> Option<SharedKey> {
        BASE64.decode(text.trim()).ok().filter(|key| !key.is_empty()).map(SharedKey)
    }

    fn mac(&self, length: u64, date: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("POST\n{length}\napplication/json\nx-ms-date:{date}\n/api/logs").as_bytes());
        Some(mac)
    }

    /// Checks a signature over the length of a body and a date, in constant time.
    pub(crate) fn signed(&self, length: u64, date: &str, signature: &[u8]) -> bool {
        let Ok(signature) = BASE64.decode(signature.trim_ascii()) else { return false };
        self.mac(length, date).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
    }

    #[cfg(test)]
    pub(crate) fn sign(&self, length: u64, date: &str) -> String {
        BASE64.encode(self.mac(length, date).unwrap().finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(pairs: &[(&'static str, &[u8])], anonymous: bool) -> Result<Caller, Stranger> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
        caller(&headers.collect(), &Secret::new("t0ken".to_owned()), anonymous)
    }

    #[test]
    fn only_the_token_lets_in() {
        assert_eq!(asked(&[("authorization", b"Bearer t0ken")], false), Ok(Caller::Known));
        assert_eq!(asked(&[("authorization", b"bearer  t0ken ")], false), Ok(Caller::Known));
        assert_eq!(asked(&[("x-api-key", b"t0ken")], false), Ok(Caller::Known));
        assert_eq!(asked(&[], false), Err(Stranger::Missing));
        assert_eq!(asked(&[], true), Ok(Caller::Anonymous));
        let wrong: [&[u8]; 6] =
            [b"Bearer t0ke", b"Bearer t0kenn", b"Bearer ", b"Basic t0ken", b"t0ken", b"Bearer \xff\xfe"];
        for wrong in wrong {
            assert_eq!(asked(&[("authorization", wrong)], true), Err(Stranger::Wrong), "{wrong:?}");
        }
    }

    #[test]
    fn signatures_are_those_of_the_service() {
        let key = SharedKey::decode(
            "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==",
        )
        .unwrap();
        let date = "Mon, 04 Apr 2016 08:00:00 GMT";
        assert_eq!(key.sign(1024, date), "RoBretOrVlpiXSRF0+2ErOcpr2xkXbtFagtM2Oowx5g=");
        assert!(key.signed(156, date, b"EHfyZm7kfNQO3jsq9TSQd0Zx3QS6dI/cWnU+5og/Rng="));
        assert!(!key.signed(157, date, b"EHfyZm7kfNQO3jsq9TSQd0Zx3QS6dI/cWnU+5og/Rng="));
        for wrong in [&b""[..], b"AAAA", b"\xff\xff", b"EHfyZm7kfNQO3jsq9TSQd0Zx3QS6dI"] {
            assert!(!key.signed(156, date, wrong));
        }
        assert!(SharedKey::decode("not base64!").is_none());
    }
}
