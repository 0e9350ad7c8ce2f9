//! List Blobs and List Containers. By hand, because a listing must show what is there: object_store fails on a whole
//! listing when one name in it has an empty part (`a//b`).

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde::Deserialize;

use super::account::Call;
use super::error::unreachable;
use super::{BlobAccount, BlobError, BlobErrorKind};

/// A blob of a listing, or what its properties say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    pub name: String,
    pub bytes: u64,
    pub modified: Option<DateTime<Utc>>,
    /// Changes with the blob's content; without quotes.
    pub etag: String,
}

/// What is below a prefix, sorted by name as the service sorts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub blobs: Vec<BlobInfo>,
    /// Prefixes up to the next `/`, with it; empty for a recursive listing.
    pub folders: Vec<String>,
}

impl BlobAccount {
    /// All blobs whose names begin with `prefix`, which need not end at a `/`; without `recursive` those below a
    /// further `/` are folders. `page` hears the count so far and can end the listing.
    ///
    /// Errors: no such container, no permission to list, or what `page` says.
    pub async fn list<E: From<BlobError>>(
        &self,
        container: &str,
        prefix: &str,
        recursive: bool,
        mut page: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Listing, E> {
        let mut listing = Listing::default();
        let mut marker = String::new();
        loop {
            let found = self.list_page(container, prefix, recursive, &marker).await?;
            listing.blobs.extend(found.0.blobs);
            listing.folders.extend(found.0.folders);
            page(listing.blobs.len() + listing.folders.len())?;
            if found.1.is_empty() {
                return Ok(listing);
            }
            marker = found.1;
        }
    }

    /// One page and the marker of the next, empty at the end.
    async fn list_page(
        &self,
        container: &str,
        prefix: &str,
        recursive: bool,
        marker: &str,
    ) -> Result<(Listing, String), BlobError> {
        let what = format!("list `{container}/{prefix}`");
        let mut call =
            Call::new(Method::GET, container, "", what.clone()).query("restype", "container").query("comp", "list");
        if !prefix.is_empty() {
            call = call.query("prefix", prefix);
        }
        if !recursive {
            call = call.query("delimiter", "/");
        }
        if !marker.is_empty() {
            call = call.query("marker", marker);
        }
        let page: BlobPage = self.xml(&call).await?;
        let blobs = page.blobs.blobs.into_iter().map(Blob::info).collect::<Option<Vec<_>>>();
        let folders = page.blobs.prefixes.into_iter().map(|prefix| prefix.name.decoded()).collect::<Option<Vec<_>>>();
        match (blobs, folders) {
            (Some(blobs), Some(folders)) => Ok((Listing { blobs, folders }, page.next.unwrap_or_default())),
            _ => Err(unreadable(&what, "a name in it cannot be decoded")),
        }
    }

    /// Names of the account's containers.
    ///
    /// Errors: a credential for one container only.
    pub async fn containers(&self) -> Result<Vec<String>, BlobError> {
        let mut names = Vec::new();
        let mut marker = String::new();
        loop {
            let what = format!("list the containers of {}", self.name());
            let mut call = Call::new(Method::GET, "", "", what).query("comp", "list");
            if !marker.is_empty() {
                call = call.query("marker", marker);
            }
            let page: ContainerPage = self.xml(&call).await?;
            names.extend(page.containers.containers.into_iter().map(|container| container.name));
            marker = page.next.unwrap_or_default();
            if marker.is_empty() {
                return Ok(names);
            }
        }
    }

    async fn xml<T: for<'de> Deserialize<'de>>(&self, call: &Call<'_>) -> Result<T, BlobError> {
        let response = self.send(call).await?;
        let host = self.endpoint().host_str().unwrap_or_default();
        let bytes = response.bytes().await.map_err(|error| unreachable(&call.what, host, error))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| unreadable(&call.what, "it is not UTF-8"))?;
        quick_xml::de::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| unreadable(&call.what, &error.to_string()))
    }
}

