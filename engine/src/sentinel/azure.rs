//! The management plane of Azure behind [`Management`].

use huntbook_azure::arm::{Arm, ResourcePath};
use huntbook_azure::cloud::Cloud;
use huntbook_azure::credential::{TokenSource, default_chain};
use huntbook_azure::http::{Auth, Endpoint, Transport, TransportOptions, Trust};
use serde_json::Value as Json;

use super::service::{Management, Service};
use crate::{CancelToken, Engine, Error, Result};

/// Another address of Azure Resource Manager than the cloud's own. It is the user's, as the environment is.
const ENDPOINT: &str = "HUNTBOOK_ARM_ENDPOINT";
const CLOUD: &str = "AZURE_CLOUD";

/// Requests that end when the cell is interrupted.
struct Azure {
    arm: Arm,
    cancel: CancelToken,
}

impl Engine {
    /// A Sentinel workspace by its resource id, with the identity that the environment has.
    ///
    /// Errors: an id that is no workspace's, an unknown cloud, an endpoint that is not https.
    pub(crate) fn sentinel_service(&self, workspace: &str) -> Result<Service> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let cloud = variable(CLOUD).map_or(Ok(Cloud::Public), |name| Cloud::from_name(&name)).map_err(error_of)?;
        let tokens = TokenSource::new(default_chain(cloud, None, &variable).map_err(error_of)?);
        let transport = Transport::new(TransportOptions::default()).map_err(error_of)?;
        let arm = match variable(ENDPOINT) {
            Some(address) => {
                let endpoint = Endpoint::parse(&address, Trust::Config).map_err(error_of)?;
                Ok(Arm::at(transport, endpoint, cloud, Auth::Token(tokens)))
            }
            None => Arm::new(transport, cloud, Auth::Token(tokens)),
        };
        self.sentinel_over(workspace, arm.map_err(error_of)?)
    }

    /// A Sentinel workspace over a client of the management plane.
    pub fn sentinel_over(&self, workspace: &str, arm: Arm) -> Result<Service> {
        Service::new(workspace, Box::new(Azure { arm, cancel: self.cancel.clone() }))
    }
}

impl Azure {
    fn wait<T: Send>(
        &self,
        work: impl Future<Output = std::result::Result<T, huntbook_azure::Error>> + Send,
    ) -> Outcome<T> {
        huntbook_azure::run(&|| self.cancel.is_cancelled(), work)
    }
}

type Outcome<T> = std::result::Result<T, huntbook_azure::Error>;

impl Management for Azure {
    fn find(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Json>> {
        match self.wait(self.arm.get(&resource(path, query)?)) {
            Ok(found) => Ok(Some(found)),
            Err(huntbook_azure::Error::Service(error)) if error.status == 404 => Ok(None),
            Err(error) => Err(error_of(error)),
        }
    }

    fn list(&self, path: &str, query: &[(&str, &str)], limit: usize) -> Result<Vec<Json>> {
        self.wait(self.arm.first(&resource(path, query)?, limit)).map_err(error_of)
    }

    fn put(&self, path: &str, query: &[(&str, &str)], body: &Json) -> Result<Json> {
        self.wait(self.arm.put(&resource(path, query)?, body)).map_err(|error| match &error {
            huntbook_azure::Error::Service(service) if matches!(service.status, 409 | 412) => {
                let message =
                    format!("{error}\nSomebody has changed it meanwhile: run the command again to see it as it is now");
                Error::new("Conflict", message)
            }
            _ => error_of(error),
        })
    }
}

fn resource(path: &str, query: &[(&str, &str)]) -> Result<ResourcePath> {
    let version = query.iter().find(|(name, _)| *name == "api-version").map_or("", |(_, version)| version);
    let resource = ResourcePath::new(path.trim_start_matches('/').split('/'), version).map_err(error_of)?;
    let others = query.iter().filter(|(name, _)| *name != "api-version");
    Ok(others.fold(resource, |resource, (name, value)| resource.with(name, value)))
}

fn error_of(error: huntbook_azure::Error) -> Error {
    if error.is_cancelled() {
        return Error::cancelled();
    }
    Error::new(error.kind(), error.to_string())
}
