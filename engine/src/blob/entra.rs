//! The Entra identity of this machine, for storage, and secrets that are kept elsewhere.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use huntbook_azure::blob::{Auth, BlobError, STORAGE_SCOPE};
use huntbook_azure::cloud::Cloud;
use huntbook_azure::credential::{TokenSource, default_chain};
use huntbook_azure::http::{Transport, TransportOptions};
use huntbook_azure::secret::Secret;
use huntbook_azure::secret_source::SecretSource;

use crate::{CancelToken, Error, Result};

#[derive(Clone)]
struct Identity {
    tokens: Arc<TokenSource>,
    transport: Arc<Transport>,
}

/// Signs in when the first request needs it, by the first way that works: an application, workload identity, managed
/// identity, the Azure CLI. Tokens are kept in memory while they last.
pub(super) fn auth() -> Result<Auth> {
    let Identity { tokens, transport } = identity()?;
    Ok(Auth::Entra(Arc::new(move || {
        let (tokens, transport) = (tokens.clone(), transport.clone());
        Box::pin(async move {
            tokens.token(&transport, STORAGE_SCOPE).await.map_err(|error| BlobError::credential(error.to_string()))
        })
    })))
}

/// The secret behind `env:NAME`, `file:PATH` or `keyvault://VAULT/NAME`.
pub(super) fn secret(base: &Path, reference: &str, cancel: &CancelToken) -> Result<Secret> {
    let Some(source) = SecretSource::parse(reference) else {
        // It may be the secret itself: it is not repeated.
        return Err(Error::new(
            "BlobError",
            "a secret does not stand in a notebook: write env:NAME, file:PATH or keyvault://VAULT/NAME, which say where it is, or name a store of huntbook.toml",
        ));
    };
    let fail = |problem: huntbook_azure::Error| Error::new("BlobError", problem.to_string());
    let source = match source.map_err(fail)? {
        SecretSource::File(path) => SecretSource::File(base.join(path)),
        other => other,
    };
    let Identity { tokens, transport } = identity()?;
    let work = source.resolve(&transport, Some(&tokens), Cloud::Public, None);
    let secret = huntbook_azure::run(&|| cancel.is_cancelled(), work).map_err(fail)?;
    Ok(Secret::new(secret.expose().trim()))
}

fn identity() -> Result<Identity> {
    static IDENTITY: OnceLock<std::result::Result<Identity, String>> = OnceLock::new();
    let made = IDENTITY.get_or_init(|| {
        let environment = |name: &str| std::env::var(name).ok();
        let chain = default_chain(Cloud::Public, None, &environment).map_err(|error| error.to_string())?;
        let transport = Transport::new(TransportOptions::default()).map_err(|error| error.to_string())?;
        Ok(Identity { tokens: TokenSource::new(chain), transport: Arc::new(transport) })
    });
    made.clone().map_err(|problem| Error::new("BlobError", problem))
}
