//! The clients of the services, made from what a connection says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use huntbook_azure::cloud::Cloud;
use huntbook_azure::credential::{
    AZURE_CLI_CLIENT_ID, AzureCli, AzureDeveloperCli, CertificateKey, DeviceCode, DevicePrompt, Directory, GivenToken,
    KUSTO_CLIENT_ID, ManagedIdentity, Proof, ServicePrincipal, TokenSource, default_chain,
};
use huntbook_azure::decode::Partial as ServicePartial;
use huntbook_azure::http::{Auth, Endpoint, Transport, TransportOptions, Trust};
use huntbook_azure::kusto::{self, Kusto};
use huntbook_azure::log_analytics::{self, LogAnalytics, Reply, Resource, TableSchema};
use huntbook_azure::secret::Secret;
use huntbook_azure::secret_source::SecretSource;
use huntbook_azure::{Error as ServiceError, run};
use serde_json::{Map, Value, json};

use super::definition::{Definition, Held, Kind, Origin, connection_error};
use super::split;
use crate::serve::Display;
use crate::time_range::TimeRange;
use crate::{CancelToken, Engine, Error, Result};

/// A service that can be asked.
pub(crate) struct Client {
    service: Service,
    /// `None` where a key or nothing is shown
    tokens: Option<Arc<TokenSource>>,
    has_key: bool,
    time_column: String,
    timeout: Option<Duration>,
}

enum Service {
    Monitor { client: LogAnalytics, resource: Resource },
    Kusto { client: Kusto, database: String },
}

/// One request.
pub(crate) struct Ask<'a> {
    pub(crate) query: &'a str,
    pub(crate) range: Option<TimeRange>,
    pub(crate) time_column: Option<&'a str>,
    pub(crate) properties: &'a [(String, String)],
    pub(crate) timeout: Option<Duration>,
    pub(crate) allow_partial: bool,
}

/// What a definition needs to become a client.
pub(crate) struct Means {
    pub(crate) transport: Transport,
    pub(crate) cloud: Cloud,
    pub(crate) auth: Auth,
    pub(crate) tokens: Option<Arc<TokenSource>>,
    trust: Trust,
    trusted_hosts: Vec<String>,
}

impl Means {
    /// An address that the definition names.
    ///
    /// Errors: one that is not https or not allowed, and a borrowed secret on its way to a stranger.
    pub(crate) fn endpoint(&self, definition: &Definition, address: &str) -> Result<Endpoint> {
        let named = Endpoint::parse(address, Trust::Notebook).map_err(config_error)?;
        let is_trusted = self.trusted_hosts.iter().any(|host| host.eq_ignore_ascii_case(named.domain()));
        let trust = if is_trusted { Trust::Config } else { self.trust };
        let endpoint = Endpoint::parse(address, trust).map_err(config_error)?;
        if definition.borrows() && !endpoint.takes_tokens() && !endpoint.is_loopback() {
            return Err(connection_error(format!(
                "`{}` would send a secret of yours to {}, which is neither Microsoft's nor named in your own huntbook.toml: add it there to `trusted_hosts` if you trust it",
                definition.name,
                endpoint.host()
            )));
        }
        Ok(endpoint)
    }
}

impl Engine {
    /// Transport and credential of a definition.
    pub(crate) fn means(&self, definition: &Definition) -> Result<Means> {
        let cloud = definition.get("cloud").map_or(Ok(Cloud::Public), Cloud::from_name).map_err(config_error)?;
        let ca_file = definition.get("ca_file").map(|path| self.resolve(Path::new(path)));
        let transport = Transport::new(TransportOptions { ca_file, ..TransportOptions::default() });
        let transport = transport.map_err(config_error)?;
        let trust = match definition.origin {
            Origin::File { is_users: true, .. } => Trust::Config,
            _ => Trust::Notebook,
        };
        let secret = |name: &str| {
            definition.secret(name).map(|secret| self.resolved(secret, &transport, cloud, definition)).transpose()
        };
        let (auth, tokens) = match (secret("app_key")?, secret("token")?) {
            (Some(key), _) => (Auth::ApiKey(key), None),
            (None, Some(token)) => with_tokens(TokenSource::new(GivenToken::new(token))),
            (None, None) => match self.token_source(definition, cloud, secret("client_secret")?)? {
                Some(tokens) => with_tokens(tokens),
                None => (Auth::Anonymous, None),
            },
        };
        Ok(Means { transport, cloud, auth, tokens, trust, trusted_hosts: self.config()?.trusted_hosts })
    }

