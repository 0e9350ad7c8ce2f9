//! Where keys and connection strings are kept outside of notebooks: Key Vault, the environment, files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::credential::TokenSource;
use crate::error::Error;
use crate::http::endpoint::is_below;
use crate::http::{Auth, Endpoint, Request, Transport, Trust, encoded};
use crate::secret::Secret;

const API_VERSION: &str = "7.4";
/// A secret is small; a file that is not is the wrong file.
const LARGEST_FILE: u64 = 1 << 20;
/// Resources for which a vault may ask a token.
const VAULT_RESOURCES: [&str; 4] =
    ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn", "managedhsm.azure.net"];

/// A place that has a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `secret://VAULT/NAME` or `secret://VAULT/NAME/VERSION` (also `keyvault://`).
    KeyVault { vault: String, name: String, version: Option<String> },
    /// `env:NAME`
    Environment(String),
    /// `file:PATH`, readable by its owner only.
    File(PathBuf),
}

impl SecretSource {
    /// Reads one of the spellings above. `None` if `text` is none of them.
    pub fn parse(text: &str) -> Option<Result<Self, Error>> {
        if let Some(name) = text.strip_prefix("env:") {
            return Some(Ok(Self::Environment(name.to_owned())));
        }
        let rest = text.strip_prefix("secret://").or_else(|| text.strip_prefix("keyvault://"));
        match rest {
            Some(rest) => Some(key_vault(rest)),
            None => text.strip_prefix("file:").map(|path| Ok(Self::File(path.into()))),
        }
    }

    /// The secret. `tokens` are for Key Vault only; `vault_endpoint` is another address of the vault, which the user's
    /// configuration names.
    pub async fn resolve(
        &self,
        transport: &Transport,
        tokens: Option<&Arc<TokenSource>>,
        cloud: Cloud,
        vault_endpoint: Option<&Endpoint>,
    ) -> Result<Secret, Error> {
        match self {
            Self::Environment(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(Error::Config(format!("the environment variable {name} is not set"))),
            },
            Self::File(path) => read_file(path),
            Self::KeyVault { vault, name, version } => {
                let address = format!("https://{vault}.{}", cloud.key_vault_suffix());
                let own = Endpoint::parse(&address, Trust::Config)?;
                let tokens = tokens.ok_or_else(|| {
                    Error::Config(format!("the vault {vault} needs a credential: name one in the connection"))
                })?;
                let version = version.as_deref().unwrap_or_default();
                from_vault(transport, vault_endpoint.unwrap_or(&own), tokens, name, version).await
            }
        }
    }
}

fn key_vault(rest: &str) -> Result<SecretSource, Error> {
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 127 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        [vault, name, version @ ..] if version.len() <= 1 && parts.iter().all(|part| plain(part)) => {
            Ok(SecretSource::KeyVault {
                vault: (*vault).to_owned(),
                name: (*name).to_owned(),
                version: version.first().map(|version| (*version).to_owned()),
            })
        }
        _ => Err(Error::Config(
            "a secret in Key Vault is named secret://VAULT/NAME, with letters, digits and dashes".to_owned(),
        )),
    }
}

/// Asks without a token first, so that the vault says what token it takes, and checks that this is a vault's.
async fn from_vault(
    transport: &Transport,
    vault: &Endpoint,
    tokens: &Arc<TokenSource>,
    name: &str,
    version: &str,
) -> Result<Secret, Error> {
    let version = if version.is_empty() { String::new() } else { format!("/{}", encoded(version)) };
    let path = format!("/secrets/{}{version}?api-version={API_VERSION}", encoded(name));
    let asked = transport.send(Request::new(Method::GET, vault, path.as_str())).await?;
    let reply = if asked.status == 401 {
        let challenge = asked.header("www-authenticate").unwrap_or_default().to_owned();
        let scope = checked_scope(vault, &challenge)?;
        let auth = Auth::Token(Arc::clone(tokens));
        let mut request = Request::new(Method::GET, vault, path);
        (request.auth, request.scope) = (&auth, &scope);
        transport.send(request).await?
    } else {
        asked
    };
    let host = reply.host.clone();
    let answer = reply.json()?;
    let value = answer.get("value").and_then(Value::as_str);
    value.map(Secret::new).ok_or_else(|| Error::Answer { host, what: "the answer has no secret in it".to_owned() })
}

