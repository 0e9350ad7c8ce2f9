//! `DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...`, as the portal and Azurite give it.

use url::Url;

use super::{BlobError, endpoint};
use crate::secret::Secret;

/// The account of the emulator and its key, which are in its documentation.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What a storage connection string says. It is a secret as a whole.
pub struct ConnectionString {
    pub account: String,
    /// Where the account's blobs are, such as `https://ACCOUNT.blob.core.windows.net/`.
    pub endpoint: Url,
    pub credential: ConnectionCredential,
}

pub enum ConnectionCredential {
    AccountKey(Secret),
    /// A query string without `?`.
    Sas(Secret),
    Anonymous,
}

impl ConnectionString {
    /// Reads `Name=value` pairs with `;` between them; values may hold `=`. `UseDevelopmentStorage=true` is the
    /// emulator (Azurite) on this machine.
    ///
    /// Errors: text that is no connection string, without account or endpoint, or one that would send the key over
    /// plain http to another machine. They never repeat the text.
    pub fn parse(text: &str) -> Result<ConnectionString, BlobError> {
        let mut fields = Fields::read(text)?;
        if fields.emulator {
            let proxy = fields.emulator_proxy.as_deref().unwrap_or("http://127.0.0.1").trim_end_matches('/');
            fields.account.get_or_insert_with(|| EMULATOR_ACCOUNT.into());
            fields.key.get_or_insert_with(|| EMULATOR_KEY.into());
            fields.blob_endpoint.get_or_insert_with(|| format!("{proxy}:10000/{EMULATOR_ACCOUNT}"));
        }
        let endpoint = match (&fields.blob_endpoint, &fields.account) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(account)) => {
                let protocol = fields.protocol.as_deref().unwrap_or("https");
                let suffix = fields.suffix.as_deref().unwrap_or("core.windows.net");
                format!("{protocol}://{account}.blob.{suffix}")
            }
            (None, None) => {
                return Err(BlobError::invalid(
                    "the connection string names no account: it needs AccountName=... or BlobEndpoint=...",
                ));
            }
        };
        let endpoint = endpoint::checked(&endpoint)?;
        let account = match fields.account {
            Some(account) => account,
            None => endpoint::account_of(&endpoint).ok_or_else(|| {
                BlobError::invalid("the connection string names no account, and its BlobEndpoint does not tell one")
            })?,
        };
        endpoint::check_account(&account)?;
        let credential = match (fields.sas, fields.key) {
            // As Azure's own clients do: a signature goes before a key.
            (Some(sas), _) => ConnectionCredential::Sas(Secret::new(sas.trim_start_matches('?'))),
            (None, Some(key)) => ConnectionCredential::AccountKey(Secret::new(key)),
            (None, None) => ConnectionCredential::Anonymous,
        };
        Ok(ConnectionString { account, endpoint, credential })
    }
}

#[derive(Default)]
struct Fields {
    account: Option<String>,
    key: Option<String>,
    sas: Option<String>,
    blob_endpoint: Option<String>,
    suffix: Option<String>,
    protocol: Option<String>,
    emulator: bool,
    emulator_proxy: Option<String>,
}

impl Fields {
    fn read(text: &str) -> Result<Fields, BlobError> {
        let mut fields = Fields::default();
        for (at, part) in text.trim().trim_matches(['"', '\'']).split(';').enumerate() {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let Some((name, value)) = part.split_once('=') else {
                return Err(BlobError::invalid(format!(
                    "part {} of the connection string is no Name=value: copy it as a whole from the portal (Access keys)",
                    at + 1
                )));
            };
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim().to_ascii_lowercase().as_str() {
                "accountname" => fields.account = value,
                "accountkey" => fields.key = value,
                "sharedaccesssignature" => fields.sas = value,
                "blobendpoint" => fields.blob_endpoint = value,
                "endpointsuffix" => fields.suffix = value,
                "defaultendpointsprotocol" => fields.protocol = value,
                "usedevelopmentstorage" => {
                    fields.emulator = value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
                }
                "developmentstorageproxyuri" => fields.emulator_proxy = value,
                // Endpoints of queues, tables and files, and whatever comes later.
                _ => {}
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ConnectionString {
        ConnectionString::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn key(parsed: &ConnectionString) -> &str {
        match &parsed.credential {
            ConnectionCredential::AccountKey(key) => key.expose(),
            _ => panic!("no key"),
        }
    }

    #[test]
    fn the_portals_string() {
        let text =
            "DefaultEndpointsProtocol=https;AccountName=hunt;AccountKey=c2VjcmV0+/==;EndpointSuffix=core.windows.net";
        let it = parsed(text);
        assert_eq!((it.account.as_str(), it.endpoint.as_str()), ("hunt", "https://hunt.blob.core.windows.net/"));
        assert_eq!(key(&it), "c2VjcmV0+/==");
    }

    #[test]
    fn other_clouds_orders_and_spellings() {
        let it = parsed(" accountkey=a2V5 ; EndpointSuffix=core.usgovcloudapi.net;AccountName=hunt; ");
        assert_eq!(it.endpoint.as_str(), "https://hunt.blob.core.usgovcloudapi.net/");
    }

    #[test]
    fn the_emulator() {
        let it = parsed("UseDevelopmentStorage=true");
        assert_eq!(it.endpoint.as_str(), "http://127.0.0.1:10000/devstoreaccount1");
        assert_eq!(key(&it), EMULATOR_KEY);
        let explicit = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;BlobEndpoint=http://localhost:4711/devstoreaccount1;QueueEndpoint=http://localhost:4712/devstoreaccount1;";
        assert_eq!(parsed(explicit).endpoint.as_str(), "http://localhost:4711/devstoreaccount1");
    }

    #[test]
    fn a_signature_goes_before_a_key_and_tells_no_account_by_itself() {
        let it = parsed(
            "BlobEndpoint=https://hunt.blob.core.windows.net/;SharedAccessSignature=?sv=1&sig=a%2Bb%3D;AccountKey=a2V5",
        );
        assert_eq!(it.account, "hunt");
        assert!(matches!(&it.credential, ConnectionCredential::Sas(sas) if sas.expose() == "sv=1&sig=a%2Bb%3D"));
    }

    #[test]
    fn mistakes_repeat_nothing_secret() {
        let mistakes = [
            "AccountName=hunt;c2VjcmV0a2V5",
            "AccountKey=c2VjcmV0a2V5",
            "DefaultEndpointsProtocol=http;AccountName=hunt;AccountKey=c2VjcmV0a2V5",
            "AccountName=hu nt\n;AccountKey=c2VjcmV0a2V5",
            "BlobEndpoint=ftp://hunt/;AccountKey=c2VjcmV0a2V5",
            "",
        ];
        for text in mistakes {
            let error =
                ConnectionString::parse(text).err().unwrap_or_else(|| panic!("{text} is no mistake")).to_string();
            assert!(!error.contains("c2VjcmV0a2V5"), "{error}");
        }
    }
}
