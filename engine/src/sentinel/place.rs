//! Where rules, incidents, bookmarks and watchlists are: in the local workspace, or in the service.

use std::fmt;

use super::sentinel_error;
use super::service::Service;
use crate::{Engine, Result};

/// Chosen per command.
pub enum Place {
    /// The workspace folder
    Local,
    /// A Log Analytics workspace with Microsoft Sentinel, by Azure Resource Manager
    Service(Service),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local => f.write_str("local workspace"),
            Place::Service(service) => write!(f, "{service}"),
        }
    }
}

impl Engine {
    /// The place that a connection names: the resource id of a Log Analytics workspace, or the local workspace where none is
    /// named.
    pub fn sentinel_place(&self, connection: Option<&str>) -> Result<Place> {
        match connection {
            None | Some("local") => Ok(Place::Local),
            Some(id) if id.starts_with('/') => Ok(Place::Service(self.sentinel_service(id)?)),
            Some(name) => Err(sentinel_error(format!(
                "`--conn {name}` names no workspace: give its resource id, /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.OperationalInsights/workspaces/<name>"
            ))),
        }
    }
}
