//! Named connections: `huntbook.toml` from the notebook's folder upward and in the user's config folder, then
//! `msticpyconfig.yaml` and AML's `config.json`, so that what was set up for other tools works here.
//!
//! ```toml
//! queries = ["queries"]                  # folders of YAML queries for --run
//! trusted_hosts = ["logs.corp.example"]  # in the user's own file only: where credentials may go besides Azure
//!
//! [connections.prod]
//! kind = "loganalytics"
//! workspace = "4f2c..."
//! tenant = "..."
//! client_secret = "env:HUNT_SECRET"
//! ```

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::definition::{Definition, Kind, Origin, connection_error};
use crate::{Error, Result};

const FILE_NAME: &str = "huntbook.toml";

/// What the files say, nearest file first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) connections: Vec<Definition>,
    /// Folders of YAML queries
    pub(crate) queries: Vec<PathBuf>,
    pub(crate) trusted_hosts: Vec<String>,
}

/// Where the files may be.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The notebook's folder
    pub(crate) base: PathBuf,
    pub(crate) user: Option<PathBuf>,
    pub(crate) msticpy: Option<PathBuf>,
}

impl Places {
    /// As the environment has them: `XDG_CONFIG_HOME`, `HOME`, `MSTICPYCONFIG`.
    pub(crate) fn of_environment(base: &Path) -> Places {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("HOME").or_else(|| variable("USERPROFILE"));
        let config = variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
        let msticpy = variable("MSTICPYCONFIG").or_else(|| {
            let beside = base.join("msticpyconfig.yaml");
            let own = home.as_ref().map(|home| home.join(".msticpy").join("msticpyconfig.yaml"));
            [Some(beside), own].into_iter().flatten().find(|path| path.is_file())
        });
        Places { base: base.to_owned(), user: config.map(|config| config.join("huntbook").join(FILE_NAME)), msticpy }
    }
}

