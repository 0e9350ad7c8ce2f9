//! Charts of `render`, with plain data and with data that is hard to draw.

use huntbook_plots::{ChartData, ChartKind, ChartOptions, Column, Split, Stacking, Values};

pub(crate) const HOUR: i64 = 3_600_000_000;
/// 2026-11-02 00:00 UTC
pub(crate) const START: i64 = 1_793_577_600_000_000;

/// A small generator, the same every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() * end as f64) as usize
    }
}

pub(crate) fn numbers(name: &str, values: impl IntoIterator<Item = f64>) -> Column {
    Column { name: name.into(), values: Values::Numbers(values.into_iter().collect()) }
}

pub(crate) fn times(name: &str, values: impl IntoIterator<Item = i64>) -> Column {
    Column { name: name.into(), values: Values::Times(values.into_iter().map(Some).collect()) }
}

pub(crate) fn texts<T: Into<String>>(name: &str, values: impl IntoIterator<Item = T>) -> Column {
    Column { name: name.into(), values: Values::Texts(values.into_iter().map(Into::into).collect()) }
}

pub(crate) fn data(columns: Vec<Column>) -> ChartData {
    ChartData::new(columns).expect("columns of equal length")
}

/// Events per hour over a week for each of these names, with days and nights.
fn week(names: &[&str]) -> ChartData {
    let mut random = Random(7);
    let (mut at, mut who, mut n) = (Vec::new(), Vec::new(), Vec::new());
    for hour in 0..168_i64 {
        for (index, name) in names.iter().enumerate() {
            let day = 1.0 + ((hour as f64 - 8.0) / 24.0 * std::f64::consts::TAU).sin();
            at.push(START + hour * HOUR);
            who.push(name.to_string());
            n.push((day * (40.0 / (index + 1) as f64) + random.next() * 12.0).round());
        }
    }
    data(vec![times("TimeGenerated", at), texts("Account", who), numbers("count_", n)])
}

fn totals(amount: usize) -> ChartData {
    let names = (0..amount).map(|i| format!("host-{i:03}.contoso.example"));
    let values = (0..amount).map(|i| (900.0 / (i + 1) as f64 + (i % 7) as f64).round());
    data(vec![texts("Computer", names), numbers("events", values)])
}

fn anomalies() -> ChartData {
    let mut random = Random(3);
    let values: Vec<f64> = (0..240)
        .map(|i| {
            let spike = if [57, 130, 131, 200].contains(&i) { 90.0 } else { 0.0 };
            60.0 + 25.0 * (f64::from(i) / 24.0 * std::f64::consts::TAU).sin() + random.next() * 12.0 + spike
        })
        .collect();
    let flags = values.iter().map(|value| f64::from(u8::from(*value > 120.0)));
    data(vec![
        times("TimeGenerated", (0..240).map(|i| START + i * HOUR)),
        numbers("flag", flags.collect::<Vec<_>>()),
        numbers("logons", values),
    ])
}

fn cells() -> ChartData {
    let (mut who, mut what, mut n) = (Vec::new(), Vec::new(), Vec::new());
    for (i, computer) in ["dc01", "web01", "web02", "sql01", "jump"].iter().enumerate() {
        for (j, event) in ["4624", "4625", "4688", "5140"].iter().enumerate() {
            who.push(*computer);
            what.push(*event);
            n.push(((i * 37 + j * 53) % 90 + 10) as f64);
        }
    }
    data(vec![texts("Computer", who), texts("EventID", what), numbers("events", n)])
}

fn panels() -> ChartData {
    let mut random = Random(11);
    data(vec![
        times("TimeGenerated", (0..96).map(|i| START + i * HOUR / 4)),
        numbers("logons", (0..96).map(|i| f64::from(40 + i % 13)).collect::<Vec<_>>()),
        numbers("bytes", (0..96).map(|_| 1e6 + random.next() * 4e6).collect::<Vec<_>>()),
        numbers("failures", (0..96).map(|i| if i % 30 == 0 { 9.0 } else { 1.0 }).collect::<Vec<_>>()),
    ])
}

fn cloud(amount: usize) -> ChartData {
    let mut random = Random(5);
    let mut bell = move || (0..6).map(|_| random.next()).sum::<f64>() - 3.0;
    let x: Vec<f64> = (0..amount).map(|_| bell()).collect();
    let y: Vec<f64> = x.iter().map(|x| x * 0.6 + bell()).collect();
    let kind = (0..amount).map(|i| if i % 3 == 0 { "other department" } else { "own department" });
    data(vec![texts("kind", kind), numbers("duration", x), numbers("score", y)])
}

pub(crate) fn million() -> ChartData {
    let mut random = Random(9);
    let mut level = 0.0;
    let values: Vec<f64> = (0..1_000_000)
        .map(|i| {
            level += random.next() - 0.5;
            if i == 600_000 { level + 900.0 } else { level }
        })
        .collect();
    data(vec![times("TimeGenerated", (0..1_000_000).map(|i| START + i * 1_000_000)), numbers("load", values)])
}

