//! Hunting visuals with generated logs.

use huntbook_plots::{
    CalendarOptions, ChartData, GraphOptions, MatrixOptions, Picture, PlotError, ProcessTreeOptions, TimelineOptions,
    calendar, entity_graph, matrix, process_tree, timeline,
};

use crate::charts::{HOUR, Random, START, data, numbers, texts, times};

const MINUTE: i64 = HOUR / 60;

pub(crate) fn all() -> Result<Vec<(&'static str, Picture)>, PlotError> {
    let titled = |title: &str| TimelineOptions { title: title.into(), ..TimelineOptions::default() };
    let alerts = TimelineOptions {
        group: Some("Computer".into()),
        anomalous: Some("odd".into()),
        marks: vec![
            (START + 9 * HOUR, "alert: password spray".into()),
            (START + 9 * HOUR + 20 * MINUTE, "alert: new admin".into()),
            (START + 30 * HOUR, "account disabled".into()),
        ],
        ..titled("Events around the alert")
    };
    let sessions =
        TimelineOptions { group: Some("user".into()), end: Some("EndTime".into()), ..titled("Logon sessions") };
    let odd =
        |max_rows| ProcessTreeOptions { anomalous: Some("odd".into()), max_rows, ..ProcessTreeOptions::default() };
    let graph = GraphOptions { anomalous: Some("odd".into()), title: "Accesses".into(), ..GraphOptions::default() };
    let matrix_of = |title: &str| MatrixOptions { title: title.into(), ..MatrixOptions::default() };
    let hours = |title: &str| CalendarOptions { title: title.into(), ..CalendarOptions::default() };
    Ok(vec![
        ("timeline", timeline(&events(300), &alerts)?),
        ("timeline-20000-events", timeline(&events(20_000), &alerts)?),
        ("timeline-sessions", timeline(&sessions_data(), &sessions)?),
        ("timeline-no-data", timeline(&events(0), &alerts)?),
        ("process-tree", process_tree(&processes(), &odd(120))?),
        ("process-tree-cut", process_tree(&processes(), &odd(9))?),
        ("matrix", matrix(&accesses(8, 12, 300), &matrix_of("Users and shares"))?),
        ("matrix-folded", matrix(&accesses(70, 90, 3_000), &matrix_of("Many users and shares"))?),
        ("graph", entity_graph(&accesses(10, 16, 60), &graph)?),
        ("graph-folded", entity_graph(&accesses(90, 150, 1_500), &graph)?),
        ("calendar-hours", calendar(&moments(14), &hours("Sign-ins by hour"))?),
        ("calendar-days", calendar(&moments(500), &hours("Sign-ins by day"))?),
    ])
}

fn events(amount: usize) -> ChartData {
    let mut random = Random(21);
    let computers = ["dc01", "web01", "web02", "sql01", "jump-host.contoso.example", "<b>laptop</b>"];
    let rows: Vec<(i64, &str, f64, &str, f64)> = (0..amount)
        .map(|_| {
            let at = START + (random.next() * 48.0 * HOUR as f64) as i64;
            let computer = computers[random.below(computers.len())];
            let odd = f64::from(u8::from(random.next() > 0.985));
            (at, computer, [4624.0, 4625.0, 4688.0][random.below(3)], ["anna", "ben", "svc_sql"][random.below(3)], odd)
        })
        .collect();
    data(vec![
        times("TimeGenerated", rows.iter().map(|row| row.0)),
        texts("Computer", rows.iter().map(|row| row.1)),
        numbers("EventID", rows.iter().map(|row| row.2)),
        texts("Account", rows.iter().map(|row| row.3)),
        numbers("odd", rows.iter().map(|row| row.4)),
    ])
}

fn sessions_data() -> ChartData {
    let mut random = Random(4);
    let rows: Vec<(i64, i64, String)> = (0..40)
        .map(|index| {
            let from = START + (random.next() * 60.0 * HOUR as f64) as i64;
            (from, from + (random.next() * 8.0 * HOUR as f64) as i64, format!("user-{}", index % 6))
        })
        .collect();
    data(vec![
        times("StartTime", rows.iter().map(|row| row.0)),
        times("EndTime", rows.iter().map(|row| row.1)),
        texts("user", rows.iter().map(|row| row.2.clone())),
    ])
}

/// Host, minute, process, id, parent's process, parent's id, command line, odd
type Process = (&'static str, i64, &'static str, &'static str, &'static str, &'static str, &'static str, f64);

