//! What a connection is, wherever it was written down.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use huntbook_azure::secret::Secret;

use crate::{Error, Result};

/// What answers the queries of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    LogAnalytics,
    /// Azure Data Explorer, and whatever speaks its protocol
    Kusto,
    ApplicationInsights,
    /// A workspace folder
    Local,
    /// A folder of data files, each of them a table
    Files,
}

impl Kind {
    const SCHEMES: [(&'static str, Kind); 10] = [
        ("loganalytics", Kind::LogAnalytics),
        ("azuredataexplorer", Kind::Kusto),
        ("kusto", Kind::Kusto),
        ("adx", Kind::Kusto),
        ("ade", Kind::Kusto),
        ("applicationinsights", Kind::ApplicationInsights),
        ("appinsights", Kind::ApplicationInsights),
        ("local", Kind::Local),
        ("file", Kind::Files),
        ("cache", Kind::Files),
    ];

    /// By the word in front of `://`, or behind an `@`.
    pub(crate) fn named(scheme: &str) -> Option<Kind> {
        let scheme = scheme.to_ascii_lowercase();
        Kind::SCHEMES.iter().find(|(name, _)| *name == scheme).map(|(_, kind)| *kind)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::LogAnalytics => "loganalytics",
            Kind::Kusto => "kusto",
            Kind::ApplicationInsights => "applicationinsights",
            Kind::Local => "local",
            Kind::Files => "file",
        }
    }

    pub(crate) fn is_remote(self) -> bool {
        matches!(self, Kind::LogAnalytics | Kind::Kusto | Kind::ApplicationInsights)
    }
}

/// Where a connection was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a cell
    Notebook,
    File {
        path: PathBuf,
        /// The user's own file, which may say where tokens go
        is_users: bool,
    },
}

/// Everything that was said about a connection. Secrets never show.
#[derive(Clone)]
pub(crate) struct Definition {
    pub name: String,
    pub kind: Kind,
    pub origin: Origin,
    /// By the names of [`KEYS`]
    settings: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, Held>,
}

/// A secret of a connection.
#[derive(Clone)]
pub(crate) enum Held {
    Value(Secret),
    /// `env:NAME`, `file:PATH`, `secret://VAULT/NAME`: where it is, which is no secret
    At(String),
}

impl Held {
    fn of(text: String) -> Held {
        let is_place = ["env:", "file:", "secret://", "keyvault://"].iter().any(|prefix| text.starts_with(prefix));
        if is_place { Held::At(text) } else { Held::Value(Secret::new(text)) }
    }
}

/// A key of connection strings and of `huntbook.toml`.
struct Key {
    name: &'static str,
    /// As other tools write it; case, `-` and `_` do not count
    aliases: &'static [&'static str],
    secret: bool,
}

