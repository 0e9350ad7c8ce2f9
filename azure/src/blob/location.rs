//! The spellings of where a blob or file is.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{BlobError, endpoint};
use crate::secret::Secret;

/// A place for blobs: a local path, or a container and a path in it.
#[derive(Clone)]
pub enum Location {
    /// As it was written, without `file://`.
    Local(String),
    Azure(AzureLocation),
}

/// A container and a path in it; both may be empty.
#[derive(Clone)]
pub struct AzureLocation {
    pub account: AccountRef,
    pub container: String,
    /// Without a slash in front. Not decoded or normalised: blobs are named by any text.
    pub path: String,
}

/// Which account a location belongs to.
#[derive(Clone)]
pub enum AccountRef {
    /// `az://CONTAINER/PATH`: the account that is configured.
    Default,
    /// `blob://NAME/PATH`: a store of `huntbook.toml`.
    Named(String),
    /// The location tells the account's address, and may bring a shared access signature.
    Endpoint { endpoint: Url, sas: Option<Secret> },
}

impl Location {
    /// Reads `az://CONTAINER/PATH`, `blob://NAME/PATH`, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`,
    /// `https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH`, `http://127.0.0.1:10000/ACCOUNT/CONTAINER/PATH`,
    /// `file://PATH` and plain paths.
    ///
    /// Errors: another scheme, or an address that is not of Blob Storage. They never repeat a query string.
    pub fn parse(text: &str) -> Result<Location, BlobError> {
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Location::Local(path.to_owned()));
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(Location::Local(text.to_owned())) };
        let azure = match scheme.to_ascii_lowercase().as_str() {
            "az" | "azure" | "adl" => split(AccountRef::Default, rest),
            "blob" => named(rest)?,
            "abfs" | "abfss" | "wasb" | "wasbs" => filesystem(scheme, rest)?,
            "http" | "https" => address(text)?,
            other => {
                return Err(BlobError::invalid(format!(
                    "`{other}://` is no place for blobs; there are az://, blob://, abfss://, https:// and file://"
                )));
            }
        };
        // Of a named store, the first part may be a folder of its own container.
        if !matches!(azure.account, AccountRef::Named(_)) {
            check_container(&azure.container)?;
        }
        Ok(Location::Azure(azure))
    }
}

fn split(account: AccountRef, rest: &str) -> AzureLocation {
    let (container, path) = rest.split_once('/').unwrap_or((rest, ""));
    AzureLocation { account, container: container.to_owned(), path: path.to_owned() }
}

/// `NAME/CONTAINER/PATH`; where the store has a container of its own, the caller takes both parts for the path.
fn named(rest: &str) -> Result<AzureLocation, BlobError> {
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if name.is_empty() {
        return Err(BlobError::invalid("`blob://` is followed by the name of a store in huntbook.toml"));
    }
    Ok(split(AccountRef::Named(name.to_owned()), rest))
}

/// Hadoop's spelling. The blob endpoint of the account has the same blobs.
fn filesystem(scheme: &str, rest: &str) -> Result<AzureLocation, BlobError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some((container, host)) = authority.split_once('@') else {
        return Ok(AzureLocation {
            account: AccountRef::Default,
            container: authority.to_owned(),
            path: path.to_owned(),
        });
    };
    let host = host.replacen(".dfs.", ".blob.", 1);
    let endpoint = endpoint::checked(&format!("https://{host}"))?;
    if !endpoint::is_storage_host(&endpoint) {
        return Err(BlobError::invalid(format!("`{scheme}://{container}@{host}` is not an address of Blob Storage")));
    }
    let account = AccountRef::Endpoint { endpoint, sas: None };
    Ok(AzureLocation { account, container: container.to_owned(), path: path.to_owned() })
}

