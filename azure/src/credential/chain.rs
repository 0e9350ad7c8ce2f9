//! Several credentials in order, and which of them gave the token.

use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::{
    AccessToken, AzureCli, AzureDeveloperCli, CertificateKey, Credential, CredentialError, Directory, ManagedIdentity,
    Proof, Reason, ServicePrincipal,
};
use crate::cloud::Cloud;
use crate::error::Error;
use crate::http::Transport;
use crate::secret::Secret;

/// Reads a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Credentials that are tried in order until one gives a token. That one is then kept.
pub struct Chain {
    links: Vec<Link>,
    won: Mutex<Option<usize>>,
}

enum Link {
    Credential(Box<dyn Credential>),
    /// What is not there, and why.
    Missing(CredentialError),
}

impl Chain {
    pub fn new(credentials: Vec<Box<dyn Credential>>) -> Self {
        Self { links: credentials.into_iter().map(Link::Credential).collect(), won: Mutex::default() }
    }

    /// Adds another way behind the others.
    #[must_use]
    pub fn or(mut self, credential: impl Credential + 'static) -> Self {
        self.links.push(Link::Credential(Box::new(credential)));
        self
    }

    fn winner(&self) -> Option<usize> {
        *self.won.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, transport: &Transport, scope: &str) -> Result<AccessToken, CredentialError> {
        if let Some(Link::Credential(winner)) = self.winner().and_then(|index| self.links.get(index)) {
            // Another identity in the middle of the work would be a surprise.
            return winner.token(transport, scope).await;
        }
        let mut reasons = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            let credential = match link {
                Link::Credential(credential) => credential,
                Link::Missing(why) => {
                    reasons.push(why.clone());
                    continue;
                }
            };
            match credential.token(transport, scope).await {
                Ok(token) => {
                    *self.won.lock().unwrap_or_else(PoisonError::into_inner) = Some(index);
                    return Ok(token);
                }
                Err(why) => reasons.push(why),
            }
        }
        let list: String = reasons.iter().map(|why| format!("\n  - {}: {}", why.credential, why.message)).collect();
        let failed = reasons.iter().any(|why| why.reason == Reason::Failed);
        let reason = if failed { Reason::Failed } else { Reason::Unavailable };
        Err(CredentialError {
            credential: self.name(),
            reason,
            message: format!("none works{list}\nSet one of them up, or sign in by device code"),
        })
    }
}

impl Credential for Chain {
    fn name(&self) -> String {
        "the credentials in turn".to_owned()
    }

    fn token<'a>(
        &'a self,
        transport: &'a Transport,
        scope: &'a str,
    ) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(self.fetch(transport, scope))
    }

    fn won(&self) -> Option<String> {
        match self.links.get(self.winner()?)? {
            Link::Credential(credential) => Some(credential.won().unwrap_or_else(|| credential.name())),
            Link::Missing(_) => None,
        }
    }
}

/// What is tried when a connection names no credential: the environment's application (secret or certificate), workload
/// identity, managed identity, the Azure CLI, the Azure Developer CLI.
///
/// `tenant` is the connection's; without one, the environment's.
pub fn default_chain(cloud: Cloud, tenant: Option<&str>, env: Environment<'_>) -> Result<Chain, Error> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let mut links = vec![application(cloud, tenant, &env), workload(cloud, tenant, &env)];
    let client = env("AZURE_CLIENT_ID");
    links.push(link("the managed identity", ManagedIdentity::from_env(&env, client)));
    links.push(link("the Azure CLI", AzureCli::new(tenant)));
    links.push(link("the Azure Developer CLI", AzureDeveloperCli::new(tenant)));
    Ok(Chain { links, won: Mutex::default() })
}

fn link<C: Credential + 'static>(name: &str, credential: Result<C, Error>) -> Link {
    match credential {
        Ok(credential) => Link::Credential(Box::new(credential)),
        Err(error) => Link::Missing(CredentialError::failed(name, error.to_string())),
    }
}

fn directory(cloud: Cloud, tenant: Option<&str>, env: Environment<'_>) -> Result<Directory, Error> {
    let own = env("AZURE_TENANT_ID");
    let tenant = tenant.or(own.as_deref()).unwrap_or_default();
    match env("AZURE_AUTHORITY_HOST") {
        Some(authority) if authority.contains("://") => Directory::at(&authority, tenant),
        Some(authority) => Directory::at(&format!("https://{authority}"), tenant),
        None => Directory::new(cloud, tenant),
    }
}

fn application(cloud: Cloud, tenant: Option<&str>, env: Environment<'_>) -> Link {
    const NAME: &str = "the environment's application";
    let Some(client) = env("AZURE_CLIENT_ID") else {
        return Link::Missing(CredentialError::unavailable(NAME, "AZURE_CLIENT_ID is not set"));
    };
    let proof = match (env("AZURE_CLIENT_SECRET"), env("AZURE_CLIENT_CERTIFICATE_PATH")) {
        (Some(secret), _) => Proof::Secret(Secret::new(secret)),
        (None, Some(file)) => match CertificateKey::from_pem_file(file.as_ref()) {
            Ok(key) => Proof::Certificate(Box::new(key)),
            Err(error) => return Link::Missing(CredentialError::failed(NAME, error.to_string())),
        },
        (None, None) => {
            let why = "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set";
            return Link::Missing(CredentialError::unavailable(NAME, why));
        }
    };
    if tenant.is_none() && env("AZURE_TENANT_ID").is_none() {
        return Link::Missing(CredentialError::unavailable(NAME, "AZURE_TENANT_ID is not set"));
    }
    link(NAME, directory(cloud, tenant, env).map(|directory| ServicePrincipal::new(directory, client, proof)))
}

fn workload(cloud: Cloud, tenant: Option<&str>, env: Environment<'_>) -> Link {
    const NAME: &str = "the workload identity";
    let (Some(file), Some(client)) = (env("AZURE_FEDERATED_TOKEN_FILE"), env("AZURE_CLIENT_ID")) else {
        let why = "AZURE_FEDERATED_TOKEN_FILE and AZURE_CLIENT_ID are not both set";
        return Link::Missing(CredentialError::unavailable(NAME, why));
    };
    let proof = Proof::FederatedFile(file.into());
    link(NAME, directory(cloud, tenant, env).map(|directory| ServicePrincipal::new(directory, client, proof)))
}