const fn key(name: &'static str, aliases: &'static [&'static str]) -> Key {
    Key { name, aliases, secret: false }
}

const fn secret(name: &'static str, aliases: &'static [&'static str]) -> Key {
    Key { name, aliases, secret: true }
}

const KEYS: [Key; 29] = [
    key("workspace", &["workspaceid"]),
    key("resource_id", &[]),
    key("app", &["appid", "applicationid"]),
    key("cluster", &[]),
    key("database", &[]),
    key("folder", &["path"]),
    key("tenant", &["tenantid"]),
    key("cloud", &[]),
    key("endpoint", &["datasourceurl"]),
    key("authority", &["aadurl"]),
    key("audience", &["scope"]),
    key("ca_file", &[]),
    key("credential", &["auth"]),
    key("client_id", &[]),
    key("user_name", &["username"]),
    key("certificate_file", &["certificatepemfile"]),
    key("certificate_thumbprint", &[]),
    key("time_column", &[]),
    key("timeout", &[]),
    key("dce", &["ingestionendpoint"]),
    key("dcr", &["ruleid", "immutableid"]),
    key("stream", &[]),
    key("collector_endpoint", &[]),
    key("alias", &[]),
    secret("client_secret", &[]),
    secret("token", &["accesstoken"]),
    secret("password", &[]),
    secret("app_key", &["apikey"]),
    secret("shared_key", &["workspacekey"]),
];

/// Words of connection strings that stand without a value.
const WORDS: [(&str, &str); 9] = [
    ("code", "device_code"),
    ("devicecode", "device_code"),
    ("azcli", "azure_cli"),
    ("azurecli", "azure_cli"),
    ("azd", "azd"),
    ("msi", "managed_identity"),
    ("managedidentity", "managed_identity"),
    ("environment", "environment"),
    ("anonymous", "anonymous"),
];

pub(super) fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

impl Definition {
    pub(crate) fn new(name: impl Into<String>, kind: Kind, origin: Origin) -> Definition {
        Definition { name: name.into(), kind, origin, settings: BTreeMap::new(), secrets: BTreeMap::new() }
    }

    /// Errors: a key that connections do not have. The value is not shown: it may be a secret.
    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<()> {
        let wanted = canonical(name);
        let named = |key: &&Key| canonical(key.name) == wanted || key.aliases.iter().any(|alias| *alias == wanted);
        let Some(key) = KEYS.iter().find(named) else { return Err(unknown_key(name)) };
        match key {
            Key { name: "alias", .. } => self.name = value,
            Key { secret: true, name, .. } => drop(self.secrets.insert(name, Held::of(value))),
            Key { name, .. } => drop(self.settings.insert(name, value)),
        }
        Ok(())
    }

    /// A word without a value: `code`, `anonymous`.
    pub(crate) fn set_word(&mut self, word: &str) -> Result<()> {
        let wanted = canonical(word);
        let Some((_, credential)) = WORDS.iter().find(|(name, _)| *name == wanted) else {
            let words: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
            return Err(connection_error(format!(
                "a connection string has `{word}` without a value; words that stand alone are {}",
                words.join(", ")
            )));
        };
        self.settings.insert("credential", (*credential).to_owned());
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&Held> {
        self.secrets.get(name)
    }

    /// Does it hold a secret itself?
    pub(crate) fn has_values(&self) -> bool {
        self.secrets.values().any(|held| matches!(held, Held::Value(_)))
    }

    /// Does it use a secret that is kept elsewhere?
    pub(crate) fn borrows(&self) -> bool {
        self.secrets.values().any(|held| matches!(held, Held::At(_)))
    }

    /// Takes from another connection to the same kind of service what this one leaves open: how to sign in, where.
    pub(crate) fn inherit(&mut self, other: &Definition) {
        const WHO: [&str; 6] =
            ["credential", "client_id", "user_name", "certificate_file", "certificate_thumbprint", "tenant"];
        const WHERE: [&str; 6] = ["cluster", "cloud", "endpoint", "authority", "audience", "ca_file"];
        // A secret belongs to the address it was written down with: it must not follow to another one.
        let same_place = WHERE.iter().all(|key| self.get(key).is_none() || self.get(key) == other.get(key));
        let signs_in = WHO[..5].iter().any(|key| self.get(key).is_some()) || !self.secrets.is_empty();
        if !same_place {
            return;
        }
        let keys = WHERE.iter().chain(if signs_in { &[][..] } else { &WHO[..] });
        for key in keys {
            if let (None, Some(value)) = (self.get(key), other.get(key)) {
                self.settings.insert(key, value.to_owned());
            }
        }
        if !signs_in {
            self.secrets = other.secrets.clone();
        }
    }

    /// What is missing for a connection of this kind.
    pub(crate) fn complete(&self) -> Result<()> {
        let has = |keys: &[&str]| keys.iter().any(|key| self.get(key).is_some());
        let missing = match self.kind {
            Kind::LogAnalytics if !has(&["workspace", "resource_id"]) => "workspace='<workspace id>'",
            Kind::ApplicationInsights if !has(&["app", "resource_id"]) => "appid='<application id>'",
            Kind::Kusto if !has(&["cluster"]) => "cluster='<name or URL>'",
            Kind::Kusto if !has(&["database"]) => "database='<name>'",
            Kind::Files if !has(&["folder"]) => "a folder, as in file://exports",
            _ => return Ok(()),
        };
        Err(connection_error(format!("the {} connection `{}` needs {missing}", self.kind.name(), self.name)))
    }

    /// What it reaches, for a person.
    pub(crate) fn target(&self) -> String {
        let part = |key: &str| self.get(key).unwrap_or("?").to_owned();
        match self.kind {
            Kind::LogAnalytics => match self.get("workspace") {
                Some(workspace) => format!("workspace {workspace}"),
                None => format!("resource {}", part("resource_id")),
            },
            Kind::ApplicationInsights => format!("application {}", self.get("app").unwrap_or(&part("resource_id"))),
            Kind::Kusto => format!("database {} at {}", part("database"), part("cluster")),
            Kind::Local => {
                self.get("folder").map_or("local workspace".to_owned(), |folder| format!("workspace {folder}"))
            }
            Kind::Files => format!("files of {}", part("folder")),
        }
    }

    /// What tells two connections apart, for caches: who asks does not count, nor what it is called.
    pub(crate) fn place(&self) -> String {
        let parts = ["endpoint", "cloud"].map(|key| self.get(key).unwrap_or_default());
        format!("{} {} {}", self.kind.name(), self.target(), parts.join(" ")).trim_end().to_owned()
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<&str> = self.secrets.keys().copied().collect();
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("settings", &self.settings)
            .field("secrets", &secrets)
            .finish_non_exhaustive()
    }
}

fn unknown_key(name: &str) -> Error {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    connection_error(format!("connections have no `{name}`; they have: {}", names.join(", ")))
}

pub(crate) fn connection_error(message: impl Into<String>) -> Error {
    Error::new("ConnectionError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kusto(settings: &[(&str, &str)]) -> Definition {
        let mut definition = Definition::new("x", Kind::Kusto, Origin::Notebook);
        settings.iter().for_each(|(key, value)| definition.set(key, (*value).to_owned()).unwrap());
        definition
    }

    #[test]
    fn secrets_do_not_show() {
        let definition = kusto(&[("clientsecret", "S3CRET"), ("Cluster", "help")]);
        assert!(!format!("{definition:?} {}", definition.place()).contains("S3CRET"));
        assert!(definition.secret("client_secret").is_some() && definition.get("client_secret").is_none());
        let mut definition = definition;
        let error = definition.set("clientsecrets", "S3CRET".into()).unwrap_err();
        assert!(!error.message.contains("S3CRET") && error.message.contains("client_secret"), "{error}");
    }

    #[test]
    fn a_sibling_signs_in_the_same_way_at_the_same_place_only() {
        let first = kusto(&[("cluster", "help"), ("client_id", "c"), ("client_secret", "s"), ("tenant", "t")]);
        let mut sibling = kusto(&[("database", "B")]);
        sibling.inherit(&first);
        assert_eq!((sibling.get("cluster"), sibling.get("tenant")), (Some("help"), Some("t")));
        assert!(sibling.secret("client_secret").is_some());
        let mut elsewhere = kusto(&[("database", "B"), ("cluster", "evil")]);
        elsewhere.inherit(&first);
        assert!(elsewhere.secret("client_secret").is_none() && elsewhere.get("client_id").is_none());
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(kusto(&[("cluster", "help")]).complete().unwrap_err().message.contains("database"));
        kusto(&[("cluster", "help"), ("database", "S")]).complete().unwrap();
    }
}
