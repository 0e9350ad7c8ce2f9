//! The documents as a reader gets them: well-formed, complete, and safe with any name.

use huntbook_plots::{HistogramOptions, HistogramSeries, PlotError, SankeyLink, SankeyOptions};
use roxmltree::{Document, Node};

fn sankey(links: &[SankeyLink], options: &SankeyOptions) -> Result<String, PlotError> {
    huntbook_plots::sankey(links, options).map(|picture| picture.svg)
}

fn histogram(series: &[HistogramSeries], options: &HistogramOptions) -> Result<String, PlotError> {
    huntbook_plots::histogram(series, options).map(|picture| picture.svg)
}

const HOSTILE: [&str; 14] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "a & b &amp; 'c' \"d\"",
    "]]></title></svg>",
    "nul\0bell\u{7}escape\u{1b}[31m",
    "right\u{202e}to left \u{200f}",
    "مستخدم",
    "\u{ffff}\u{fffe}\u{feff}",
    "",
    "   ",
    "line\nbreak\r\ntab\t",
    "\u{301}\u{301}\u{301}marks only",
    "<!-- comment --> <![CDATA[x]]> <?pi?> <!DOCTYPE a [<!ENTITY x 'y'>]> &x;",
    "\u{10ffff}\u{1f469}\u{200d}\u{1f4bb}",
];

fn link(source: &str, target: &str, value: f64, anomalous: bool) -> SankeyLink {
    SankeyLink { source: source.into(), target: target.into(), value, anomalous, tooltip: None }
}

fn parse(svg: &str) -> Document<'_> {
    assert!(svg.starts_with("<svg xmlns="), "JupyterLab wants the namespace first");
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
    for node in document.descendants().filter(Node::is_element) {
        assert!(
            ["svg", "style", "rect", "path", "line", "circle", "text", "title"].contains(&node.tag_name().name()),
            "a foreign element: {}",
            node.tag_name().name()
        );
        for attribute in node.attributes().filter(|attribute| attribute.name() != "aria-label") {
            assert!(!attribute.name().starts_with("on") && !attribute.name().contains("href"));
            assert!(!attribute.value().contains("NaN") && attribute.value() != "inf");
        }
    }
    document
}

fn of_class<'a>(document: &'a Document<'_>, class: &str) -> Vec<Node<'a, 'a>> {
    document
        .descendants()
        .filter(|node| node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class)))
        .collect()
}

fn title_of(node: Node<'_, '_>) -> String {
    let title = node.children().find(|child| child.has_tag_name(("http://www.w3.org/2000/svg", "title")));
    title.and_then(|title| title.text()).unwrap_or_default().to_owned()
}

