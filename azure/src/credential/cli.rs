//! Whoever is signed in to the Azure CLI or the Azure Developer CLI.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Local, NaiveDateTime};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::directory::{checked_tenant, number};
use super::{AccessToken, Credential, CredentialError};
use crate::error::Error;
use crate::http::Transport;
use crate::redact;
use crate::secret::Secret;

/// The Azure CLI starts slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// `az account get-access-token`.
pub struct AzureCli {
    program: OsString,
    tenant: Option<String>,
}

/// `azd auth token`.
pub struct AzureDeveloperCli {
    program: OsString,
    tenant: Option<String>,
}

impl AzureCli {
    pub fn new(tenant: Option<&str>) -> Result<Self, Error> {
        Self::at(if cfg!(windows) { "az.cmd" } else { "az" }, tenant)
    }

    /// With the program at another place.
    pub fn at(program: impl Into<OsString>, tenant: Option<&str>) -> Result<Self, Error> {
        Ok(Self { program: program.into(), tenant: tenant.map(checked_tenant).transpose()?.map(str::to_owned) })
    }

    async fn fetch(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let mut arguments = vec!["account", "get-access-token", "--output", "json", "--scope", scope];
        if let Some(tenant) = &self.tenant {
            arguments.extend(["--tenant", tenant]);
        }
        let answer = run(&self.program, &arguments, &self.name(), "`az login`").await?;
        read_az(&answer)
            .ok_or_else(|| CredentialError::failed(self.name(), "az printed no token: update the Azure CLI"))
    }
}

impl AzureDeveloperCli {
    pub fn new(tenant: Option<&str>) -> Result<Self, Error> {
        Self::at("azd", tenant)
    }

    /// With the program at another place.
    pub fn at(program: impl Into<OsString>, tenant: Option<&str>) -> Result<Self, Error> {
        Ok(Self { program: program.into(), tenant: tenant.map(checked_tenant).transpose()?.map(str::to_owned) })
    }

    async fn fetch(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let mut arguments = vec!["auth", "token", "--output", "json", "--no-prompt", "--scope", scope];
        if let Some(tenant) = &self.tenant {
            arguments.extend(["--tenant-id", tenant]);
        }
        let answer = run(&self.program, &arguments, &self.name(), "`azd auth login`").await?;
        read_azd(&answer).ok_or_else(|| CredentialError::failed(self.name(), "azd printed no token: update it"))
    }
}

impl Credential for AzureCli {
    fn name(&self) -> String {
        "the Azure CLI's account".to_owned()
    }

    fn token<'a>(&'a self, _: &'a Transport, scope: &'a str) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(self.fetch(scope))
    }
}

impl Credential for AzureDeveloperCli {
    fn name(&self) -> String {
        "the Azure Developer CLI's account".to_owned()
    }

    fn token<'a>(&'a self, _: &'a Transport, scope: &'a str) -> BoxFuture<'a, Result<AccessToken, CredentialError>> {
        Box::pin(self.fetch(scope))
    }
}

/// Runs a program without a shell, and stops it when nobody waits any more.
async fn run(program: &OsString, arguments: &[&str], name: &str, login: &str) -> Result<Value, CredentialError> {
    let shown = program.to_string_lossy();
    // Scopes are https addresses; anything that looks like an option is not one.
    if arguments.iter().any(|argument| argument.is_empty() || argument.contains(['\0', '\n'])) {
        return Err(CredentialError::failed(name, "the scope has characters that a scope cannot have"));
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => CredentialError::unavailable(name, format!("{shown} is not installed")),
        _ => CredentialError::unavailable(name, format!("cannot start {shown}: {error}")),
    })?;
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| CredentialError::failed(name, format!("{shown} did not answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| CredentialError::failed(name, format!("{shown}: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it gives no reason");
        let line: String = line.chars().filter(|letter| !letter.is_control()).take(300).collect();
        return Err(CredentialError::failed(name, format!("{} (sign in with {login})", redact::text(&line))));
    }
    let text = zeroize::Zeroizing::new(output.stdout);
    serde_json::from_slice(&text).map_err(|_| CredentialError::failed(name, format!("{shown} did not print JSON")))
}

fn read_az(answer: &Value) -> Option<AccessToken> {
    let secret = Secret::new(answer.get("accessToken")?.as_str()?);
    if let Some(end) = answer.get("expires_on").and_then(number) {
        return Some(AccessToken::until_unix(secret, end));
    }
    // Older versions write local time only.
    let local = NaiveDateTime::parse_from_str(answer.get("expiresOn")?.as_str()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    let end = local.and_local_timezone(Local).earliest()?.timestamp();
    Some(AccessToken::until_unix(secret, u64::try_from(end).ok()?))
}

fn read_azd(answer: &Value) -> Option<AccessToken> {
    let secret = Secret::new(answer.get("token")?.as_str()?);
    let end = DateTime::parse_from_rfc3339(answer.get("expiresOn")?.as_str()?).ok()?.timestamp();
    Some(AccessToken::until_unix(secret, u64::try_from(end).ok()?))
}