    /// The value of a secret, wherever it is.
    pub(crate) fn resolved(
        &self,
        held: &Held,
        transport: &Transport,
        cloud: Cloud,
        definition: &Definition,
    ) -> Result<Secret> {
        let place = match held {
            Held::Value(secret) => return Ok(secret.clone()),
            Held::At(place) => place,
        };
        let unknown = || connection_error(format!("`{place}` is no place of a secret"));
        let source = SecretSource::parse(place).ok_or_else(unknown)?.map_err(config_error)?;
        let chain = default_chain(cloud, definition.get("tenant"), &environment).map_err(config_error)?;
        let tokens = TokenSource::new(chain);
        let cancel = self.cancel_token();
        run(&|| cancel.is_cancelled(), source.resolve(transport, Some(&tokens), cloud, None)).map_err(config_error)
    }

    fn token_source(
        &self,
        definition: &Definition,
        cloud: Cloud,
        client_secret: Option<Secret>,
    ) -> Result<Option<Arc<TokenSource>>> {
        let tenant = definition.get("tenant");
        let directory = |tenant: &str| match definition.get("authority") {
            Some(authority) => Directory::at(authority, tenant),
            None => Directory::new(cloud, tenant),
        };
        let certificate = definition.get("certificate_file").map(|path| self.resolve(Path::new(path)));
        let proof = match (client_secret, certificate) {
            (Some(secret), _) => Some(Proof::Secret(secret)),
            (None, Some(path)) => {
                Some(Proof::Certificate(Box::new(CertificateKey::from_pem_file(&path).map_err(config_error)?)))
            }
            (None, None) => None,
        };
        if let Some(proof) = proof {
            let (Some(tenant), Some(client)) = (tenant, definition.get("client_id")) else {
                return Err(connection_error(format!(
                    "`{}` signs in as an application: that needs `tenant` and `client_id` beside the secret or certificate",
                    definition.name
                )));
            };
            let directory = directory(tenant).map_err(config_error)?;
            return Ok(Some(TokenSource::new(ServicePrincipal::new(directory, client, proof))));
        }
        let client = definition.get("client_id").map(str::to_owned);
        Ok(Some(match definition.get("credential").unwrap_or("default") {
            "anonymous" => return Ok(None),
            "device_code" => {
                let usual = if definition.kind == Kind::Kusto { KUSTO_CLIENT_ID } else { AZURE_CLI_CLIENT_ID };
                let directory = directory(tenant.unwrap_or("organizations")).map_err(config_error)?;
                let notify = self.notifier();
                let show = move |prompt: &DevicePrompt| notify.show(device_prompt(prompt));
                TokenSource::new(DeviceCode::new(directory, client.unwrap_or_else(|| usual.to_owned()), show))
            }
            "azure_cli" => TokenSource::new(AzureCli::new(tenant).map_err(config_error)?),
            "azd" => TokenSource::new(AzureDeveloperCli::new(tenant).map_err(config_error)?),
            "managed_identity" => {
                TokenSource::new(ManagedIdentity::from_env(&environment, client).map_err(config_error)?)
            }
            "default" | "environment" => {
                TokenSource::new(default_chain(cloud, tenant, &environment).map_err(config_error)?)
            }
            other => {
                return Err(connection_error(format!(
                    "`{}` names the credential `{other}`; there are: default, environment, managed_identity, azure_cli, azd, device_code, anonymous, or `client_secret`, `certificate_file`, `token`, `app_key`",
                    definition.name
                )));
            }
        }))
    }