/// The scope that a vault's challenge asks for. A false vault could ask for a token to something else.
fn checked_scope(vault: &Endpoint, challenge: &str) -> Result<String, Error> {
    let refuse = |why: &str| Error::Refused(format!("the vault {} {why}, so it gets no token", vault.host()));
    let fields = challenge.strip_prefix("Bearer ").ok_or_else(|| refuse("does not ask for a token of Entra"))?;
    let field = |name: &str| {
        fields.split(',').find_map(|field| Some(field.trim().strip_prefix(name)?.strip_prefix('=')?.trim_matches('"')))
    };
    let resource = match (field("resource"), field("scope")) {
        (Some(resource), _) => resource,
        (None, Some(scope)) => super::credential::resource_of(scope),
        (None, None) => return Err(refuse("does not say what token it takes")),
    };
    let named =
        Endpoint::parse(resource, Trust::Notebook).map_err(|_| refuse("asks for a token to a strange resource"))?;
    let known = VAULT_RESOURCES.contains(&named.domain()) && is_below(vault.domain(), named.domain());
    let itself = named.domain() == vault.domain() && vault.is_loopback();
    if known || itself {
        return Ok(format!("{}/.default", named.address()));
    }
    Err(refuse(&format!("asks for a token to {}", named.host())))
}

fn read_file(path: &Path) -> Result<Secret, Error> {
    let wrong = |why: String| Error::Config(format!("the secret file {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let about = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if !about.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Refused(format!(
                "the secret file {} can be read or written by others (mode {mode:o}): chmod 600 it, and change the secret if others may have seen it",
                path.display()
            )));
        }
    }
    if about.len() > LARGEST_FILE {
        return Err(wrong("it is larger than 1 MB".to_owned()));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(LARGEST_FILE).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_a_secret() {
        let parse = |text| SecretSource::parse(text).map(Result::ok);
        let vault = |version: Option<&str>| SecretSource::KeyVault {
            vault: "v1".into(),
            name: "wsSharedKey".into(),
            version: version.map(str::to_owned),
        };
        assert_eq!(parse("secret://v1/wsSharedKey"), Some(Some(vault(None))));
        assert_eq!(parse("keyvault://v1/wsSharedKey/abc"), Some(Some(vault(Some("abc")))));
        assert_eq!(parse("env:KEY"), Some(Some(SecretSource::Environment("KEY".into()))));
        assert_eq!(parse("file:/a/b"), Some(Some(SecretSource::File("/a/b".into()))));
        assert_eq!(parse("hunter2"), None);
        for wrong in ["secret://v.evil.example/n", "secret://v", "secret://v/../x", "secret://v/n/1/2", "secret:///n"] {
            assert_eq!(parse(wrong), Some(None), "{wrong}");
        }
    }

    #[test]
    fn a_vault_may_ask_for_its_own_kind_of_token_only() {
        let vault = Endpoint::parse("https://v1.vault.azure.net", Trust::Config).unwrap();
        let ask = |resource: &str| {
            checked_scope(
                &vault,
                &format!(r#"Bearer authorization="https://login.microsoftonline.com/t", resource="{resource}""#),
            )
        };
        assert_eq!(ask("https://vault.azure.net").unwrap(), "https://vault.azure.net/.default");
        for bad in [
            "https://management.azure.com",
            "https://azure.net",
            "https://vault.azure.net.evil.example",
            "https://evilvault.azure.net",
            "https://vault.azure.cn",
            "nonsense",
        ] {
            assert!(matches!(ask(bad), Err(Error::Refused(_))), "{bad}");
        }
        assert!(checked_scope(&vault, "Basic realm=x").is_err());
        assert!(checked_scope(&vault, "Bearer ").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "planted-file-secret\r\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let error = read_file(&path).unwrap_err().to_string();
        assert!(error.contains("640") && !error.contains("planted"), "{error}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(read_file(&path).unwrap().expose(), "planted-file-secret");
        assert!(read_file(folder.path()).is_err());
    }
}
