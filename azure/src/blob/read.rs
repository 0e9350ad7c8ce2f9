//! Reading blobs, as a whole or from a place on, over connections that may break.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED};
use reqwest::{Method, Response};

use super::account::Call;
use super::error::unreachable;
use super::list::{bare_etag, http_date};
use super::{BlobAccount, BlobError, BlobErrorKind, BlobInfo};

/// How often a read goes on after its connection broke.
const RESUMES: u32 = 5;

impl BlobAccount {
    /// Size, time and ETag of a blob.
    pub async fn properties(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        let call = Call::new(Method::HEAD, container, name, format!("look at `{container}/{name}`"));
        let response = self.send(&call).await?;
        Ok(info(name, response.headers(), total_size(&response)))
    }

    /// Reads a blob from byte `from` on, `length` bytes or to its end. With an ETag, only that version: a blob that
    /// has changed since is an error.
    pub async fn read(
        &self,
        container: &str,
        name: &str,
        from: u64,
        length: Option<u64>,
        etag: Option<&str>,
    ) -> Result<BlobReader, BlobError> {
        let mut reader = BlobReader {
            account: self.clone(),
            container: container.to_owned(),
            info: BlobInfo {
                name: name.to_owned(),
                bytes: 0,
                modified: None,
                etag: etag.unwrap_or_default().to_owned(),
            },
            at: from,
            end: length.map(|length| from + length),
            body: None,
            resumes: 0,
        };
        reader.connect().await?;
        Ok(reader)
    }

    /// A small blob at once.
    pub async fn read_all(&self, container: &str, name: &str) -> Result<Vec<u8>, BlobError> {
        let mut reader = self.read(container, name, 0, None, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = reader.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// A blob's bytes as they come. A connection that breaks is made anew, from where it broke and for the same version.
pub struct BlobReader {
    account: BlobAccount,
    container: String,
    info: BlobInfo,
    at: u64,
    /// Exclusive; what was asked for, cut to what there is.
    end: Option<u64>,
    body: Option<BoxStream<'static, Result<Bytes, reqwest::Error>>>,
    resumes: u32,
}

impl BlobReader {
    /// The version that is read.
    pub fn info(&self) -> &BlobInfo {
        &self.info
    }

    /// The next bytes; `None` at the end.
    ///
    /// Errors: a blob that is cut short, has changed, or cannot be reached any more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            match body.next().await {
                Some(Ok(chunk)) => {
                    self.at += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                None if self.end.is_none_or(|end| self.at >= end) => {
                    self.body = None;
                    return Ok(None);
                }
                broken => self.resume(broken.and_then(Result::err)).await?,
            }
        }
    }

    async fn resume(&mut self, error: Option<reqwest::Error>) -> Result<(), BlobError> {
        self.resumes += 1;
        if self.resumes <= RESUMES {
            return self.connect().await;
        }
        let what = self.what();
        Err(match error {
            Some(error) => unreachable(&what, self.account.endpoint().host_str().unwrap_or_default(), error),
            None => BlobError::new(
                BlobErrorKind::Service,
                format!("cannot {what}: the service sent {} bytes of {}", self.at, self.info.bytes),
            ),
        })
    }

    async fn connect(&mut self) -> Result<(), BlobError> {
        let (container, name) = (self.container.clone(), self.info.name.clone());
        let mut call = Call::new(Method::GET, &container, &name, self.what());
        if !self.info.etag.is_empty() {
            call = call.header("if-match", format!("\"{}\"", self.info.etag));
        }
        match self.end {
            Some(end) if end <= self.at => return Ok(()),
            Some(end) => call = call.header("x-ms-range", format!("bytes={}-{}", self.at, end - 1)),
            None if self.at > 0 => call = call.header("x-ms-range", format!("bytes={}-", self.at)),
            None => {}
        }
        let response = match self.account.send(&call).await {
            Ok(response) => response,
            Err(error) if error.kind == BlobErrorKind::Changed => {
                let message =
                    format!("cannot {}: the blob was changed while it was read. Run the cell again", self.what());
                return Err(BlobError::new(BlobErrorKind::Changed, message));
            }
            Err(error) => return Err(error),
        };
        let size = total_size(&response);
        self.info = info(&name, response.headers(), size);
        self.end = Some(self.end.map_or(size, |end| end.min(size)));
        self.body = Some(response.bytes_stream().boxed());
        Ok(())
    }

    fn what(&self) -> String {
        format!("read `{}/{}`", self.container, self.info.name)
    }
}

fn info(name: &str, headers: &HeaderMap, bytes: u64) -> BlobInfo {
    let text = |name: &str| header(headers, name).unwrap_or_default();
    BlobInfo {
        name: name.to_owned(),
        bytes,
        modified: http_date(&text(LAST_MODIFIED.as_str())),
        etag: bare_etag(&text(ETAG.as_str())),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Of the whole blob, also when a part of it was asked for.
fn total_size(response: &Response) -> u64 {
    let headers = response.headers();
    let range = header(headers, CONTENT_RANGE.as_str());
    let total = range.as_deref().and_then(|range| range.rsplit_once('/')).map(|(_, total)| total.to_owned());
    total.or_else(|| header(headers, CONTENT_LENGTH.as_str())).and_then(|size| size.parse().ok()).unwrap_or_default()
}
