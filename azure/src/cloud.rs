//! The Azure clouds: where their services are, and what tokens are asked for.
//!
//! Source: Azure Monitor and Entra documentation of endpoints per cloud.

use crate::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cloud {
    #[default]
    Public,
    UsGov,
    China,
}

impl Cloud {
    /// Reads `public`, `usgov`, `china` and the names that the Azure CLI and msticpy have for them.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        match plain.as_str() {
            "public" | "global" | "azurecloud" | "azurepubliccloud" => Ok(Self::Public),
            "usgov" | "gov" | "azureusgovernment" | "usgovernment" => Ok(Self::UsGov),
            "china" | "cn" | "azurechinacloud" => Ok(Self::China),
            _ => Err(Error::Config(format!("`{name}` is no Azure cloud: use public, usgov or china"))),
        }
    }

    fn pick(self, public: &'static str, us_gov: &'static str, china: &'static str) -> &'static str {
        match self {
            Self::Public => public,
            Self::UsGov => us_gov,
            Self::China => china,
        }
    }

    /// Where tokens come from.
    pub fn authority(self) -> &'static str {
        self.pick(
            "https://login.microsoftonline.com",
            "https://login.microsoftonline.us",
            "https://login.partner.microsoftonline.cn",
        )
    }

    /// Log Analytics and Application Insights queries.
    pub fn log_analytics(self) -> &'static str {
        self.pick(
            "https://api.loganalytics.azure.com",
            "https://api.loganalytics.us",
            "https://api.loganalytics.azure.cn",
        )
    }

    /// The scope for [`log_analytics`](Self::log_analytics). The public cloud's new host takes tokens for the old one.
    pub fn log_analytics_scope(self) -> &'static str {
        self.pick(
            "https://api.loganalytics.io/.default",
            "https://api.loganalytics.us/.default",
            "https://api.loganalytics.azure.cn/.default",
        )
    }

    /// The management plane.
    pub fn arm(self) -> &'static str {
        self.pick(
            "https://management.azure.com",
            "https://management.usgovcloudapi.net",
            "https://management.chinacloudapi.cn",
        )
    }

    pub fn arm_scope(self) -> &'static str {
        self.pick(
            "https://management.azure.com/.default",
            "https://management.usgovcloudapi.net/.default",
            "https://management.chinacloudapi.cn/.default",
        )
    }

    /// The scope of the Logs Ingestion API.
    pub fn ingestion_scope(self) -> &'static str {
        self.pick(
            "https://monitor.azure.com/.default",
            "https://monitor.azure.us/.default",
            "https://monitor.azure.cn/.default",
        )
    }

    /// What follows the workspace's id in the host of the Data Collector API.
    pub fn data_collector_suffix(self) -> &'static str {
        self.pick("ods.opinsights.azure.com", "ods.opinsights.azure.us", "ods.opinsights.azure.cn")
    }

    /// What follows a vault's name in its host.
    pub fn key_vault_suffix(self) -> &'static str {
        self.pick("vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn")
    }

    pub fn storage_suffix(self) -> &'static str {
        self.pick("core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn")
    }

    /// What follows a cluster's name in its host.
    pub fn kusto_suffix(self) -> &'static str {
        self.pick("kusto.windows.net", "kusto.usgovcloudapi.net", "kusto.chinacloudapi.cn")
    }
}

/// Domains that belong to Microsoft's services of every cloud. A host below one of them may receive a token that a
/// notebook names it for; any other host must be named in the user's configuration.
pub(crate) const KNOWN_DOMAINS: [&str; 31] = [
    "api.loganalytics.io",
    "api.loganalytics.azure.com",
    "api.loganalytics.us",
    "api.loganalytics.azure.cn",
    "api.applicationinsights.io",
    "api.applicationinsights.us",
    "api.applicationinsights.azure.cn",
    "adx.monitor.azure.com",
    "ingest.monitor.azure.com",
    "ingest.monitor.azure.us",
    "ingest.monitor.azure.cn",
    "ods.opinsights.azure.com",
    "ods.opinsights.azure.us",
    "ods.opinsights.azure.cn",
    "kusto.windows.net",
    "kusto.azure.com",
    "kustodev.windows.net",
    "kusto.fabric.microsoft.com",
    "kusto.data.microsoft.com",
    "kusto.usgovcloudapi.net",
    "kusto.chinacloudapi.cn",
    "management.azure.com",
    "management.usgovcloudapi.net",
    "management.chinacloudapi.cn",
    "blob.core.windows.net",
    "dfs.core.windows.net",
    "blob.core.usgovcloudapi.net",
    "blob.core.chinacloudapi.cn",
    "vault.azure.net",
    "vault.usgovcloudapi.net",
    "vault.azure.cn",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_by_the_names_people_use() {
        assert_eq!(Cloud::from_name("AzureUSGovernment").unwrap(), Cloud::UsGov);
        assert_eq!(Cloud::from_name("us-gov").unwrap(), Cloud::UsGov);
        assert_eq!(Cloud::from_name("Public").unwrap(), Cloud::Public);
        assert!(Cloud::from_name("moon").unwrap_err().to_string().contains("china"));
    }
}