    pub(crate) fn client(&self, definition: &Definition) -> Result<Client> {
        if definition.secret("password").is_some() {
            return Err(connection_error(format!(
                "`{}` signs in by user name and password, which Entra no longer lets programs do for users with a second factor: use device_code, azure_cli or an application's client_secret",
                definition.name
            )));
        }
        let means = self.means(definition)?;
        let service = match definition.kind {
            Kind::Kusto => kusto_service(definition, &means)?,
            _ => monitor_service(definition, &means)?,
        };
        let usual = if definition.kind == Kind::ApplicationInsights { "timestamp" } else { "TimeGenerated" };
        let seconds = definition.get("timeout").map(str::parse::<u64>).transpose();
        let timeout = seconds
            .map_err(|_| connection_error(format!("`timeout` of `{}` is no number of seconds", definition.name)))?;
        Ok(Client {
            service,
            has_key: matches!(means.auth, Auth::ApiKey(_)),
            tokens: means.tokens,
            time_column: definition.get("time_column").unwrap_or(usual).to_owned(),
            timeout: timeout.map(Duration::from_secs),
        })
    }
}

fn monitor_service(definition: &Definition, means: &Means) -> Result<Service> {
    let resource =
        match (definition.kind, definition.get("workspace"), definition.get("app"), definition.get("resource_id")) {
            (Kind::LogAnalytics, Some(workspace), _, _) => Resource::workspace(workspace),
            (Kind::ApplicationInsights, _, Some(app), _) => Resource::application(app),
            (_, _, _, Some(id)) => Resource::azure(id),
            _ => return Err(connection_error(format!("`{}` names no workspace", definition.name))),
        };
    let resource = resource.map_err(config_error)?;
    let usual = match (definition.kind, means.cloud) {
        (Kind::ApplicationInsights, Cloud::Public) => Some("https://api.applicationinsights.io"),
        _ => None,
    };
    let address = definition.get("endpoint").or(usual);
    let client = match address {
        None => LogAnalytics::new(means.transport.clone(), means.cloud, means.auth.clone()),
        Some(address) => {
            let endpoint = means.endpoint(definition, address)?;
            let scope = scope(definition, &endpoint, means.cloud);
            LogAnalytics::at(means.transport.clone(), &endpoint, means.auth.clone(), scope)
        }
    };
    Ok(Service::Monitor { client: client.map_err(config_error)?, resource })
}

fn kusto_service(definition: &Definition, means: &Means) -> Result<Service> {
    let part = |key: &str| definition.get(key).unwrap_or_default().to_owned();
    let cluster = definition.get("endpoint").map_or_else(|| part("cluster"), str::to_owned);
    let address = if cluster.contains("://") {
        cluster
    } else if cluster.contains('.') || cluster.starts_with("localhost") {
        format!("https://{cluster}")
    } else {
        format!("https://{cluster}.{}", means.cloud.kusto_suffix())
    };
    let endpoint = means.endpoint(definition, &address)?;
    let scope = definition.get("audience").map(default_scope);
    let client = Kusto::new(means.transport.clone(), endpoint, means.auth.clone(), scope);
    Ok(Service::Kusto { client, database: part("database") })
}

/// What a token for this address is asked for.
pub(crate) fn scope(definition: &Definition, endpoint: &Endpoint, cloud: Cloud) -> String {
    match definition.get("audience") {
        Some(audience) => default_scope(audience),
        None if endpoint.domain() == "api.loganalytics.azure.com" => cloud.log_analytics_scope().to_owned(),
        None => default_scope(&format!("https://{}", endpoint.domain())),
    }
}

fn default_scope(audience: &str) -> String {
    let audience = audience.trim_end_matches('/');
    if audience.ends_with("/.default") { audience.to_owned() } else { format!("{audience}/.default") }
}