#[rustfmt::skip]
const PROCESSES: [Process; 14] = [
    ("ws-017", 0, r"C:\Windows\explorer.exe", "0x9c4", r"C:\Windows\System32\userinit.exe", "0x7d0", r"C:\Windows\Explorer.EXE", 0.0),
    ("ws-017", 3, r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE", "0x1a2c", r"C:\Windows\explorer.exe", "0x9c4", r#""C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE""#, 0.0),
    ("ws-017", 7, r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE", "0x1b40", r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE", "0x1a2c", r#"WINWORD.EXE /n "C:\Users\anna\AppData\Local\Temp\invoice_8831.docm" /o """#, 0.0),
    ("ws-017", 7, r"C:\Windows\System32\cmd.exe", "0x1c08", r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE", "0x1b40", "cmd.exe /c powershell -w hidden -enc <base64> & exit", 1.0),
    ("ws-017", 8, r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", "0x1c4c", r"C:\Windows\System32\cmd.exe", "0x1c08", "powershell -w hidden -enc <base64>", 1.0),
    ("ws-017", 9, r"C:\Windows\System32\whoami.exe", "0x1d00", r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", "0x1c4c", "whoami /groups", 1.0),
    ("ws-017", 9, r"C:\Windows\System32\net.exe", "0x1d08", r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", "0x1c4c", "net group \"Domain Admins\" /domain", 1.0),
    ("ws-017", 9, r"C:\Windows\System32\net1.exe", "0x1d10", r"C:\Windows\System32\net.exe", "0x1d08", "net1 group \"Domain Admins\" /domain", 0.0),
    ("ws-017", 12, r"C:\Windows\System32\rundll32.exe", "0x1e00", r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", "0x1c4c", r"rundll32.exe C:\Users\anna\AppData\Roaming\wlbsctrl.dll,#1", 1.0),
    ("ws-017", 30, r"C:\Program Files\Google\Chrome\Application\chrome.exe", "0x2000", r"C:\Windows\explorer.exe", "0x9c4", "chrome.exe --profile-directory=Default", 0.0),
    ("srv-fs02", 2, r"C:\Windows\System32\services.exe", "0x2a0", "", "", r"C:\Windows\system32\services.exe", 0.0),
    ("srv-fs02", 2, r"C:\Windows\System32\svchost.exe", "0x3e8", r"C:\Windows\System32\services.exe", "0x2a0", "svchost.exe -k netsvcs -p", 0.0),
    ("srv-fs02", 15, r"C:\Windows\PSEXESVC.exe", "0x9c4", r"C:\Windows\System32\services.exe", "0x2a0", r"C:\Windows\PSEXESVC.exe", 1.0),
    ("srv-fs02", 16, r"C:\Windows\System32\cmd.exe", "0xa00", r"C:\Windows\PSEXESVC.exe", "0x9c4", "cmd.exe", 0.0),
];

fn processes() -> ChartData {
    let rows = &PROCESSES;
    data(vec![
        times("TimeGenerated", rows.iter().map(|row| START + 9 * HOUR + row.1 * MINUTE)),
        texts("Computer", rows.iter().map(|row| row.0)),
        texts("NewProcessName", rows.iter().map(|row| row.2)),
        texts("NewProcessId", rows.iter().map(|row| row.3)),
        texts("ParentProcessName", rows.iter().map(|row| row.4)),
        texts("ProcessId", rows.iter().map(|row| row.5)),
        texts("CommandLine", rows.iter().map(|row| row.6)),
        numbers("odd", rows.iter().map(|row| row.7)),
    ])
}

fn accesses(users: usize, resources: usize, amount: usize) -> ChartData {
    let mut random = Random(8);
    // Few do much.
    let mut rows = Vec::new();
    for _ in 0..amount {
        let user = (random.next().powi(2) * users as f64) as usize;
        let resource = (user * 3 + random.below(resources / 2 + 1)) % resources;
        rows.push((user, resource, (random.next() * 40.0).ceil(), f64::from(u8::from(random.next() > 0.97))));
    }
    data(vec![
        texts("user", rows.iter().map(|row| format!(r"CONTOSO\user{:02}", row.0))),
        texts("res", rows.iter().map(|row| format!(r"\\srv\share-{:02}", row.1))),
        numbers("n", rows.iter().map(|row| row.2)),
        numbers("odd", rows.iter().map(|row| row.3)),
    ])
}

fn moments(days: i64) -> ChartData {
    let mut random = Random(13);
    let mut at = Vec::new();
    for hour in 0..days * 24 {
        let busy = match (hour % 24, hour / 24 % 7) {
            (_, 5 | 6) => 1.0,
            (8..=17, _) => 30.0,
            _ => 2.0,
        };
        for _ in 0..(random.next() * busy) as usize {
            at.push(START - 200 * 24 * HOUR * i64::from(days > 100) + hour * HOUR + (random.next() * 3.6e9) as i64);
        }
    }
    data(vec![times("TimeGenerated", at)])
}
