//! An application that signs in by itself: by secret, certificate, or the token of its workload.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{AccessToken, Credential, CredentialError, Directory};
use crate::error::Error;
use crate::http::Transport;
use crate::secret::Secret;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is valid, in seconds.
const ASSERTION_LIFE: u64 = 600;

/// What an application proves itself with.
pub enum Proof {
    Secret(Secret),
    Certificate(Box<CertificateKey>),
    /// A file with the workload's token, which its platform renews: read anew each time.
    FederatedFile(PathBuf),
}

/// An application in a tenant.
pub struct ServicePrincipal {
    directory: Directory,
    client: String,
    proof: Proof,
}

impl ServicePrincipal {
    pub fn new(directory: Directory, client_id: impl Into<String>, proof: Proof) -> Self {
        Self { directory, client: client_id.into(), proof }
    }

    async fn fetch(&self, transport: &Transport, scope: &str) -> Result<AccessToken, CredentialError> {
        let mut form =
            vec![("grant_type", "client_credentials"), ("client_id", self.client.as_str()), ("scope", scope)];
        let assertion;
        match &self.proof {
            Proof::Secret(secret) => form.push(("client_secret", secret.expose())),
            Proof::Certificate(key) => {
                assertion = key
                    .assertion(&self.directory.token_url(), &self.client)
                    .map_err(|why| CredentialError::failed(self.name(), why))?;
                form.extend([("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.expose())]);
            }
            Proof::FederatedFile(file) => {
                let text = tokio::fs::read_to_string(file).await.map_err(|error| {
                    CredentialError::unavailable(self.name(), format!("cannot read {}: {error}", file.display()))
                })?;
                assertion = Secret::new(text.trim());
                form.extend([("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.expose())]);
            }
        }
        let granted = self.directory.token(transport, &form).await;
        granted.map(|granted| granted.token).map_err(|denied| CredentialError::failed(self.name(), denied.message()))
    }
}

impl Credential for ServicePrincipal {
    fn name(&self) -> String {
        let proof = match self.proof {
            Proof::Secret(_) => "client secret",
            Proof::Certificate(_) => "certificate",
            Proof::FederatedFile(_) => "workload identity",
        };
        format!("the {proof} of application {} in tenant {}", self.client, self.directory.tenant())
    }

    fn token<'a>(
        &'a self,
        transport: &'a Transport,
        scope: &'a str,
    ) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(self.fetch(transport, scope))
    }
}

/// A certificate and its RSA key.
pub struct CertificateKey {
    key: RsaKeyPair,
    thumbprint: String,
}

impl CertificateKey {
    /// Reads one PEM file with the certificate and its private key (PKCS #8 or PKCS #1, without a password).
    pub fn from_pem_file(file: &Path) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Config(format!("the certificate file {}: {why}", file.display()));
        let pem = zeroize::Zeroizing::new(std::fs::read(file).map_err(|error| wrong(&error.to_string()))?);
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| {
            wrong(
                "there is no certificate in it as PEM. A .pfx is made PEM by `openssl pkcs12 -in x.pfx -nodes -out x.pem`",
            )
        })?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| wrong("there is no private key in it; certificate and key belong into one file"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(wrong("Entra takes RSA keys of 2048 bits or more")),
        }
        .map_err(|_| wrong("its key is not an RSA key of 2048 bits or more"))?;
        Ok(Self { key, thumbprint: BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)) })
    }

    /// A JWT that says who asks, signed with the key (PS256).
    fn assertion(&self, audience: &str, client: &str) -> Result<Secret, &'static str> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({"aud": audience, "iss": client, "sub": client, "jti": Uuid::new_v4().to_string(),
            "iat": now, "nbf": now, "exp": now + ASSERTION_LIFE});
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the certificate's key cannot sign")?;
        Ok(Secret::of_one_request(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}