fn with_tokens(tokens: Arc<TokenSource>) -> (Auth, Option<Arc<TokenSource>>) {
    (Auth::Token(tokens.clone()), Some(tokens))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Link and code, as a person needs them to sign in.
fn device_prompt(prompt: &DevicePrompt) -> Display {
    let escape = crate::table::escape;
    let (link, code) = (escape(&prompt.verification_uri), escape(&prompt.user_code));
    let html = if prompt.verification_uri.starts_with("https://") {
        format!(
            "To sign in, open <a href=\"{link}\" target=\"_blank\" rel=\"noopener\">{link}</a> and enter the code <b>{code}</b>"
        )
    } else {
        escape(&prompt.message)
    };
    Display::new([("text/html", html), ("text/plain", prompt.message.clone())])
}

pub(crate) fn config_error(error: ServiceError) -> Error {
    if error.is_cancelled() { Error::cancelled() } else { Error::new(error.kind(), error.to_string()) }
}

impl Client {
    pub(crate) fn ask(&self, ask: &Ask<'_>, cancel: &CancelToken) -> std::result::Result<Reply, ServiceError> {
        let cancelled = || cancel.is_cancelled();
        let partial = if ask.allow_partial { ServicePartial::Allow } else { ServicePartial::Refuse };
        let timeout = ask.timeout.or(self.timeout);
        match &self.service {
            Service::Monitor { client, resource } => {
                let mut query = log_analytics::Query::new(ask.query);
                query.timespan = ask.range.map(TimeRange::iso);
                query.partial = partial;
                query.wait = timeout.unwrap_or(query.wait);
                for (name, value) in ask.properties {
                    match name.as_str() {
                        "workspaces" | "applications" => query.workspaces.extend(list(value)),
                        _ => return Err(unknown_property(name)),
                    }
                }
                run(&cancelled, client.query(resource, &query))
            }
            Service::Kusto { client, database } if split::is_command(ask.query) => {
                run(&cancelled, client.mgmt(database, ask.query))
            }
            Service::Kusto { client, database } => {
                let mut query = kusto::Query::new(ask.query);
                query.partial = partial;
                query.wait = timeout.unwrap_or(query.wait);
                query.options = self.kusto_options(ask);
                run(&cancelled, client.query(database, &query))
            }
        }
    }

    fn kusto_options(&self, ask: &Ask<'_>) -> Map<String, Value> {
        let mut options = Map::new();
        if let Some(range) = ask.range {
            let column = ask.time_column.unwrap_or(&self.time_column);
            let [from, to] = [range.from, range.to].map(huntbook_kql::ticks::format_datetime);
            options.insert("query_datetimescope_column".to_owned(), json!(column));
            options.insert("query_datetimescope_from".to_owned(), json!(from));
            options.insert("query_datetimescope_to".to_owned(), json!(to));
        }
        for (name, value) in ask.properties {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
            options.insert(name.clone(), value);
        }
        options
    }

    pub(crate) fn tables(&self, cancel: &CancelToken) -> std::result::Result<Vec<TableSchema>, ServiceError> {
        let cancelled = || cancel.is_cancelled();
        match &self.service {
            Service::Monitor { client, resource } => run(&cancelled, client.metadata(resource)),
            Service::Kusto { client, database } => run(&cancelled, client.schema(database)),
        }
    }

    /// How the service was convinced.
    pub(crate) fn signed_in(&self) -> String {
        match &self.tokens {
            Some(tokens) => tokens.won().unwrap_or_else(|| tokens.name()),
            None if self.has_key => "the connection's API key".to_owned(),
            None => "nothing: the service was asked anonymously".to_owned(),
        }
    }

    pub(crate) fn time_column(&self) -> &str {
        &self.time_column
    }
}

/// `a,b` or `["a", "b"]`
fn list(value: &str) -> Vec<String> {
    serde_json::from_str(value).unwrap_or_else(|_| value.split(',').map(|name| name.trim().to_owned()).collect())
}

fn unknown_property(name: &str) -> ServiceError {
    ServiceError::Config(format!(
        "`+{name}` is no request property of Log Analytics, which has +timespan and +workspaces; the others belong to Azure Data Explorer"
    ))
}
