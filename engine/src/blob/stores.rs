//! Which account and credential a location means.
//!
//! In order: a signature in the location itself, `--connection env:NAME|file:PATH|keyvault://VAULT/NAME`, `--store NAME` or `blob://NAME/...`
//! (`huntbook.toml`), then the environment's `AZURE_STORAGE_CONNECTION_STRING`, or `AZURE_STORAGE_ACCOUNT` with
//! `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN`; at last the Entra identity that this machine has.
//!
//! ```toml
//! [stores.exports]
//! connection_string = "env:EXPORTS"      # or account = "hunt" with key, sas, or neither (Entra)
//! container = "am-securityevent"         # blob://exports/PATH is then in it
//! ```

use std::path::{Path, PathBuf};

use huntbook_azure::blob::{AccountRef, Auth, AzureLocation, BlobAccount, ConnectionString, check_container};
use huntbook_azure::secret::Secret;
use huntbook_azure::secret_source::SecretSource;
use url::Url;

use super::entra;
use crate::{CancelToken, Error, Result};

const FILE_NAME: &str = "huntbook.toml";

/// How a command says which account it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A store of `huntbook.toml`
    pub store: Option<String>,
    /// Where a connection string is: `env:NAME`, `file:PATH`, `keyvault://VAULT/NAME`
    pub connection: Option<String>,
    /// Send no credential
    pub anonymous: bool,
}

/// A store of `huntbook.toml`.
#[derive(Default)]
pub(crate) struct BlobStore {
    connection_string: Option<Secret>,
    account: Option<String>,
    endpoint: Option<String>,
    key: Option<Secret>,
    sas: Option<Secret>,
    anonymous: bool,
    container: Option<String>,
}

/// A container and a path in it, with the account to ask.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) account: BlobAccount,
    pub(crate) container: String,
    pub(crate) path: String,
}

/// Finds the account of a location. `base`: the notebook's folder.
pub(super) fn resolve(base: &Path, location: AzureLocation, access: &Access, cancel: &CancelToken) -> Result<Remote> {
    let AzureLocation { account, mut container, mut path } = location;
    let name = match &account {
        AccountRef::Named(name) => Some(name.clone()),
        _ => access.store.clone(),
    };
    let store = match &name {
        Some(name) => Some(named(base, name, cancel)?),
        None => None,
    };
    if let (AccountRef::Named(_), Some(own)) = (&account, store.as_ref().and_then(|store| store.container.clone())) {
        path = [container.as_str(), path.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        container = own;
    }
    check_container(&container)?;
    let account = match account {
        AccountRef::Endpoint { endpoint, sas: Some(sas) } => BlobAccount::at(&endpoint, &Auth::Sas(sas))?,
        AccountRef::Endpoint { endpoint, sas: None } => at(base, &endpoint, store, access, cancel)?,
        _ if access.anonymous => {
            BlobAccount::at(configured(base, store, access, cancel)?.endpoint(), &Auth::Anonymous)?
        }
        _ => configured(base, store, access, cancel)?,
    };
    Ok(Remote { account, container, path })
}

/// The account that the location does not name.
fn configured(base: &Path, store: Option<BlobStore>, access: &Access, cancel: &CancelToken) -> Result<BlobAccount> {
    if let Some(reference) = &access.connection {
        return Ok(BlobAccount::connect(ConnectionString::parse(entra::secret(base, reference, cancel)?.expose())?)?);
    }
    if let Some(store) = store {
        return store.open();
    }
    of_environment().unwrap_or_else(|| {
        Err(error(
            "which storage account? Name it in the location (https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH), or set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT, or give --connection env:NAME or --store NAME (huntbook.toml)",
        ))
    })
}

/// The account at an address, with the credential that is configured for it.
fn at(
    base: &Path,
    endpoint: &Url,
    store: Option<BlobStore>,
    access: &Access,
    cancel: &CancelToken,
) -> Result<BlobAccount> {
    if access.anonymous {
        return Ok(BlobAccount::at(endpoint, &Auth::Anonymous)?);
    }
    let is_explicit = store.is_some() || access.connection.is_some();
    let known = if is_explicit { Some(configured(base, store, access, cancel)) } else { of_environment() };
    match known {
        Some(Ok(account)) if same_place(account.endpoint(), endpoint) => Ok(account),
        // A credential of one account must not go to another.
        Some(Ok(account)) if is_explicit => Err(error(format!(
            "the credential is for {}, the location is at {}",
            account.endpoint().as_str().trim_end_matches('/'),
            endpoint.as_str().trim_end_matches('/')
        ))),
        Some(Err(problem)) => Err(problem),
        _ => Ok(BlobAccount::at(endpoint, &entra::auth()?)?),
    }
}

fn same_place(one: &Url, other: &Url) -> bool {
    let place = |url: &Url| {
        (
            url.host_str().map(str::to_ascii_lowercase),
            url.port_or_known_default(),
            url.path().trim_matches('/').to_owned(),
        )
    };
    place(one) == place(other)
}

fn of_environment() -> Option<Result<BlobAccount>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let secret = |name: &str| variable(name).map(Secret::new);
    let store = BlobStore {
        connection_string: secret("AZURE_STORAGE_CONNECTION_STRING"),
        account: variable("AZURE_STORAGE_ACCOUNT").or_else(|| variable("AZURE_STORAGE_ACCOUNT_NAME")),
        key: secret("AZURE_STORAGE_KEY").or_else(|| secret("AZURE_STORAGE_ACCOUNT_KEY")),
        sas: secret("AZURE_STORAGE_SAS_TOKEN"),
        ..BlobStore::default()
    };
    (store.connection_string.is_some() || store.account.is_some()).then(|| store.open())
}