const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"quoted\" & 'single' \u{1b}[31m",
    "مستخدم عربي طويل جدا",
    "user\u{202e}gpj.exe",
    "資源伺服器第一號共享資料夾財務部門",
    r"\\fileserver-europe-west-01.contoso.example\finance\2026\november\salaries.xlsx",
];

pub(crate) fn all() -> Vec<(&'static str, ChartData, ChartOptions)> {
    use ChartKind::*;
    let of = ChartOptions::of;
    let stacked = |kind, stacking| ChartOptions { stacking, ..of(kind) };
    let five = ["CONTOSO\\anna", "CONTOSO\\ben", "CONTOSO\\carla", "svc_backup", "svc_sql"];
    let many: Vec<String> = (0..40).map(|i| format!("account-{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let hostile = data(vec![texts("<b>name</b>", HOSTILE), numbers("a & b", [5.0, 3.0, f64::NAN, 4.0, 2.0, 1.0])]);
    let one = data(vec![times("TimeGenerated", [START]), numbers("n", [7.0])]);
    let equal = data(vec![times("TimeGenerated", (0..50).map(|i| START + i * HOUR)), numbers("n", vec![5.0; 50])]);
    let powers = data(vec![
        numbers("rank", (1..=200).map(f64::from)),
        numbers("bytes", (1..=200).map(|i| 1e9 / f64::from(i).powi(2))),
    ]);
    let signed = data(vec![
        texts("department", ["finance", "hr", "it", "legal", "sales"]),
        numbers("change", [12.0, -7.5, 3.0, -1.0, 22.0]),
        numbers("before", [30.0, 20.0, 10.0, 15.0, 25.0]),
    ]);
    let holes: Vec<f64> = (0..120).map(|i| if (40..60).contains(&i) { f64::NAN } else { f64::from(i % 17) }).collect();
    let holes = data(vec![times("TimeGenerated", (0..120).map(|i| START + i * HOUR / 6)), numbers("n", holes)]);
    vec![
        ("timechart", week(&five), of(Time)),
        ("timechart-one-series", panels(), ChartOptions { y_columns: vec!["logons".into()], ..of(Time) }),
        ("timechart-40-series", week(&many), of(Time)),
        ("timechart-gap", holes, of(Time)),
        ("timechart-million-points", million(), of(Time)),
        ("timechart-panels", panels(), ChartOptions { split: Split::Panels, ..of(Time) }),
        ("timechart-axes", panels(), ChartOptions { split: Split::Axes, ..of(Time) }),
        ("timechart-accumulate", week(&five[..2]), ChartOptions { accumulate: true, ..of(Time) }),
        ("timechart-one-point", one.clone(), of(Time)),
        ("timechart-all-equal", equal, of(Time)),
        ("timechart-ymin-ymax", week(&five[..2]), ChartOptions { y_min: Some(20.0), y_max: Some(60.0), ..of(Time) }),
        ("linechart-log", powers, ChartOptions { x_log: true, y_log: true, ..of(Line) }),
        ("linechart-hostile", hostile.clone(), of(Line)),
        ("anomalychart", anomalies(), of(Anomaly)),
        ("areachart", week(&five[..2]), of(Area)),
        ("stackedareachart", week(&five), of(StackedArea)),
        ("areachart-stacked100", week(&five), stacked(Area, Stacking::Full)),
        ("columnchart", cells(), of(Column)),
        ("columnchart-stacked", cells(), stacked(Column, Stacking::Stacked)),
        ("columnchart-stacked100", cells(), stacked(Column, Stacking::Full)),
        (
            "columnchart-time",
            week(&five),
            ChartOptions { x_column: Some("TimeGenerated".into()), ..stacked(Column, Stacking::Stacked) },
        ),
        ("columnchart-200-categories", totals(200), of(Column)),
        ("columnchart-signed", signed.clone(), of(Column)),
        ("columnchart-one-point", one, of(Column)),
        ("barchart", totals(12), of(Bar)),
        ("barchart-200-categories", totals(200), of(Bar)),
        ("barchart-stacked", cells(), stacked(Bar, Stacking::Stacked)),
        ("barchart-unstacked", cells(), of(Bar)),
        ("barchart-hostile", hostile.clone(), of(Bar)),
        ("barchart-signed", signed.clone(), of(Bar)),
        ("piechart", totals(24), of(Pie)),
        ("piechart-two", signed, of(Pie)),
        ("piechart-hostile", hostile.clone(), of(Pie)),
        ("scatterchart", cloud(400), of(Scatter)),
        ("scatterchart-200000-points", cloud(200_000), of(Scatter)),
        ("treemap", totals(40), of(Treemap)),
        ("treemap-hostile", hostile, of(Treemap)),
        ("card", panels(), of(Card)),
        ("no-data", data(vec![times("TimeGenerated", []), numbers("n", [])]), of(Time)),
    ]
}
