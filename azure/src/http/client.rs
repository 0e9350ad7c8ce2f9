//! reqwest, set up as the rules of the crate demand.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::tls::Version;
use reqwest::{Certificate, Client};

use super::TransportOptions;
use super::endpoint::is_blocked;
use crate::error::{Error, TransportKind};

pub(super) fn build(options: &TransportOptions, proxied: bool) -> Result<Client, Error> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .min_tls_version(Version::TLS_1_2)
        .connect_timeout(options.connect)
        .user_agent(concat!("huntbook/", env!("CARGO_PKG_VERSION")))
        .referer(false);
    builder = if proxied {
        builder.dns_resolver(Arc::new(GuardedResolver { allows: |ip| !is_blocked(ip) }))
    } else {
        // `x.localhost` is this machine only if the resolver agrees.
        builder.no_proxy().dns_resolver(Arc::new(GuardedResolver { allows: |ip| ip.is_loopback() }))
    };
    if let Some(file) = &options.ca_file {
        let wrong = |why: String| Error::Config(format!("the CA file {}: {why}", file.display()));
        let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| wrong("it is not PEM".to_owned()))?;
        if certificates.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| Error::Config(format!("cannot set up TLS: {}", innermost(&error))))
}

/// Says in words why a request did not get an answer. The URL stays out: it may hold a key.
pub(super) fn explain(host: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let kind = if error.is_connect() { TransportKind::Connect } else { TransportKind::Broken };
    let reason = innermost(&error);
    let what = if reason.contains("UnknownIssuer") || reason.contains("certificate") {
        format!(
            "its TLS certificate is not trusted ({reason}); if your organisation has its own CA, give its file as ca_file"
        )
    } else if kind == TransportKind::Connect {
        format!("cannot connect ({reason}); check the address, the network and the proxy")
    } else {
        format!("the connection broke before the answer ({reason})")
    };
    Error::Transport { host: host.to_owned(), what, kind }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut reason = error.source();
    let mut text = error.to_string();
    while let Some(inner) = reason {
        text = inner.to_string();
        reason = inner.source();
    }
    text
}

/// The system's names, but none that leads where it must not: to a metadata service, or away from this machine when it
/// says it is this machine.
struct GuardedResolver {
    allows: fn(IpAddr) -> bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows = self.allows;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.iter().copied().filter(|address| allows(address.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err("the name leads to an address that it must not lead to".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