fn unreadable(what: &str, why: &str) -> BlobError {
    BlobError::new(BlobErrorKind::Service, format!("cannot {what}: the service's answer cannot be read ({why})"))
}

#[derive(Deserialize)]
struct BlobPage {
    #[serde(rename = "Blobs", default)]
    blobs: Blobs,
    #[serde(rename = "NextMarker", default)]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct Blobs {
    #[serde(rename = "Blob", default)]
    blobs: Vec<Blob>,
    #[serde(rename = "BlobPrefix", default)]
    prefixes: Vec<Prefix>,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(rename = "Name")]
    name: Name,
    #[serde(rename = "Properties")]
    properties: Properties,
}

#[derive(Deserialize)]
struct Prefix {
    #[serde(rename = "Name")]
    name: Name,
}

/// Names that XML cannot hold come percent-encoded.
#[derive(Deserialize)]
struct Name {
    #[serde(rename = "@Encoded", default)]
    encoded: bool,
    #[serde(rename = "$text", default)]
    text: String,
}

impl Name {
    fn decoded(self) -> Option<String> {
        if !self.encoded {
            return Some(self.text);
        }
        percent_decode_str(&self.text).decode_utf8().ok().map(String::from)
    }
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "Content-Length", default)]
    bytes: u64,
    #[serde(rename = "Last-Modified", default)]
    modified: String,
    #[serde(rename = "Etag", default)]
    etag: String,
}

impl Blob {
    fn info(self) -> Option<BlobInfo> {
        let Properties { bytes, modified, etag } = self.properties;
        let modified = http_date(&modified);
        Some(BlobInfo { name: self.name.decoded()?, bytes, modified, etag: bare_etag(&etag) })
    }
}

#[derive(Deserialize)]
struct ContainerPage {
    #[serde(rename = "Containers", default)]
    containers: Containers,
    #[serde(rename = "NextMarker", default)]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct Containers {
    #[serde(rename = "Container", default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "Name")]
    name: String,
}

pub(super) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.with_timezone(&Utc))
}

pub(super) fn bare_etag(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_odd_names() {
        let xml = r#"<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="c"><Prefix>a</Prefix><Delimiter>/</Delimiter><Blobs><BlobPrefix><Name>a//</Name></BlobPrefix><Blob><Name>a/b&amp;c&lt;.json</Name><Properties><Last-Modified>Wed, 25 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>12</Content-Length><BlobType>AppendBlob</BlobType></Properties></Blob><BlobPrefix><Name>b/</Name></BlobPrefix><Blob><Name Encoded="true">a%EF%BF%BEb</Name><Properties><Content-Length>0</Content-Length></Properties></Blob></Blobs><NextMarker>2!x</NextMarker></EnumerationResults>"#;
        let page: BlobPage = quick_xml::de::from_str(xml).unwrap();
        assert_eq!(page.next.as_deref(), Some("2!x"));
        let blobs: Vec<BlobInfo> = page.blobs.blobs.into_iter().map(|blob| blob.info().unwrap()).collect();
        assert_eq!(blobs[0].name, "a/b&c<.json");
        assert_eq!((blobs[0].bytes, blobs[0].etag.as_str()), (12, "0x8D"));
        assert_eq!(blobs[0].modified.unwrap().to_rfc3339(), "2026-11-25T10:00:00+00:00");
        assert_eq!(blobs[1].name, "a\u{fffe}b");
        let folders: Vec<String> = page.blobs.prefixes.into_iter().filter_map(|prefix| prefix.name.decoded()).collect();
        assert_eq!(folders, ["a//", "b/"]);
    }

    #[test]
    fn an_empty_page() {
        let xml = r#"<EnumerationResults ContainerName="c"><Blobs/><NextMarker/></EnumerationResults>"#;
        let page: BlobPage = quick_xml::de::from_str(xml).unwrap();
        assert!(page.blobs.blobs.is_empty() && page.next.unwrap_or_default().is_empty());
    }
}
