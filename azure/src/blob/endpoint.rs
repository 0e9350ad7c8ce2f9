//! Which hosts a credential may go to.

use std::net::IpAddr;

use url::{Host, Url};

use super::BlobError;

/// Storage hosts of the public, US Government and China clouds.
const STORAGE_SUFFIXES: [&str; 4] =
    [".core.windows.net", ".storage.azure.net", ".core.usgovcloudapi.net", ".core.chinacloudapi.cn"];

/// An address that may carry a credential: https, or http to this machine.
pub(super) fn checked(text: &str) -> Result<Url, BlobError> {
    let url =
        Url::parse(text.trim()).map_err(|error| BlobError::invalid(format!("the endpoint is no URL: {error}")))?;
    let Some(host) = url.host() else { return Err(BlobError::invalid("the endpoint names no host")) };
    if url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(BlobError::invalid("the endpoint holds more than a host and a path: leave out the rest"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        "http" => {
            return Err(BlobError::invalid(format!(
                "http to {host} would send the credential in the clear: use https (http is for this machine only)"
            )));
        }
        other => return Err(BlobError::invalid(format!("`{other}://` is no endpoint of Blob Storage: use https://"))),
    }
    if is_metadata(&host) {
        return Err(BlobError::invalid(format!("{host} is not an address of Blob Storage")));
    }
    Ok(url)
}

/// May a credential that the endpoint did not come with (a key from the environment, an Entra token) go there?
pub(super) fn is_storage_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(host)) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || STORAGE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
        }
        Some(host) => is_loopback(&host),
        None => false,
    }
}

/// The account in `https://ACCOUNT.blob.core.windows.net` or `http://127.0.0.1:10000/ACCOUNT`.
pub(super) fn account_of(endpoint: &Url) -> Option<String> {
    match endpoint.host()? {
        Host::Domain(host) if host != "localhost" => host.split('.').next().map(str::to_owned),
        _ => endpoint.path_segments()?.next().filter(|account| !account.is_empty()).map(str::to_owned),
    }
}

/// Account names go into headers and host names.
pub(super) fn check_account(account: &str) -> Result<(), BlobError> {
    let is_name = (1..=63).contains(&account.len())
        && account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name {
        return Ok(());
    }
    Err(BlobError::invalid(format!(
        "{account:?} is no name of a storage account: those are 3 to 24 lower-case letters and digits"
    )))
}

pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Link-local addresses, where clouds answer with the machine's own credentials, and Azure's wire server.
fn is_metadata(host: &Host<&str>) -> bool {
    let address = match host {
        Host::Domain(_) => return false,
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(*address), IpAddr::V4),
    };
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.octets() == [168, 63, 129, 16],
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0) == 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_storage_only() {
        for good in ["https://a.blob.core.windows.net", "https://a.z1.blob.storage.azure.net", "http://127.0.0.1:1/x"] {
            assert!(is_storage_host(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in ["https://core.windows.net.evil.example", "https://evilcore.windows.net.x", "https://10.0.0.1"] {
            assert!(!is_storage_host(&Url::parse(bad).unwrap()), "{bad}");
        }
    }

    #[test]
    fn plain_http_and_metadata_addresses_are_refused() {
        for bad in [
            "http://a.blob.core.windows.net",
            "https://169.254.169.254/",
            "https://168.63.129.16/",
            "https://[fe80::1]/",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        assert!(checked("https://user:secret@a.blob.core.windows.net").is_err());
    }
}