impl BlobStore {
    fn open(self) -> Result<BlobAccount> {
        if let Some(text) = self.connection_string {
            return Ok(BlobAccount::connect(ConnectionString::parse(text.expose())?)?);
        }
        let endpoint = match (self.endpoint, self.account) {
            (Some(endpoint), _) => endpoint,
            (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
            (None, None) => {
                return Err(error("the store names no account: it needs account, endpoint or connection_string"));
            }
        };
        let endpoint =
            Url::parse(&endpoint).map_err(|problem| error(format!("{endpoint:?} is no address: {problem}")))?;
        let auth = match (self.key, self.sas) {
            (Some(key), _) => Auth::AccountKey(key),
            (None, Some(sas)) => Auth::Sas(sas),
            (None, None) if self.anonymous => Auth::Anonymous,
            (None, None) => entra::auth()?,
        };
        Ok(BlobAccount::at(&endpoint, &auth)?)
    }
}

/// The nearest `[stores.NAME]`, from the notebook's folder upward and then in the user's configuration.
fn named(base: &Path, name: &str, cancel: &CancelToken) -> Result<BlobStore> {
    let own = std::env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    let own = own.map(|config| config.join("huntbook").join(FILE_NAME));
    let mut known = Vec::new();
    for path in base.ancestors().map(|folder| folder.join(FILE_NAME)).chain(own) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let bad = |problem: String| error(format!("{}: {problem}", path.display()));
        let document: toml::Table = toml::from_str(&text).map_err(|problem| bad(problem.message().to_owned()))?;
        let Some(toml::Value::Table(stores)) = document.get("stores") else { continue };
        if let Some(store) = stores.get(name) {
            return read_store(&path, store, cancel)
                .map_err(|problem| bad(format!("[stores.{name}]: {}", problem.message)));
        }
        known.extend(stores.keys().cloned());
    }
    let known =
        if known.is_empty() { "no file has any".to_owned() } else { format!("there are: {}", known.join(", ")) };
    Err(error(format!("no {FILE_NAME} has a [stores.{name}]; {known}")))
}

