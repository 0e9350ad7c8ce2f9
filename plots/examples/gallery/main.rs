//! Writes sample charts for a look: `cargo run -p huntbook-plots --example gallery -- /tmp/gallery`.

//! `index.html` in the folder shows all of them; each has its text beside it.

mod charts;
mod hunting;

use std::{error::Error, fs, path::PathBuf, time::Instant};

use huntbook_plots::{
    ChartOptions, HistogramOptions, HistogramSeries, SankeyLink, SankeyOptions, chart, histogram, sankey,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "gallery".to_owned()));
    fs::create_dir_all(&folder)?;
    for (name, links, max_nodes) in sankeys() {
        let options = SankeyOptions { title: name.replace('-', " "), max_nodes, ..SankeyOptions::default() };
        fs::write(folder.join(format!("sankey-{name}.svg")), sankey(&links, &options)?.svg)?;
    }
    let narrow = SankeyOptions {
        title: "A narrow panel with a long title that has to be cut".into(),
        width: 320,
        ..SankeyOptions::default()
    };
    fs::write(folder.join("sankey-narrow.svg"), sankey(&long_names(), &narrow)?.svg)?;
    for (name, series, options) in histograms() {
        let options = HistogramOptions { title: name.replace('-', " "), ..options };
        fs::write(folder.join(format!("histogram-{name}.svg")), histogram(&series, &options)?.svg)?;
    }
    for (name, data, options) in charts::all() {
        let options = ChartOptions { title: name.replace('-', " "), ..options };
        let began = Instant::now();
        let picture = chart(&data, &options)?;
        let (took, size) = (began.elapsed().as_millis(), picture.svg.len() / 1000);
        println!("{name}: {} rows, {took} ms, {size} kB", data.rows());
        fs::write(folder.join(format!("chart-{name}.svg")), picture.svg)?;
        fs::write(folder.join(format!("chart-{name}.txt")), picture.text)?;
    }
    for (name, picture) in hunting::all()? {
        println!("{name}: {} kB", picture.svg.len() / 1000);
        fs::write(folder.join(format!("hunting-{name}.svg")), picture.svg)?;
        fs::write(folder.join(format!("hunting-{name}.txt")), picture.text)?;
    }
    write_page(&folder)
}

/// All pictures of the folder on one page, as a notebook shows them.
fn write_page(folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "svg"));
    files.sort();
    let mut page = "<!DOCTYPE html><meta charset=\"utf-8\"><title>gallery</title>\
        <style>:root{color-scheme:light dark}div{display:inline-block;margin:6px}</style>"
        .to_owned();
    for file in files {
        page += &format!("<div>{}</div>", fs::read_to_string(file)?);
    }
    fs::write(folder.join("index.html"), page)?;
    Ok(())
}

fn sankeys() -> Vec<(&'static str, Vec<SankeyLink>, usize)> {
    vec![
        ("three-nodes", vec![link("alice", "payroll", 9.0, false), link("alice", "source", 1.0, true)], 40),
        ("one-link", vec![link("alice", "payroll", 9.0, false)], 40),
        ("departments", departments(), 200),
        ("departments-folded", departments(), 15),
        ("500-links", many(500), 40),
        ("all-anomalous", many(12).into_iter().map(|link| SankeyLink { anomalous: true, ..link }).collect(), 40),
        ("long-names", long_names(), 40),
        ("no-data", Vec::new(), 40),
    ]
}

fn link(source: &str, target: &str, value: f64, anomalous: bool) -> SankeyLink {
    SankeyLink { source: source.into(), target: target.into(), value, anomalous, tooltip: None }
}

/// 22 users of three departments, 106 resources, a few accesses across.
fn departments() -> Vec<SankeyLink> {
    let mut links = Vec::new();
    for (name, users, resources) in [("hr", 7, 30), ("fin", 5, 25), ("eng", 10, 50)] {
        for user in 0..users {
            let user_name = format!("{name}_user_{user}");
            links.push(link(&user_name, "ffa", 2.0, false));
            for resource in (user % 3..resources).step_by(3) {
                let value = 1.0 + ((user * 7 + resource * 13) % 9) as f64;
                links.push(link(&user_name, &format!("{name}_res_{resource}"), value, false));
            }
        }
    }
    links.push(link("hr_user_1", "eng_res_7", 2.0, true));
    links.push(link("eng_user_4", "fin_res_2", 1.0, true));
    links.push(link("fin_user_0", "hr_res_11", 3.0, true));
    links
}

fn many(amount: usize) -> Vec<SankeyLink> {
    (0..amount)
        .map(|i| {
            let value = 1.0 + (i * i % 17) as f64;
            link(&format!("user_{}", i * 31 % 37), &format!("share_{}", i * 53 % 61), value, i % 41 == 0)
        })
        .collect()
}

fn long_names() -> Vec<SankeyLink> {
    vec![
        link(
            r"CONTOSO\christopher.montgomery-featherstonehaugh-the-third@subsidiary.contoso.example",
            r"\\fileserver-europe-west-01.contoso.example\finance\2026\november\salaries-confidential.xlsx",
            5.0,
            true,
        ),
        link("<script>alert(1)</script>", "\"quoted\" & 'single'", 3.0, false),
        link("مستخدم‎ عربي", "資源伺服器第一號共享資料夾財務部門機密文件二零二六", 2.0, false),
        link("user\u{202e}gpj.exe", "tab\there\nline", 2.0, false),
        link("", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", 1.0, true),
        link("z\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}algo", "👩‍💻👩‍💻 emoji", 1.0, false),
    ]
}

/// Sums of uniform numbers from a small generator: close to a bell, the same every time.
fn bell(amount: usize, mean: f64, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    (0..amount).map(|_| mean + (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
}

fn histograms() -> Vec<(&'static str, Vec<HistogramSeries>, HistogramOptions)> {
    let series = |name: &str, values: Vec<f64>| HistogramSeries { name: name.into(), values };
    let mut holes = bell(300, 0.0, 3);
    holes.extend([f64::NAN, f64::NAN, f64::INFINITY]);
    let plain = HistogramOptions::default;
    let at = |threshold| HistogramOptions { threshold: Some(threshold), ..HistogramOptions::default() };
    let several = (0..8).map(|i| series(&format!("day {i}"), bell(150, f64::from(i), i as u64))).collect();
    vec![
        ("one-series", vec![series("scores", bell(2_000, 0.0, 1))], at(1.0)),
        (
            "same-and-cross-department",
            vec![series("same department", bell(600, 0.0, 1)), series("cross department", bell(150, 4.0, 2))],
            at(2.5),
        ),
        ("with-holes", vec![series("scores", holes)], at(2.8)),
        ("threshold-outside-the-data", vec![series("scores", bell(300, 0.0, 4))], at(6.0)),
        ("threshold-far-away", vec![series("scores", bell(300, 0.0, 4))], at(600.0)),
        ("equal-values", vec![series("scores", vec![5.0; 40])], plain()),
        ("large-values", vec![series("bytes", bell(5_000, 9.0, 5).iter().map(|x| x * 1e11).collect())], plain()),
        ("many-series", several, plain()),
        (
            "small-panel",
            vec![series("scores", bell(50, 0.0, 6))],
            HistogramOptions { width: 320, height: 200, ..at(1.5) },
        ),
        ("no-data", vec![series("scores", vec![f64::NAN; 3])], plain()),
    ]
}
