//! The columns of logs that record the creation of processes.

use crate::{ChartData, PlotError};

/// Names of columns. Those that are `None` are not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessColumns {
    /// When the process was created: a datetime.
    pub time: String,
    /// The file that runs.
    pub process: String,
    /// Its id: decimal, or hexadecimal with `0x`.
    pub id: String,
    /// The id of the process that created it.
    pub parent_id: String,
    /// The file that the parent runs.
    pub parent_process: Option<String>,
    /// The parent's own creation, where the log knows it.
    pub parent_time: Option<String>,
    /// The parent's parent, where the log knows it.
    pub grandparent_process: Option<String>,
    /// The id of the parent's parent.
    pub grandparent_id: Option<String>,
    /// The command line.
    pub command_line: Option<String>,
    /// Who runs it.
    pub user: Option<String>,
    /// Where it runs: ids of different hosts are different processes.
    pub host: Option<String>,
    /// The column that tells the creation of a process from other events, and its value.
    pub event: Option<(String, String)>,
}

/// Names as the service writes them: time, process, id, parent's id; parent's process, parent's time, grandparent's
/// process and id; command line, user, host; event column and value.
struct Known {
    required: [&'static str; 4],
    parent: [Option<&'static str>; 4],
    more: [&'static [&'static str]; 3],
    event: Option<(&'static str, &'static str)>,
}

const KNOWN: [Known; 5] = [
    // SecurityEvent: ProcessId is the parent's.
    Known {
        required: ["TimeGenerated", "NewProcessName", "NewProcessId", "ProcessId"],
        parent: [Some("ParentProcessName"), None, None, None],
        more: [&["CommandLine"], &["SubjectUserName", "Account", "SubjectUserSid"], &["Computer"]],
        event: Some(("EventID", "4688")),
    },
    // Microsoft Defender, DeviceProcessEvents
    Known {
        required: ["Timestamp", "FileName", "ProcessId", "InitiatingProcessId"],
        parent: [
            Some("InitiatingProcessFileName"),
            Some("InitiatingProcessCreationTime"),
            Some("InitiatingProcessParentFileName"),
            Some("InitiatingProcessParentId"),
        ],
        more: [&["ProcessCommandLine"], &["AccountName", "AccountSid"], &["DeviceName", "DeviceId"]],
        event: Some(("ActionType", "ProcessCreated")),
    },
    // The same in Sentinel, where times are TimeGenerated
    Known {
        required: ["TimeGenerated", "FileName", "ProcessId", "InitiatingProcessId"],
        parent: [
            Some("InitiatingProcessFileName"),
            Some("InitiatingProcessCreationTime"),
            Some("InitiatingProcessParentFileName"),
            Some("InitiatingProcessParentId"),
        ],
        more: [&["ProcessCommandLine"], &["AccountName", "AccountSid"], &["DeviceName", "DeviceId"]],
        event: Some(("ActionType", "ProcessCreated")),
    },
    // Sysmon
    Known {
        required: ["UtcTime", "Image", "ProcessId", "ParentProcessId"],
        parent: [Some("ParentImage"), None, None, None],
        more: [&["CommandLine"], &["User"], &["Computer"]],
        event: Some(("EventID", "1")),
    },
    // auditd
    Known {
        required: ["TimeGenerated", "exe", "pid", "ppid"],
        parent: [None, None, None, None],
        more: [&["cmdline"], &["acct", "uid"], &["Computer"]],
        event: Some(("EventType", "SYSCALL_EXECVE")),
    },
];

impl ProcessColumns {
    /// The columns of the first known schema whose required ones are all there.
    pub(super) fn infer(data: &ChartData) -> Result<ProcessColumns, PlotError> {
        let name = |wanted: &str| data.find(&[wanted]).map(|column| data.columns()[column].name.clone());
        let of = |known: &Known| {
            let [time, process, id, parent_id] = known.required.map(name);
            let [parent_process, parent_time, grandparent_process, grandparent_id] =
                known.parent.map(|wanted| wanted.and_then(name));
            let [command_line, user, host] = known.more.map(|names| names.iter().find_map(|wanted| name(wanted)));
            Some(ProcessColumns {
                time: time?,
                process: process?,
                id: id?,
                parent_id: parent_id?,
                parent_process,
                parent_time,
                grandparent_process,
                grandparent_id,
                command_line,
                user,
                host,
                event: known.event.and_then(|(column, value)| Some((name(column)?, value.to_owned()))),
            })
        };
        KNOWN.iter().find_map(of).ok_or_else(|| {
            let schemas: Vec<String> = KNOWN.iter().map(|known| known.required.join(", ")).collect();
            let needed = format!(
                "the columns of a log of processes, one of: {}. Name others with columns(time, process, id, parent_id)",
                schemas.join("; ")
            );
            PlotError::Missing { picture: "a process tree", needed }
        })
    }
}