fn read_store(path: &Path, table: &toml::Value, cancel: &CancelToken) -> Result<BlobStore> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut store = BlobStore::default();
    let entries = table.as_table().ok_or_else(|| error("it is no table"))?;
    for (key, value) in entries {
        let text = value.as_str().ok_or_else(|| error(format!("`{key}` is no text")))?;
        match key.as_str() {
            "connection_string" => store.connection_string = Some(configured_secret(path, base, text, cancel)?),
            "key" => store.key = Some(configured_secret(path, base, text, cancel)?),
            "sas" => store.sas = Some(configured_secret(path, base, text, cancel)?),
            "account" => store.account = Some(text.to_owned()),
            "endpoint" => store.endpoint = Some(text.to_owned()),
            "container" => store.container = Some(text.to_owned()),
            "credential" if text == "anonymous" => store.anonymous = true,
            "credential" if text == "entra" => {}
            "credential" => return Err(error("`credential` is \"entra\" or \"anonymous\"")),
            other => {
                return Err(error(format!(
                    "stores have no `{other}`; they have connection_string, account, endpoint, key, sas, credential, container"
                )));
            }
        }
    }
    Ok(store)
}

/// A secret as a file has it: a reference, or the value if nobody else can read the file.
fn configured_secret(path: &Path, base: &Path, text: &str, cancel: &CancelToken) -> Result<Secret> {
    if SecretSource::parse(text).is_some() {
        return entra::secret(base, text, cancel);
    }
    check_private(path)?;
    Ok(Secret::new(text))
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|problem| Error::io("read", path, &problem))?;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(error(format!("{} holds a secret that others can read: `chmod 600` it first", path.display())))
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

fn error(message: impl Into<String>) -> Error {
    Error::new("BlobError", message)
}

#[cfg(test)]
mod tests {
    use huntbook_azure::blob::Location;

    use super::*;

    const KEY: &str = "c2VjcmV0LWtleQ==";

    fn azure(text: &str) -> AzureLocation {
        match Location::parse(text).unwrap() {
            Location::Azure(azure) => azure,
            Location::Local(path) => panic!("{path}"),
        }
    }

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_named_store_has_its_account_and_container() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[stores.exports]\naccount = \"hunt\"\nkey = \"{KEY}\"\ncontainer = \"am-x\"\n");
        write(&folder.path().join(FILE_NAME), &text, 0o600);
        let inner = folder.path().join("notebooks");
        std::fs::create_dir(&inner).unwrap();
        let remote =
            resolve(&inner, azure("blob://exports/a/b.json"), &Access::default(), &CancelToken::default()).unwrap();
        assert_eq!(remote.account.endpoint().as_str(), "https://hunt.blob.core.windows.net/");
        assert_eq!((remote.container.as_str(), remote.path.as_str()), ("am-x", "a/b.json"));
        let access = Access { store: Some("exports".into()), ..Access::default() };
        let remote = resolve(&inner, azure("az://other/c"), &access, &CancelToken::default()).unwrap();
        assert_eq!((remote.container.as_str(), remote.path.as_str()), ("other", "c"));
        let missing =
            resolve(&inner, azure("blob://nope/x"), &Access::default(), &CancelToken::default()).err().unwrap();
        assert!(missing.message.contains("there are: exports"), "{missing}");
    }

    #[test]
    fn a_key_stays_with_its_account() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connection");
        write(&path, &format!("AccountName=hunt;AccountKey={KEY}\n"), 0o600);
        let access = Access { connection: Some("file:connection".into()), ..Access::default() };
        let own = azure("https://hunt.blob.core.windows.net/c/x");
        assert_eq!(resolve(folder.path(), own, &access, &CancelToken::default()).unwrap().account.name(), "hunt");
        let other = azure("https://evil.blob.core.windows.net/c/x");
        let refused = resolve(folder.path(), other, &access, &CancelToken::default()).err().unwrap();
        assert!(refused.message.contains("is for https://hunt"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_that_others_can_read_are_refused_unseen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        write(&path, &format!("[stores.x]\naccount = \"hunt\"\nkey = \"{KEY}\"\n"), 0o644);
        let refused =
            resolve(folder.path(), azure("blob://x/c"), &Access::default(), &CancelToken::default()).err().unwrap();
        assert!(refused.message.contains("chmod 600") && !refused.message.contains(KEY), "{refused}");
        let access = Access { connection: Some(KEY.into()), ..Access::default() };
        let refused = resolve(folder.path(), azure("az://c/x"), &access, &CancelToken::default()).err().unwrap();
        assert!(refused.message.contains("env:NAME") && !refused.message.contains(KEY), "{refused}");
    }
}
