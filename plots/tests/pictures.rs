//! What is in each picture, whatever the data: structure, inference and hostile values.

use huntbook_plots::{
    CalendarOptions, ChartData, ChartKind, ChartOptions, Column, GraphOptions, MatrixOptions, Picture, PlotError,
    ProcessTreeOptions, Split, Stacking, TimelineOptions, Values, calendar, chart, entity_graph, matrix, process_tree,
    timeline,
};
use proptest::prelude::*;
use roxmltree::{Document, Node};

const HOUR: i64 = 3_600_000_000;
const MONDAY: i64 = 1_793_577_600_000_000;

fn numbers(name: &str, values: &[f64]) -> Column {
    Column { name: name.into(), values: Values::Numbers(values.to_vec()) }
}

fn times(name: &str, values: &[i64]) -> Column {
    Column { name: name.into(), values: Values::Times(values.iter().copied().map(Some).collect()) }
}

fn texts(name: &str, values: &[&str]) -> Column {
    Column { name: name.into(), values: Values::Texts(values.iter().map(ToString::to_string).collect()) }
}

fn data(columns: Vec<Column>) -> ChartData {
    ChartData::new(columns).unwrap()
}

fn parse(svg: &str) -> Document<'_> {
    assert!(svg.starts_with("<svg xmlns="), "JupyterLab wants the namespace first");
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
    let known = ["svg", "style", "rect", "path", "line", "circle", "text", "title"];
    for node in document.descendants().filter(Node::is_element) {
        assert!(known.contains(&node.tag_name().name()), "a foreign element: {}", node.tag_name().name());
        for attribute in node.attributes().filter(|attribute| attribute.name() != "aria-label") {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && !name.contains("href"), "{name}");
            assert!(!value.contains("NaN") && !value.contains("inf"), "{name}={value}");
            if ["width", "height", "r"].contains(&name) {
                assert!(value.parse::<f64>().unwrap() >= 0.0, "{name}={value}");
            }
        }
    }
    document
}

/// The number of shapes of each class, and the visible texts.
fn of_class(svg: &str, class: &str) -> usize {
    let document = parse(svg);
    let has = |node: &Node<'_, '_>| node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class));
    document.descendants().filter(has).count()
}

fn visible(svg: &str) -> Vec<String> {
    let document = parse(svg);
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    let line = |node: Node<'_, '_>| node.children().filter(Node::is_text).filter_map(|child| child.text()).collect();
    texts.map(line).collect()
}