impl Config {
    /// Errors: a file that cannot be read, and what in it is wrong, with its place.
    pub(crate) fn read(places: &Places) -> Result<Config> {
        let mut config = Config::default();
        for folder in places.base.ancestors() {
            config.add_toml(&folder.join(FILE_NAME), false)?;
        }
        if let Some(user) = &places.user {
            config.add_toml(user, true)?;
        }
        if let Some(msticpy) = &places.msticpy {
            config.add_msticpy(msticpy)?;
        }
        for folder in places.base.ancestors() {
            config.add_aml(&folder.join("config.json"));
        }
        Ok(config)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Definition> {
        self.connections.iter().find(|connection| connection.name == name)
    }

    fn add(&mut self, definition: Definition) {
        if self.named(&definition.name).is_none() {
            self.connections.push(definition);
        }
    }

    fn add_toml(&mut self, path: &Path, is_users: bool) -> Result<()> {
        let Some(text) = text_of(path)? else { return Ok(()) };
        let document: toml::Table = toml::from_str(&text).map_err(|error| bad(path, error.message()))?;
        for (key, value) in document {
            match (key.as_str(), value) {
                ("queries", toml::Value::Array(folders)) => {
                    let beside = path.parent().unwrap_or(Path::new(""));
                    self.queries.extend(folders.iter().filter_map(|folder| Some(beside.join(folder.as_str()?))));
                }
                ("trusted_hosts", toml::Value::Array(hosts)) => {
                    if !is_users {
                        return Err(bad(
                            path,
                            "`trusted_hosts` counts only in the file of the user's config folder: a notebook's folder must not decide where credentials go",
                        ));
                    }
                    self.trusted_hosts.extend(hosts.iter().filter_map(|host| host.as_str().map(str::to_owned)));
                }
                ("connections", toml::Value::Table(connections)) => {
                    for (name, connection) in connections {
                        self.add(definition(path, is_users, &name, connection)?);
                    }
                }
                // `%blob` reads these.
                ("stores", toml::Value::Table(_)) => {}
                (other, _) => {
                    return Err(bad(
                        path,
                        &format!(
                            "`{other}` is no key of it or has a wrong type: it has queries, trusted_hosts, [connections.NAME] and [stores.NAME]"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// `AzureSentinel` or `MSSentinel`: `Workspaces`, and `DataProviders`: `Kusto...`.
    fn add_msticpy(&mut self, path: &Path) -> Result<()> {
        let Some(text) = text_of(path)? else { return Ok(()) };
        let document: Json = serde_yaml_ng::from_str(&text).map_err(|error| bad(path, &error.to_string()))?;
        let sections = ["AzureSentinel", "MSSentinel"].iter().filter_map(|section| document.get(section));
        for (name, workspace) in sections.filter_map(|section| section.get("Workspaces")?.as_object()).flatten() {
            let setting = |key: &str| setting_of(workspace.get(key)?);
            let mut definition =
                Definition::new(name, Kind::LogAnalytics, Origin::File { path: path.to_owned(), is_users: false });
            set_all(&mut definition, [("workspace", setting("WorkspaceId")), ("tenant", setting("TenantId"))])?;
            let ids = [setting("SubscriptionId"), setting("ResourceGroup"), setting("WorkspaceName")];
            set_all(&mut definition, [("resource_id", resource_id(ids))])?;
            self.add(definition);
        }
        for (name, provider) in document.get("DataProviders").and_then(Json::as_object).into_iter().flatten() {
            let Some(rest) = name.strip_prefix("Kusto") else { continue };
            let setting = |key: &str| setting_of(provider.get("Args")?.get(key)?);
            let name = rest.strip_prefix('-').unwrap_or("Kusto");
            let mut definition =
                Definition::new(name, Kind::Kusto, Origin::File { path: path.to_owned(), is_users: false });
            set_all(
                &mut definition,
                [
                    ("cluster", setting("Cluster")),
                    ("database", setting("Database")),
                    ("tenant", setting("TenantId")),
                    ("client_id", setting("ClientId")),
                ],
            )?;
            self.add(definition);
        }
        Ok(())
    }

    /// A file of this name may be anything: only one that has a workspace's id is meant.
    fn add_aml(&mut self, path: &Path) {
        let Ok(Some(text)) = text_of(path) else { return };
        let Ok(document) = serde_json::from_str::<Json>(&text) else { return };
        let text =
            |key: &str| document.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let Some(workspace) = text("workspace_id") else { return };
        let name = text("workspace_name").unwrap_or_else(|| "config".to_owned());
        let mut definition =
            Definition::new(name, Kind::LogAnalytics, Origin::File { path: path.to_owned(), is_users: false });
        let ids = [text("subscription_id"), text("resource_group"), text("workspace_name")];
        let settings =
            [("workspace", Some(workspace)), ("tenant", text("tenant_id")), ("resource_id", resource_id(ids))];
        if set_all(&mut definition, settings).is_ok() {
            self.add(definition);
        }
    }
}

fn definition(path: &Path, is_users: bool, name: &str, connection: toml::Value) -> Result<Definition> {
    let place = |why: &str| bad(path, &format!("[connections.{name}]: {why}"));
    let toml::Value::Table(settings) = connection else { return Err(place("it is no table of settings")) };
    let kind = settings.get("kind").and_then(toml::Value::as_str);
    let kind = kind.and_then(Kind::named).ok_or_else(|| {
        place("`kind` is missing or unknown: it is loganalytics, kusto, applicationinsights, local or file")
    })?;
    let mut definition = Definition::new(name, kind, Origin::File { path: path.to_owned(), is_users });
    for (key, value) in settings {
        let value = match value {
            _ if key == "kind" => continue,
            _ if key == "alias" => {
                return Err(place("a connection of this file has its name in the brackets: leave out `alias`"));
            }
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            _ => return Err(place(&format!("`{key}` is neither text nor a number"))),
        };
        definition.set(&key, value).map_err(|error| place(&error.message))?;
    }
    // A folder is meant as seen from the file.
    if let (Some(folder), Some(beside)) = (definition.get("folder").map(str::to_owned), path.parent()) {
        definition.set("folder", beside.join(folder).display().to_string())?;
    }
    if definition.has_values() && others_can_read(path) {
        return Err(place(&format!(
            "it holds a secret, and others can read the file: `chmod 600 {}`, or write env:NAME, file:PATH or secret://VAULT/NAME in its place",
            path.display()
        )));
    }
    Ok(definition)
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_path: &Path) -> bool {
    false
}

fn set_all<const N: usize>(definition: &mut Definition, settings: [(&str, Option<String>); N]) -> Result<()> {
    settings.into_iter().try_for_each(|(key, value)| value.map_or(Ok(()), |value| definition.set(key, value)))
}

/// msticpy's values: text, or `EnvironmentVar: NAME`. What Key Vault holds is not looked up for a name.
fn setting_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Object(_) => std::env::var(value.get("EnvironmentVar")?.as_str()?).ok(),
        _ => None,
    }
}

fn resource_id(ids: [Option<String>; 3]) -> Option<String> {
    let [Some(subscription), Some(group), Some(workspace)] = ids else { return None };
    Some(format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}"
    ))
}

fn text_of(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

fn bad(path: &Path, why: &str) -> Error {
    connection_error(format!("{} is not right: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places(base: &Path) -> Places {
        Places {
            base: base.to_owned(),
            user: Some(base.join("user.toml")),
            msticpy: Some(base.join("msticpyconfig.yaml")),
        }
    }

    #[test]
    fn the_nearest_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = folder.path().join("a/b");
        fs::create_dir_all(&notebook).unwrap();
        let connection = |name: &str, workspace: &str| {
            format!("[connections.{name}]\nkind = \"loganalytics\"\nworkspace = \"{workspace}\"\n")
        };
        fs::write(folder.path().join(FILE_NAME), connection("prod", "far") + &connection("other", "o")).unwrap();
        fs::write(notebook.join(FILE_NAME), connection("prod", "near")).unwrap();
        fs::write(notebook.join("user.toml"), format!("trusted_hosts = [\"x\"]\n{}", connection("mine", "m"))).unwrap();
        let config = Config::read(&places(&notebook)).unwrap();
        assert_eq!(config.named("prod").unwrap().get("workspace"), Some("near"));
        assert!(config.named("other").is_some() && config.named("mine").is_some());
        assert_eq!(config.trusted_hosts, ["x"]);
    }

    #[test]
    fn files_of_other_tools_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let yaml = "AzureSentinel:\n  Workspaces:\n    Default:\n      WorkspaceId: w1\n      TenantId: t1\n      SubscriptionId: s\n      ResourceGroup: g\n      WorkspaceName: n\n    Other:\n      WorkspaceId:\n        EnvironmentVar: PATH\nDataProviders:\n  Kusto-Lab:\n    Args:\n      Cluster: https://help.kusto.windows.net\n";
        fs::write(folder.path().join("msticpyconfig.yaml"), yaml).unwrap();
        fs::write(
            folder.path().join("config.json"),
            r#"{"workspace_id": "w2", "tenant_id": "t2", "workspace_name": "aml"}"#,
        )
        .unwrap();
        let config = Config::read(&places(folder.path())).unwrap();
        let get = |name: &str, key: &str| config.named(name).unwrap().get(key).map(str::to_owned);
        assert_eq!(get("Default", "workspace").as_deref(), Some("w1"));
        assert!(
            get("Default", "resource_id")
                .unwrap()
                .ends_with("/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/n")
        );
        assert_eq!(get("Other", "workspace"), std::env::var("PATH").ok());
        assert_eq!(get("Lab", "cluster").as_deref(), Some("https://help.kusto.windows.net"));
        assert_eq!((get("aml", "workspace").as_deref(), get("aml", "tenant").as_deref()), (Some("w2"), Some("t2")));
    }

    #[test]
    fn mistakes_name_file_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let error = |text: &str| {
            fs::write(folder.path().join(FILE_NAME), text).unwrap();
            Config::read(&places(folder.path())).unwrap_err().message
        };
        assert!(error("[connections.x]\nkind = \"mysql\"").contains("[connections.x]: `kind`"));
        assert!(error("[connections.x]\nkind = \"kusto\"\nclustre = \"h\"").contains("`clustre`"));
        assert!(error("trusted_hosts = [\"evil\"]").contains("user's config folder"));
        assert!(error("connection = 1").contains("`connection`"));
        assert!(error("x = [").contains(FILE_NAME));
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_in_an_open_file_is_refused_without_being_shown() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let text = |secret: &str| format!("[connections.x]\nkind = \"local\"\nclient_secret = \"{secret}\"");
        fs::write(&path, text("S3CRET")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Config::read(&places(folder.path())).unwrap_err();
        assert!(error.message.contains("chmod 600") && !error.message.contains("S3CRET"), "{error}");
        fs::write(&path, text("env:HUNT_SECRET")).unwrap();
        Config::read(&places(folder.path())).unwrap();
        fs::write(&path, text("S3CRET")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Config::read(&places(folder.path())).unwrap();
    }
}
