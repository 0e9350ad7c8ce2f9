//! Entity types of Microsoft Sentinel, their identifiers, and which of them make an entity.
//!
//! Source: "Microsoft Sentinel entity types reference" and the schema checks of the Azure-Sentinel repository.

/// What a rule may map for one entity type.
#[derive(Debug)]
pub(crate) struct EntityType {
    /// As rules write it
    pub(crate) name: &'static str,
    /// As alerts write it
    pub(crate) alert_type: &'static str,
    pub(crate) identifiers: &'static [&'static str],
    /// Any of these sets is enough.
    pub(crate) required: &'static [&'static [&'static str]],
}

impl EntityType {
    pub(crate) fn named(name: &str) -> Option<&'static EntityType> {
        TYPES.iter().find(|known| known.name == name)
    }

    /// Do these identifiers make an entity?
    pub(crate) fn is_made_of(&self, present: &[&str]) -> bool {
        self.required.iter().any(|set| set.iter().all(|identifier| present.contains(identifier)))
    }

    /// `FullName, Sid or Name`
    pub(crate) fn requirement(&self) -> String {
        let sets: Vec<String> = self.required.iter().map(|set| set.join(" with ")).collect();
        match sets.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

pub(crate) fn type_names() -> String {
    TYPES.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")
}

const fn entity(
    name: &'static str,
    alert_type: &'static str,
    identifiers: &'static [&'static str],
    required: &'static [&'static [&'static str]],
) -> EntityType {
    EntityType { name, alert_type, identifiers, required }
}

const TYPES: [EntityType; 19] = [
    entity(
        "Account",
        "account",
        &[
            "Name",
            "FullName",
            "NTDomain",
            "DnsDomain",
            "UPNSuffix",
            "Sid",
            "AadTenantId",
            "AadUserId",
            "PUID",
            "IsDomainJoined",
            "DisplayName",
            "ObjectGuid",
        ],
        &[&["FullName"], &["Sid"], &["Name"], &["AadUserId"], &["PUID"], &["ObjectGuid"]],
    ),
    entity(
        "Host",
        "host",
        &[
            "DnsDomain",
            "NTDomain",
            "HostName",
            "FullName",
            "NetBiosName",
            "AzureID",
            "OMSAgentID",
            "OSFamily",
            "OSVersion",
            "IsDomainJoined",
        ],
        &[&["FullName"], &["HostName"], &["NetBiosName"], &["AzureID"], &["OMSAgentID"]],
    ),
    entity("IP", "ip", &["Address", "AddressScope"], &[&["Address"]]),
    entity("URL", "url", &["Url"], &[&["Url"]]),
    entity("AzureResource", "azure-resource", &["ResourceId"], &[&["ResourceId"]]),
    entity("CloudApplication", "cloud-application", &["AppId", "Name", "InstanceName"], &[&["AppId"], &["Name"]]),
    entity("DNS", "dns", &["DomainName"], &[&["DomainName"]]),
    entity("File", "file", &["Directory", "Name"], &[&["Name"]]),
    entity("FileHash", "filehash", &["Algorithm", "Value"], &[&["Algorithm", "Value"]]),
    entity("Malware", "malware", &["Name", "Category"], &[&["Name"]]),
    entity(
        "Process",
        "process",
        &["ProcessId", "CommandLine", "ElevationToken", "CreationTimeUtc"],
        &[&["CommandLine"], &["ProcessId"]],
    ),
    entity("RegistryKey", "registry-key", &["Hive", "Key"], &[&["Key"], &["Hive"]]),
    entity("RegistryValue", "registry-value", &["Name", "Value", "ValueType"], &[&["Name"]]),
    entity(
        "SecurityGroup",
        "security-group",
        &["DistinguishedName", "SID", "ObjectGuid"],
        &[&["DistinguishedName"], &["SID"], &["ObjectGuid"]],
    ),
    entity(
        "IoTDevice",
        "iotdevice",
        &[
            "DeviceId",
            "DeviceName",
            "Manufacturer",
            "Model",
            "FirmwareVersion",
            "OperatingSystem",
            "MacAddress",
            "Protocols",
            "SerialNumber",
            "Source",
            "IoTSecurityAgentId",
            "DeviceType",
        ],
        &[&["DeviceId"]],
    ),
    entity(
        "Mailbox",
        "mailbox",
        &["MailboxPrimaryAddress", "DisplayName", "Upn", "ExternalDirectoryObjectId", "RiskLevel"],
        &[&["MailboxPrimaryAddress"]],
    ),
    entity(
        "MailCluster",
        "mail-cluster",
        &[
            "NetworkMessageIds",
            "CountByDeliveryStatus",
            "CountByThreatType",
            "CountByProtectionStatus",
            "Threats",
            "Query",
            "QueryTime",
            "MailCount",
            "IsVolumeAnomaly",
            "Source",
            "ClusterSourceIdentifier",
            "ClusterSourceType",
            "ClusterQueryStartTime",
            "ClusterQueryEndTime",
            "ClusterGroup",
        ],
        &[&["Query"], &["Source"]],
    ),
    entity(
        "MailMessage",
        "mail-message",
        &[
            "Recipient",
            "Urls",
            "Threats",
            "Sender",
            "P1Sender",
            "P1SenderDisplayName",
            "P1SenderDomain",
            "SenderIP",
            "P2Sender",
            "P2SenderDisplayName",
            "P2SenderDomain",
            "ReceivedDate",
            "NetworkMessageId",
            "InternetMessageId",
            "Subject",
            "BodyFingerprintBin1",
            "BodyFingerprintBin2",
            "BodyFingerprintBin3",
            "BodyFingerprintBin4",
            "BodyFingerprintBin5",
            "AntispamDirection",
            "DeliveryAction",
            "DeliveryLocation",
            "Language",
            "ThreatDetectionMethods",
        ],
        &[&["NetworkMessageId"], &["Recipient"]],
    ),
    entity(
        "SubmissionMail",
        "SubmissionMail",
        &[
            "NetworkMessageId",
            "Timestamp",
            "Recipient",
            "Sender",
            "SenderIp",
            "Subject",
            "ReportType",
            "SubmissionId",
            "SubmissionDate",
            "Submitter",
        ],
        &[&["SubmissionId"], &["NetworkMessageId"], &["Recipient"], &["Submitter"]],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_an_entity() {
        let account = EntityType::named("Account").unwrap();
        assert!(account.is_made_of(&["NTDomain", "Name"]) && !account.is_made_of(&["NTDomain"]));
        let hash = EntityType::named("FileHash").unwrap();
        assert!(hash.is_made_of(&["Value", "Algorithm"]) && !hash.is_made_of(&["Value"]));
        assert_eq!(hash.requirement(), "Algorithm with Value");
        assert!(EntityType::named("account").is_none(), "names are as the service writes them");
        for known in &TYPES {
            let needed = known.required.iter().flat_map(|set| set.iter());
            assert!(needed.clone().count() > 0, "{}", known.name);
            assert!(needed.into_iter().all(|needed| known.identifiers.contains(needed)), "{}", known.name);
        }
    }
}