fn tooltips(svg: &str) -> Vec<String> {
    let document = parse(svg);
    let titles = document.descendants().filter(|node| node.tag_name().name() == "title");
    titles.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

fn logons() -> ChartData {
    data(vec![
        texts("Account", &["anna", "ben", "anna", "ben"]),
        times("TimeGenerated", &[MONDAY, MONDAY, MONDAY + HOUR, MONDAY + HOUR]),
        numbers("count_", &[4.0, 1.0, 6.0, 2.0]),
    ])
}

#[test]
fn a_timechart_has_a_line_per_series_and_says_what_its_axes_are() {
    let options = ChartOptions { title: "Sign-ins".into(), ..ChartOptions::of(ChartKind::Time) };
    let picture = chart(&logons(), &options).unwrap();
    assert_eq!(of_class(&picture.svg, "hb-line"), 2);
    let texts = visible(&picture.svg);
    for expected in ["Sign-ins", "anna", "ben", "TimeGenerated [UTC]", "count_", "2026-11-02"] {
        assert!(texts.iter().any(|text| text == expected), "{expected} in {texts:?}");
    }
    assert!(tooltips(&picture.svg).contains(&"2026-11-02 01:00\nanna: 6".to_owned()));
    assert!(picture.text.contains("anna") && picture.text.contains("4 to 6"), "{}", picture.text);
}

#[test]
fn stacks_end_where_the_sum_is() {
    let stacked = |stacking| ChartOptions { stacking, ..ChartOptions::of(ChartKind::Column) };
    let data = data(vec![
        texts("host", &["a", "a", "b", "b"]),
        texts("kind", &["x", "y", "x", "y"]),
        numbers("n", &[30.0, 70.0, 1.0, 3.0]),
    ]);
    let labels = |stacking| visible(&chart(&data, &stacked(stacking)).unwrap().svg);
    assert!(labels(Stacking::None).contains(&"80".to_owned()));
    assert!(labels(Stacking::Stacked).contains(&"100".to_owned()));
    let full = chart(&data, &stacked(Stacking::Full)).unwrap();
    assert!(visible(&full.svg).contains(&"100%".to_owned()));
    assert!(tooltips(&full.svg).contains(&"b\ny: 3 (75%)".to_owned()), "{:?}", tooltips(&full.svg));
}

#[test]
fn series_beyond_the_palette_become_other() {
    let names: Vec<String> = (0..40).map(|i| format!("account {i:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let values: Vec<f64> = (0..40).map(|i| f64::from(i + 1)).collect();
    let at = [MONDAY; 40];
    let wide = data(vec![times("T", &at), texts("Account", &names), numbers("n", &values)]);
    let lines = chart(&wide, &ChartOptions::of(ChartKind::Time)).unwrap();
    let texts = visible(&lines.svg);
    assert!(texts.contains(&"other (31)".to_owned()) && texts.contains(&"account 39".to_owned()), "{texts:?}");
    assert!(!texts.contains(&"account 00".to_owned()));
    let options = ChartOptions { stacking: Stacking::Stacked, ..ChartOptions::of(ChartKind::Column) };
    let options = ChartOptions { x_column: Some("T".into()), ..options };
    let bars = chart(&wide, &options).unwrap();
    assert_eq!(of_class(&bars.svg, "hb-bar"), 10);
    let sum: f64 = (1..=31).map(f64::from).sum();
    assert!(tooltips(&bars.svg).iter().any(|tip| tip.ends_with(&format!("other (31): {sum}"))));
}

#[test]
fn two_hundred_categories_are_cut_with_a_note() {
    let names: Vec<String> = (0..200).map(|i| format!("host {i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wide = data(vec![texts("Computer", &names), numbers("n", &[3.0; 200])]);
    let bars = chart(&wide, &ChartOptions::of(ChartKind::Bar)).unwrap();
    assert_eq!(of_class(&bars.svg, "hb-bar"), 60);
    assert!(visible(&bars.svg).join(" ").contains("The first 60 of 200 Computer are shown."));
    let pie = chart(&wide, &ChartOptions::of(ChartKind::Pie)).unwrap();
    assert_eq!(of_class(&pie.svg, "hb-slice"), 10);
    assert!(visible(&pie.svg).contains(&"other (191)".to_owned()));
}

#[test]
fn split_axes_log_and_limits_are_drawn() {
    let two =
        data(vec![times("T", &[MONDAY, MONDAY + HOUR]), numbers("logons", &[3.0, 5.0]), numbers("bytes", &[1e3, 1e6])]);
    let of = |options: ChartOptions| visible(&chart(&two, &options).unwrap().svg);
    let panels = of(ChartOptions { split: Split::Panels, ..ChartOptions::of(ChartKind::Time) });
    assert!(panels.contains(&"logons".to_owned()) && panels.contains(&"bytes".to_owned()));
    let axes = of(ChartOptions { split: Split::Axes, ..ChartOptions::of(ChartKind::Time) });
    assert!(axes.contains(&"1,000,000".to_owned()) && axes.contains(&"5.0".to_owned()), "{axes:?}");
    let log = of(ChartOptions { y_log: true, ..ChartOptions::of(ChartKind::Line) });
    assert!(log.contains(&"100".to_owned()) && log.contains(&"10,000".to_owned()), "{log:?}");
    let limits = ChartOptions { y_min: Some(2.0), y_max: Some(4.0), ..ChartOptions::of(ChartKind::Time) };
    let limited = of(ChartOptions { y_columns: vec!["logons".into()], ..limits });
    assert!(limited.contains(&"2.0".to_owned()) && limited.contains(&"4.0".to_owned()), "{limited:?}");
}

#[test]
fn anomalies_are_marked_by_the_flags() {
    let flagged = data(vec![
        times("T", &[MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR]),
        numbers("n", &[3.0, 90.0, 4.0]),
        numbers("ad_flag", &[0.0, 1.0, 0.0]),
    ]);
    let picture = chart(&flagged, &ChartOptions::of(ChartKind::Anomaly)).unwrap();
    assert_eq!((of_class(&picture.svg, "hb-line"), of_class(&picture.svg, "hb-anomaly")), (1, 1));
    assert!(tooltips(&picture.svg).contains(&"anomaly\n2026-11-02 01:00\nn: 90".to_owned()));
}

#[test]
fn a_million_points_stay_small_and_keep_the_spike() {
    let at: Vec<i64> = (0..1_000_000).map(|i| MONDAY + i * 1_000).collect();
    let mut values: Vec<f64> = (0..1_000_000).map(|i| f64::from(i % 100)).collect();
    values[123_456] = 5_000.0;
    let million = data(vec![times("T", &at), numbers("n", &values)]);
    for kind in [ChartKind::Time, ChartKind::Scatter, ChartKind::Area] {
        let picture = chart(&million, &ChartOptions::of(kind)).unwrap();
        assert!(picture.svg.len() < 500_000, "{kind:?}: {}", picture.svg.len());
        assert!(visible(&picture.svg).join(" ").contains("1,000,000 points"));
    }
    let line = chart(&million, &ChartOptions::of(ChartKind::Time)).unwrap();
    assert!(visible(&line.svg).contains(&"5,000".to_owned()) || visible(&line.svg).contains(&"6,000".to_owned()));
}

#[test]
fn empty_data_says_so() {
    let empty = data(vec![times("T", &[]), numbers("n", &[]), texts("user", &[]), texts("res", &[])]);
    for (_, kind) in ChartKind::ALL {
        let picture = chart(&empty, &ChartOptions::of(kind)).unwrap();
        assert!(visible(&picture.svg).contains(&"no data".to_owned()), "{kind:?}");
        assert!(picture.text.ends_with("no data"), "{kind:?}");
    }
    let pictures = [
        timeline(&empty, &TimelineOptions::default()),
        matrix(&empty, &MatrixOptions::default()),
        entity_graph(&empty, &GraphOptions::default()),
        calendar(&empty, &CalendarOptions::default()),
    ];
    for picture in pictures {
        assert!(visible(&picture.unwrap().svg).contains(&"no data".to_owned()));
    }
}

#[test]
fn a_timeline_has_lanes_marks_and_a_range() {
    let events = data(vec![
        times("TimeGenerated", &[MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR, MONDAY + 90 * HOUR]),
        texts("Computer", &["dc01", "web01", "dc01", "dc01"]),
        numbers("EventID", &[4624.0, 4625.0, 4688.0, 1.0]),
        numbers("odd", &[0.0, 1.0, 0.0, 0.0]),
    ]);
    let options = TimelineOptions {
        anomalous: Some("odd".into()),
        marks: vec![(MONDAY + HOUR, "alert".into()), (MONDAY + 9_000 * HOUR, "far".into())],
        to: Some(MONDAY + 3 * HOUR),
        ..TimelineOptions::default()
    };
    let picture = timeline(&events, &options).unwrap();
    assert_eq!((of_class(&picture.svg, "hb-event"), of_class(&picture.svg, "hb-anomaly")), (3, 1));
    assert_eq!(of_class(&picture.svg, "hb-mark"), 1);
    let texts = visible(&picture.svg).join(" ");
    assert!(texts.contains("dc01") && texts.contains("web01") && texts.contains("alert"), "{texts}");
    assert!(texts.contains("Outside the range: 1.") && texts.contains("Outside the picture: far at 2027"), "{texts}");
    assert!(tooltips(&picture.svg).contains(&"2026-11-02 01:00\nanomalous\nEventID: 4625".to_owned()));
}

#[test]
fn a_process_tree_reads_the_schemas_of_the_logs() {
    type Names = [&'static str; 5];
    let schemas: [(Names, Option<(&str, &str)>); 4] = [
        (["TimeGenerated", "NewProcessName", "NewProcessId", "ProcessId", "Computer"], Some(("EventID", "4688"))),
        (
            ["Timestamp", "FileName", "ProcessId", "InitiatingProcessId", "DeviceName"],
            Some(("ActionType", "ProcessCreated")),
        ),
        (["UtcTime", "Image", "ProcessId", "ParentProcessId", "Computer"], Some(("EventID", "1"))),
        (["TimeGenerated", "exe", "pid", "ppid", "Computer"], Some(("EventType", "SYSCALL_EXECVE"))),
    ];
    for ([time, process, id, parent, host], event) in schemas {
        let mut columns = vec![
            times(time, &[MONDAY, MONDAY + HOUR, MONDAY + HOUR, MONDAY + 2 * HOUR]),
            texts(process, &["/bin/sh", "/bin/ls", "/bin/ls", "/bin/other"]),
            numbers(id, &[10.0, 11.0, 11.0, 12.0]),
            numbers(parent, &[1.0, 10.0, 10.0, 10.0]),
            texts(host, &["a", "a", "b", "a"]),
        ];
        if let Some((column, value)) = event {
            columns.push(texts(column, &[value, value, value, "another event"]));
        }
        let picture = process_tree(&data(columns), &ProcessTreeOptions::default()).unwrap();
        // On host a: unseen 1, sh, ls. On host b: ls below a parent that was not logged there.
        assert_eq!(of_class(&picture.svg, "hb-process"), 5, "{process}\n{}", picture.text);
        assert!(picture.text.contains("3 processes on 2 hosts."), "{}", picture.text);
        assert!(picture.text.contains("Not shown: 1 rows of other events."), "{}", picture.text);
        assert!(picture.text.contains("└─ ls (11)"), "{}", picture.text);
    }
    let error = process_tree(&logons(), &ProcessTreeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("NewProcessName") && error.contains("columns(time"), "{error}");
}

#[test]
fn a_matrix_adds_up_and_a_graph_joins_equal_names() {
    let accesses = data(vec![
        texts("user", &["anna", "anna", "ben", "share"]),
        texts("res", &["share", "share", "disk", "disk"]),
        numbers("n", &[2.0, 3.0, 7.0, 1.0]),
        texts("odd", &["false", "true", "false", "false"]),
    ]);
    let picture = matrix(&accesses, &MatrixOptions::default()).unwrap();
    assert_eq!(of_class(&picture.svg, "hb-cell"), 3);
    assert!(tooltips(&picture.svg).contains(&"anna × share: 5".to_owned()));
    let graph = GraphOptions { anomalous: Some("odd".into()), ..GraphOptions::default() };
    let picture = entity_graph(&accesses, &graph).unwrap();
    assert_eq!((of_class(&picture.svg, "hb-entity"), of_class(&picture.svg, "hb-edge")), (4, 3));
    assert!(tooltips(&picture.svg).contains(&"anna → share: 5 (anomalous)".to_owned()));
    assert!(picture.text.contains("! anna → share: 5"), "{}", picture.text);
}

#[test]
fn a_calendar_shows_hours_or_days() {
    let few = data(vec![times("T", &[MONDAY, MONDAY + 1, MONDAY + 25 * HOUR])]);
    let picture = calendar(&few, &CalendarOptions::default()).unwrap();
    assert_eq!(of_class(&picture.svg, "hb-cell"), 2);
    assert!(tooltips(&picture.svg).contains(&"Mon 2026-11-02 00:00: 2".to_owned()));
    let many = data(vec![times("T", &[MONDAY, MONDAY + 400 * 24 * HOUR])]);
    let picture = calendar(&many, &CalendarOptions::default()).unwrap();
    assert_eq!(of_class(&picture.svg, "hb-cell"), 2);
    assert!(visible(&picture.svg).contains(&"2027".to_owned()));
}

#[test]
fn columns_must_be_even_and_known() {
    let uneven = ChartData::new(vec![numbers("a", &[1.0]), numbers("b", &[])]);
    assert!(matches!(uneven, Err(PlotError::UnevenColumns { .. })));
    let options = TimelineOptions { group: Some("nobody".into()), ..TimelineOptions::default() };
    let error = timeline(&logons(), &options).unwrap_err().to_string();
    assert_eq!(error, "there is no column `nobody`; the columns are Account, TimeGenerated, count_");
}

/// All pictures of these rows, in all ways that change what is drawn.
fn all_pictures(rows: &ChartData) -> Vec<Result<Picture, PlotError>> {
    let mut pictures = Vec::new();
    for (_, kind) in ChartKind::ALL {
        for stacking in [Stacking::None, Stacking::Stacked, Stacking::Full] {
            for split in [Split::None, Split::Axes, Split::Panels] {
                let options = ChartOptions { stacking, split, ..ChartOptions::of(kind) };
                pictures.push(chart(rows, &options));
            }
        }
        let log = ChartOptions { x_log: true, y_log: true, accumulate: true, ..ChartOptions::of(kind) };
        pictures.push(chart(rows, &log));
        let narrow = ChartOptions { width: 0, height: 0, y_min: Some(0.5), y_max: Some(2.0), ..ChartOptions::of(kind) };
        pictures.push(chart(rows, &narrow));
    }
    pictures.push(timeline(rows, &TimelineOptions { marks: vec![(0, "x".into())], ..TimelineOptions::default() }));
    pictures.push(timeline(rows, &TimelineOptions { end: Some("until".into()), ..TimelineOptions::default() }));
    pictures.push(matrix(rows, &MatrixOptions { width: 0, ..MatrixOptions::default() }));
    pictures.push(entity_graph(rows, &GraphOptions { max_nodes: 3, ..GraphOptions::default() }));
    pictures.push(calendar(rows, &CalendarOptions { width: 0, ..CalendarOptions::default() }));
    pictures.push(process_tree(rows, &ProcessTreeOptions { max_rows: 5, ..ProcessTreeOptions::default() }));
    pictures
}

fn assert_sound(rows: &ChartData) {
    for picture in all_pictures(rows).into_iter().flatten() {
        parse(&picture.svg);
        let is_hidden = |character: char| character.is_control() && character != '\n';
        assert!(!picture.text.contains(is_hidden) && !picture.text.contains('\u{202e}'), "{:?}", picture.text);
    }
}

#[test]
fn hostile_names_are_text_in_every_picture() {
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "]]></title></svg>",
        "nul\0 escape\u{1b}[31m\u{9b}2J",
        "right\u{202e}to left",
        "مستخدم",
        "\u{ffff}",
        "",
        "line\nbreak",
    ];
    let long = "long ".repeat(50_000);
    for name in names.iter().copied().chain([long.as_str()]) {
        let rows = data(vec![
            times("TimeGenerated", &[MONDAY, MONDAY + 1]),
            times("until", &[MONDAY, MONDAY + HOUR]),
            texts(name, &[name, "b"]),
            texts("NewProcessName", &[name, name]),
            texts("NewProcessId", &["1", name]),
            texts("ProcessId", &[name, "1"]),
            numbers(name, &[1.0, 2.0]),
        ]);
        assert_sound(&rows);
        for picture in all_pictures(&rows).into_iter().flatten() {
            assert!(picture.svg.len() < 60_000, "a long name must not swell the notebook: {}", picture.svg.len());
            assert!(!picture.svg.contains("<script>") && !picture.svg.contains("<img"));
        }
    }
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0_f64,
        1 => any::<f64>(),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(0.0),
        1 => Just(f64::MAX),
        1 => Just(5e-324),
    ]
}

fn any_time() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        4 => (0..48 * HOUR).prop_map(|offset| Some(MONDAY + offset)),
        1 => Just(None),
        1 => any::<i64>().prop_map(Some),
        // Kusto's calendar: 0001 to 9999
        1 => (-62_135_596_800_000_000..253_402_300_800_000_000_i64).prop_map(Some),
    ]
}

fn any_rows() -> impl Strategy<Value = ChartData> {
    let name = prop_oneof![3 => "[abc]", 1 => ".{0,12}"];
    let row = (any_time(), any_time(), name.clone(), name, any_number(), any_number(), 0_u8..4, 0_u8..4);
    prop::collection::vec(row, 0..40).prop_map(|rows| {
        let column = |name: &str, values: Values| Column { name: name.into(), values };
        data(vec![
            column("TimeGenerated", Values::Times(rows.iter().map(|row| row.0).collect())),
            column("until", Values::Times(rows.iter().map(|row| row.1).collect())),
            column("NewProcessName", Values::Texts(rows.iter().map(|row| row.2.clone()).collect())),
            column("res", Values::Texts(rows.iter().map(|row| row.3.clone()).collect())),
            column("n", Values::Numbers(rows.iter().map(|row| row.4).collect())),
            column("m", Values::Numbers(rows.iter().map(|row| row.5).collect())),
            column("NewProcessId", Values::Numbers(rows.iter().map(|row| f64::from(row.6)).collect())),
            column("ProcessId", Values::Numbers(rows.iter().map(|row| f64::from(row.7)).collect())),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_give_well_formed_pictures(rows in any_rows()) {
        assert_sound(&rows);
    }

    #[test]
    fn charts_of_plain_columns_are_sound(ys in prop::collection::vec(any_number(), 0..60)) {
        let xs: Vec<f64> = ys.iter().rev().copied().collect();
        assert_sound(&data(vec![numbers("x", &xs), numbers("y", &ys)]));
        assert_sound(&data(vec![numbers("y", &ys)]));
    }
}