fn visible_text(document: &Document<'_>) -> String {
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    let lines = texts.map(|node| {
        node.children().filter_map(|child| child.is_text().then(|| child.text()).flatten()).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Every text inside the panel by the crate's own conservative estimate is tested inside; here: no text starts
/// outside, and no two labels of one column are closer than a line.
fn assert_labels_apart(document: &Document<'_>) {
    let number = |node: &Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let root = document.root_element();
    let (width, height) = (number(&root, "width"), number(&root, "height"));
    let mut labels: Vec<(String, f64)> = Vec::new();
    for node in document.descendants().filter(|node| node.tag_name().name() == "text") {
        let (x, y) = (number(&node, "x"), number(&node, "y"));
        assert!((0.0..=width).contains(&x) && (0.0..=height).contains(&y), "text at {x},{y} of {width}x{height}");
        labels.push((format!("{x}{:?}", node.attribute("text-anchor")), y));
    }
    labels.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for pair in labels.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        assert!(pair[1].1 - pair[0].1 >= 11.0, "labels at {pair:?} overlap");
    }
}

#[test]
fn every_flow_and_node_is_there_with_a_tooltip() {
    let mut links = vec![
        link("alice", "payroll", 3.0, false),
        link("alice", "payroll", 4.5, false),
        link("alice", "source", 1.0, true),
        link("bob", "payroll", 2.0, false),
    ];
    links[2].tooltip = Some("score 4.2".into());
    let svg = sankey(&links, &SankeyOptions { title: "Accesses".into(), ..SankeyOptions::default() }).unwrap();
    let document = parse(&svg);

    let flows = of_class(&document, "hb-flow");
    assert_eq!(flows.len(), 3);
    assert_eq!(of_class(&document, "hb-anomalous").len(), 1);
    assert!(flows.iter().any(|flow| title_of(*flow) == "alice → payroll: 7.5"));
    assert!(flows.iter().any(|flow| title_of(*flow) == "alice → source: 1 (anomalous)\nscore 4.2"));

    let nodes = of_class(&document, "hb-node");
    assert_eq!(nodes.len(), 4);
    assert!(nodes.iter().any(|node| title_of(*node) == "alice: 8.5 in 2 flows, 1 anomalous"));
    let text = visible_text(&document);
    assert!(text.contains("Users: 2; Resources: 2; 3 flows, 10.5 in total."), "{text}");
    assert!(text.contains("normal (2)") && text.contains("anomalous (1)"), "{text}");
}

#[test]
fn anomalous_flows_are_drawn_last() {
    let links = [link("a", "x", 1.0, true), link("b", "x", 1.0, false), link("c", "y", 1.0, false)];
    let svg = sankey(&links, &SankeyOptions::default()).unwrap();
    let document = parse(&svg);
    let flows = of_class(&document, "hb-flow");
    assert!(title_of(*flows.last().unwrap()).starts_with("a → x"));
}

#[test]
fn hostile_names_are_text_and_nothing_else() {
    for name in HOSTILE.into_iter().map(str::to_owned).chain(["long ".repeat(50_000), "\u{fdfd}".repeat(300)]) {
        let mut links = vec![link(&name, &name, 2.0, true), link("b", &name, 1.0, false)];
        links[0].tooltip = Some(name.clone());
        let options = SankeyOptions {
            title: name.clone(),
            left_label: name.clone(),
            right_label: name.clone(),
            ..SankeyOptions::default()
        };
        let svg = sankey(&links, &options).unwrap();
        assert!(svg.len() < 40_000, "a long name must not swell the notebook: {}", svg.len());
        assert_labels_apart(&parse(&svg));

        let series = [
            HistogramSeries { name: name.clone(), values: vec![1.0, 2.0, 4.0] },
            HistogramSeries { name: name.clone(), values: vec![3.0] },
        ];
        let options = HistogramOptions {
            title: name.clone(),
            x_label: name.clone(),
            y_label: name.clone(),
            threshold: Some(2.0),
            ..HistogramOptions::default()
        };
        let svg = histogram(&series, &options).unwrap();
        assert!(svg.len() < 60_000);
        parse(&svg);
    }
}

#[test]
fn markup_in_a_name_stays_readable() {
    let svg = sankey(&[link("<script>", "a&b", 1.0, false)], &SankeyOptions::default()).unwrap();
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"));
    assert!(visible_text(&parse(&svg)).contains("a&b"));
}

#[test]
fn surplus_nodes_fold_and_the_caption_says_so() {
    let links: Vec<SankeyLink> = (0..500)
        .map(|i| {
            link(&format!("user_{}", i % 90), &format!("share_{}", i * 7 % 230), 1.0 + (i % 13) as f64, i % 100 == 3)
        })
        .collect();
    let svg = sankey(&links, &SankeyOptions { max_nodes: 20, ..SankeyOptions::default() }).unwrap();
    let document = parse(&svg);
    assert_eq!(of_class(&document, "hb-node").len(), 42);
    let text = visible_text(&document).replace('\n', " ");
    assert!(text.contains("Users: 70 with the smallest flows are folded into \"other (70)\""), "{text}");
    assert!(text.contains("Resources: 210 with the smallest flows"), "{text}");
    for anomalous in of_class(&document, "hb-anomalous") {
        assert!(!title_of(anomalous).contains("other ("), "an anomalous flow was folded away");
    }
    assert_labels_apart(&document);
}

#[test]
fn bad_flows_are_named() {
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        let error = sankey(&[link("a", "x", 1.0, false), link("bad\n", "y", value, false)], &SankeyOptions::default());
        let message = error.unwrap_err().to_string();
        assert!(message.contains("\"bad\" to \"y\""), "{message}");
    }
    let huge = [link("a", "x", f64::MAX, false), link("b", "x", f64::MAX, false)];
    assert_eq!(sankey(&huge, &SankeyOptions::default()), Err(PlotError::FlowsTooLarge));
}

#[test]
fn extreme_but_valid_flows_are_drawn() {
    for values in [[0.0, 0.0], [f64::MIN_POSITIVE, 1e300], [5e-324, 5e-324], [1e308, 0.0]] {
        let links = [link("a", "x", values[0], false), link("b", "y", values[1], true)];
        let svg = sankey(&links, &SankeyOptions { width: u32::MAX, ..SankeyOptions::default() }).unwrap();
        assert_eq!(of_class(&parse(&svg), "hb-flow").len(), 2);
    }
}

#[test]
fn nothing_to_draw_says_so() {
    let svg = sankey(&[], &SankeyOptions { width: 0, ..SankeyOptions::default() }).unwrap();
    assert!(visible_text(&parse(&svg)).contains("no data"));
    let empty = [HistogramSeries { name: "s".into(), values: vec![f64::NAN, f64::INFINITY] }];
    let svg = histogram(&empty, &HistogramOptions::default()).unwrap();
    let text = visible_text(&parse(&svg));
    assert!(text.contains("no data") && text.contains("1 null or NaN.") && text.contains("1 infinite."), "{text}");
    parse(&histogram(&[], &HistogramOptions::default()).unwrap());
}

#[test]
fn equal_input_gives_equal_bytes_whatever_the_order_of_links() {
    let mut links: Vec<SankeyLink> =
        (0..60).map(|i| link(&format!("u{}", i % 7), &format!("r{}", i % 11), f64::from(i % 5), i % 9 == 0)).collect();
    let one = sankey(&links, &SankeyOptions::default()).unwrap();
    links.reverse();
    assert_eq!(one, sankey(&links, &SankeyOptions::default()).unwrap());
}

#[test]
fn bars_hold_every_finite_value_and_the_caption_the_rest() {
    let values: Vec<f64> = (0..200).map(|i| f64::from(i) / 10.0).chain([f64::NAN, f64::NEG_INFINITY]).collect();
    let series = [HistogramSeries { name: "scores".into(), values }];
    let options = HistogramOptions { threshold: Some(15.0), bins: Some(8), ..HistogramOptions::default() };
    let svg = histogram(&series, &options).unwrap();
    let document = parse(&svg);
    let bars = of_class(&document, "hb-bar");
    let total: usize = bars
        .iter()
        .map(|bar| {
            let title = title_of(*bar);
            let count = title.split_once(": ").and_then(|(_, rest)| rest.split_once(" in ")).unwrap().0;
            count.parse::<usize>().unwrap()
        })
        .sum();
    assert_eq!((bars.len(), total), (8, 200));
    assert_eq!(of_class(&document, "hb-threshold").len(), 1);
    let text = visible_text(&document);
    assert!(text.contains("threshold 15: 50 of 201 at or above"), "{text}");
    assert!(text.contains("200 values in 8 bins. Not shown: 1 null or NaN. Not shown: 1 infinite."), "{text}");
}

#[test]
fn a_threshold_out_of_sight_is_told_in_the_caption() {
    let series = [HistogramSeries { name: "scores".into(), values: vec![0.0, 1.0, 2.0] }];
    let options = HistogramOptions { threshold: Some(1e6), ..HistogramOptions::default() };
    let svg = histogram(&series, &options).unwrap();
    let document = parse(&svg);
    assert!(of_class(&document, "hb-threshold").is_empty());
    assert!(visible_text(&document).contains("Outside the picture: threshold 1,000,000: 0 of 3 at or above."));
    let nan = HistogramOptions { threshold: Some(f64::NAN), ..HistogramOptions::default() };
    assert!(matches!(histogram(&series, &nan), Err(PlotError::InvalidThreshold(_))));
}

#[test]
fn several_series_have_a_legend() {
    let series: Vec<HistogramSeries> =
        (0..14).map(|i| HistogramSeries { name: format!("day {i}"), values: vec![f64::from(i), 1.0] }).collect();
    let svg = histogram(&series, &HistogramOptions { width: 320, ..HistogramOptions::default() }).unwrap();
    let text = visible_text(&parse(&svg));
    assert!((0..14).all(|i| text.contains(&format!("day {i}"))));
    let one = histogram(&series[..1], &HistogramOptions::default()).unwrap();
    assert!(!visible_text(&parse(&one)).contains("day 0"));
}

#[test]
fn odd_values_and_sizes_never_panic() {
    let odd =
        [0.0, -0.0, 5e-324, 1e-300, 1.0, 1e16, 1e16 + 2.0, 1e300, -1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY];
    for a in odd {
        for b in odd {
            for threshold in [None, Some(a), Some(b), Some(0.5)] {
                let series = [HistogramSeries { name: "s".into(), values: vec![a, b] }];
                let options =
                    HistogramOptions { threshold, width: 0, height: 0, bins: Some(3), ..HistogramOptions::default() };
                if let Ok(svg) = histogram(&series, &options) {
                    parse(&svg);
                }
            }
        }
    }
}
