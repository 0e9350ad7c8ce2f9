//! Bodies of requests, within limits of size and time.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use futures_util::StreamExt;

use super::reply::Refusal;

/// A whole body has so long to arrive; on loopback it takes far less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What is read and thrown away of a body that was refused, so that the client reads the answer rather than a reset.
const DRAINED: usize = 128 << 20;

/// A request's body, until it is read.
pub(crate) struct Upload {
    body: Option<Body>,
    length: Option<u64>,
    expects_continue: bool,
}

impl Upload {
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Upload {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Upload { body: Some(body), length, expects_continue: headers.contains_key(header::EXPECT) }
    }

    /// What `Content-Length` says.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads the body to its end.
    ///
    /// Errors: longer than `limit` bytes (before anything is read, if the length is announced), too slow, cut short.
    pub(crate) async fn read(&mut self, limit: usize) -> Result<Bytes, Refusal> {
        if let Some(length) = self.length.filter(|length| *length > limit as u64) {
            return Err(too_large(limit, Some(length)));
        }
        let Some(body) = self.body.take() else { return Ok(Bytes::new()) };
        match tokio::time::timeout(PATIENCE, collect(body, limit)).await {
            Ok(read) => read,
            Err(_) => {
                let message = format!("The body did not arrive within {} s.", PATIENCE.as_secs());
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message).closing())
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream() && !self.expects_continue) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(PATIENCE, drain(body)));
        }
    }
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| Refusal::bad_argument("The body ended before its length.").closing())?;
        if read.len() + piece.len() > limit {
            tokio::spawn(tokio::time::timeout(PATIENCE, drain(Body::from_stream(stream))));
            return Err(too_large(limit, None));
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.into())
}

async fn drain(body: Body) {
    let mut stream = body.into_data_stream();
    let mut seen = 0;
    while let Some(Ok(piece)) = stream.next().await {
        seen += piece.len();
        if seen > DRAINED {
            return;
        }
    }
}

/// 413 in the service's words.
pub(crate) fn too_large(limit: usize, given: Option<u64>) -> Refusal {
    let given = given.map(|length| format!(" Provided content length: {length} bytes.")).unwrap_or_default();
    let message = format!("Maximum allowed content length: {limit} bytes ({} MB).{given}", limit.div_ceil(1 << 20));
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "ContentLengthLimitExceeded", message)
}

/// Is the body gzipped? `Err`: it is encoded in a way that is not taken.
pub(crate) fn is_gzipped(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match coding.to_str().unwrap_or_default().trim() {
        "" | "identity" => Ok(false),
        coding if coding.eq_ignore_ascii_case("gzip") => Ok(true),
        _ => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "The body may be encoded with gzip only.",
        )),
    }
}

/// Unpacks gzip up to `limit` bytes.
///
/// Errors: no gzip, cut short, or larger than the limit when unpacked.
pub(crate) fn inflated(packed: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut unpacked = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(packed);
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "InvalidPayload", "The body is not valid gzip."))?;
    if unpacked.len() > limit {
        return Err(too_large(limit, None));
    }
    Ok(unpacked)
}

/// Is the media type `application/json`, with or without parameters?
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_unpacked_within_its_limit() {
        assert_eq!(inflated(&packed(b"[{}]"), 4).unwrap(), b"[{}]");
        assert_eq!(inflated(&packed(&[b' '; 5]), 4).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        let whole = packed(b"[{\"a\":1}]");
        for broken in [&b"[{}]"[..], &whole[..whole.len() - 3], b""] {
            assert_eq!(inflated(broken, 99).unwrap_err().code, "InvalidPayload");
        }
    }

    #[tokio::test]
    async fn a_long_body_is_refused_with_and_without_a_length() {
        let mut headers = HeaderMap::new();
        let refused = Upload::new(&headers, Body::from(vec![0u8; 11])).read(10).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        headers.insert(header::CONTENT_LENGTH, "2000000".parse().unwrap());
        let refused = Upload::new(&headers, Body::empty()).read(1 << 20).await.unwrap_err();
        assert_eq!(
            refused.message,
            "Maximum allowed content length: 1048576 bytes (1 MB). Provided content length: 2000000 bytes."
        );
    }
}