fn address(text: &str) -> Result<AzureLocation, BlobError> {
    let (bare, query) = text.split_once('?').unwrap_or((text, ""));
    let url = endpoint::checked(bare)?;
    let sas = (!query.is_empty()).then(|| Secret::new(query));
    let by_host = matches!(url.host(), Some(url::Host::Domain(host)) if host != "localhost");
    // Not from the URL, which would normalise the path: blobs are named by any text.
    let after_host = bare.splitn(4, '/').nth(3).unwrap_or_default();
    let (account, rest) =
        if by_host { ("", after_host) } else { after_host.split_once('/').unwrap_or((after_host, "")) };
    let mut endpoint = url.clone();
    endpoint.set_path(account);
    endpoint.set_fragment(None);
    let location = split(AccountRef::Endpoint { endpoint, sas }, rest);
    let path = percent_decode_str(&location.path)
        .decode_utf8()
        .map_err(|_| BlobError::invalid("the path of the address is not UTF-8 when decoded"))?
        .into_owned();
    Ok(AzureLocation { path, ..location })
}

/// Container names go into the address as they are.
///
/// Errors: a name that no container can have; an empty one is none yet.
pub fn check_container(container: &str) -> Result<(), BlobError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'$';
    if container.len() <= 63 && container.bytes().all(allowed) {
        return Ok(());
    }
    let lower = container.to_ascii_lowercase();
    let advice =
        if lower.len() <= 63 && lower.bytes().all(allowed) { format!("; write `{lower}`") } else { String::new() };
    Err(BlobError::invalid(format!(
        "{container:?} is no name of a container: those are 3 to 63 lower-case letters, digits and `-`{advice}"
    )))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => f.write_str(path),
            Location::Azure(azure) => azure.fmt(f),
        }
    }
}

impl fmt::Display for AzureLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AzureLocation { account, container, path } = self;
        match account {
            AccountRef::Default => write!(f, "az://{container}/{path}"),
            AccountRef::Named(name) => write!(f, "blob://{name}/{container}/{path}"),
            AccountRef::Endpoint { endpoint, .. } => {
                write!(f, "{}/{container}/{path}", endpoint.as_str().trim_end_matches('/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn azure(text: &str) -> AzureLocation {
        match Location::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
            Location::Azure(azure) => azure,
            Location::Local(path) => panic!("{text} is local: {path}"),
        }
    }

    #[test]
    fn every_spelling() {
        let it = azure("az://am-securityevent/a//b c/é.json");
        assert_eq!((it.container.as_str(), it.path.as_str()), ("am-securityevent", "a//b c/é.json"));
        let it = azure("abfss://logs@hunt.dfs.core.windows.net/y=2026/x.json");
        assert_eq!(it.to_string(), "https://hunt.blob.core.windows.net/logs/y=2026/x.json");
        let it = azure("https://hunt.blob.core.windows.net/logs/a%20b//c.json?sv=1&sig=secret");
        assert_eq!((it.container.as_str(), it.path.as_str()), ("logs", "a b//c.json"));
        assert!(
            matches!(&it.account, AccountRef::Endpoint { sas: Some(sas), .. } if sas.expose() == "sv=1&sig=secret")
        );
        assert!(!it.to_string().contains("secret"));
        let it = azure("http://127.0.0.1:10000/devstoreaccount1/logs/x/y.json");
        assert_eq!(it.to_string(), "http://127.0.0.1:10000/devstoreaccount1/logs/x/y.json");
        let it = azure("blob://exports/am-x/y=2026");
        assert!(matches!(&it.account, AccountRef::Named(name) if name == "exports"));
        assert!(matches!(Location::parse("file:///tmp/x").unwrap(), Location::Local(path) if path == "/tmp/x"));
        assert!(matches!(Location::parse("data/x.csv").unwrap(), Location::Local(path) if path == "data/x.csv"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            ("s3://x/y", "s3"),
            ("az://am-SecurityEvent/x", "write `am-securityevent`"),
            ("http://hunt.blob.core.windows.net/c/x", "https"),
            ("abfss://c@evil.example/x", "not an address"),
            ("blob:///x", "huntbook.toml"),
        ] {
            let error = Location::parse(text).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
