//! Addresses that requests, and what they carry, may go to.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use crate::cloud::KNOWN_DOMAINS;
use crate::error::Error;

/// Azure's address for the services of the machine itself.
const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Who named an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The user's own configuration or command line, or this crate.
    Config,
    /// A cell. Notebooks are shared, so an address in one gets no token of the user's unless it is Microsoft's.
    Notebook,
}

/// The origin and path below which a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    trust: Trust,
}

impl Endpoint {
    /// Reads an address: `https`, or `http` for this machine only; no user, query or fragment; no address of the
    /// machine's metadata service.
    pub fn parse(address: &str, trust: Trust) -> Result<Self, Error> {
        let url = parse(address)?;
        match url.host() {
            Some(Host::Ipv4(ip)) => refuse_blocked(IpAddr::V4(ip), address_host(&url))?,
            Some(Host::Ipv6(ip)) => refuse_blocked(IpAddr::V6(ip), address_host(&url))?,
            Some(Host::Domain(_)) => {}
            None => {
                return Err(Error::Config("an address needs a host, as in https://api.loganalytics.azure.com".into()));
            }
        }
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(Error::Refused(format!(
                "{}: http is not encrypted, so it is only for this machine; use https",
                address_host(&url)
            )));
        }
        Ok(Self { url, trust })
    }

    /// The address of a metadata service: of this machine, or link-local, where http is all there is. Only for managed
    /// identities.
    pub(crate) fn metadata(address: &str) -> Result<Self, Error> {
        let url = parse(address)?;
        let link_local = matches!(url.host(), Some(Host::Ipv4(ip)) if ip.is_link_local());
        if is_loopback(&url) || link_local || url.scheme() == "https" {
            return Ok(Self { url, trust: Trust::Config });
        }
        Err(Error::Refused(format!("{} is no address of a managed identity service", address_host(&url))))
    }

    /// Another path at the same origin, with the same trust.
    pub(crate) fn moved_to(&self, address: &str) -> Result<Self, Error> {
        let moved = Self::parse(address, self.trust)?;
        if moved.url.origin() == self.url.origin() {
            Ok(moved)
        } else {
            Err(Error::Refused(format!("{} is not at {}", moved.host(), self.host())))
        }
    }

    /// Host, and port if it is not the usual one: what messages show.
    pub fn host(&self) -> String {
        address_host(&self.url)
    }

    /// The host's name alone.
    pub fn domain(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The address without a slash at the end.
    pub fn address(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Whether requests go there without a proxy: this machine and its metadata service.
    pub(crate) fn is_direct(&self) -> bool {
        self.is_loopback() || matches!(self.url.host(), Some(Host::Ipv4(ip)) if ip.is_link_local())
    }

    /// Whether the user's tokens may go there: it is Microsoft's, or the user has named it outside of notebooks.
    pub fn takes_tokens(&self) -> bool {
        self.trust == Trust::Config || KNOWN_DOMAINS.iter().any(|known| is_below(self.domain(), known))
    }

    /// The URL of a path below the endpoint. `path` starts with `/` and is encoded already.
    pub(crate) fn at(&self, path: &str) -> Result<Url, Error> {
        let address = format!("{}{path}", self.address());
        let url = Url::parse(&address).map_err(|error| Error::Config(format!("{}: {error}", self.host())))?;
        // `path` may hold names that a user wrote: whatever they are, the request stays at this origin.
        if url.origin() == self.url.origin() {
            Ok(url)
        } else {
            Err(Error::Refused(format!("a path at {} leads to another host", self.host())))
        }
    }

    /// The path and query of a link that the service gave, if it leads to the same origin.
    pub(crate) fn path_of_link(&self, link: &str) -> Result<String, Error> {
        let url = self.url.join(link).map_err(|error| Error::Answer {
            host: self.host(),
            what: format!("a link in the answer cannot be read: {error}"),
        })?;
        if url.origin() != self.url.origin() {
            return Err(Error::Refused(format!(
                "{} links its next page to another host, {}, which huntbook does not follow",
                self.host(),
                address_host(&url)
            )));
        }
        let base = self.url.path().trim_end_matches('/');
        let path = url.path().strip_prefix(base).unwrap_or(url.path());
        Ok(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
    }
}

fn parse(address: &str) -> Result<Url, Error> {
    // The address itself is not shown: it may hold a key.
    let mut url = Url::parse(address.trim())
        .map_err(|error| Error::Config(format!("an address cannot be read ({error}): write it as https://host")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Config(format!("an address of scheme `{}` is not supported: use https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Refused(format!("{}: user and password do not belong into an address", address_host(&url))));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

pub(crate) fn address_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Whether `host` is `domain` or below it.
pub(crate) fn is_below(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix(&domain.to_ascii_lowercase()).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn refuse_blocked(ip: IpAddr, host: String) -> Result<(), Error> {
    if is_blocked(ip) {
        return Err(Error::Refused(format!(
            "{host} is an address of the machine's own services, to which notebooks may send nothing"
        )));
    }
    Ok(())
}

/// Link-local addresses (metadata services are among them), Azure's wire server, and "any address".
pub(crate) fn is_blocked(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip == WIRE_SERVER || ip.is_unspecified() || ip.is_multicast(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_blocked(IpAddr::V4(mapped)),
            None => ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notebook(address: &str) -> Result<Endpoint, Error> {
        Endpoint::parse(address, Trust::Notebook)
    }

    #[test]
    fn only_https_but_for_this_machine() {
        for good in ["https://api.loganalytics.io/v1", "http://127.0.0.1:8799", "http://localhost", "http://[::1]:1"] {
            notebook(good).unwrap();
        }
        for bad in [
            "http://api.loganalytics.io",
            "ftp://x.y",
            "https://user:pw@x.y",
            "not an address",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
        ] {
            assert!(notebook(bad).is_err(), "{bad}");
        }
        assert!(!notebook("https://me:hunter2hunter2@x.y").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn no_metadata_service_in_any_spelling() {
        for bad in [
            "http://169.254.169.254/metadata",
            "https://169.254.169.254",
            "https://2852039166",
            "https://0xA9.0xFE.0xA9.0xFE",
            "https://[::ffff:169.254.169.254]",
            "https://[fe80::1]",
            "https://168.63.129.16",
            "https://0.0.0.0",
        ] {
            assert!(matches!(notebook(bad), Err(Error::Refused(_))), "{bad}");
        }
    }

    #[test]
    fn tokens_only_go_where_they_belong() {
        assert!(notebook("https://c1.westeurope.kusto.windows.net").unwrap().takes_tokens());
        for other in ["https://kusto.windows.net.evil.example", "https://evilkusto.windows.net", "http://127.0.0.1:1"] {
            assert!(!notebook(other).unwrap().takes_tokens(), "{other}");
            assert!(Endpoint::parse(other, Trust::Config).unwrap().takes_tokens());
        }
    }

    #[test]
    fn links_stay_at_the_origin() {
        let endpoint = notebook("https://management.azure.com").unwrap();
        assert_eq!(endpoint.path_of_link("https://management.azure.com/a?b=c").unwrap(), "/a?b=c");
        for other in [
            "https://evil.example/a",
            "http://management.azure.com/a",
            "//evil.example",
            "https://management.azure.com:8443/",
        ] {
            assert!(endpoint.path_of_link(other).is_err(), "{other}");
        }
        assert!(endpoint.at("@evil.example/x").is_err());
        assert!(endpoint.at(".evil.example/x").is_err());
    }
}
