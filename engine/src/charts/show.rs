//! Pictures as what front ends show.

use huntbook_plots::Picture;

use crate::{Display, table::escape};

/// Larger pictures have no tooltips to speak of, and stand in the notebook once instead of twice.
const MOST_IN_PAGE: usize = 200_000;

/// The image as such, for programs that show nothing else; the same in a page, for tooltips and the page's colours;
/// and lines of text.
///
/// The page first shows the image. Where scripts run (a trusted notebook), it becomes part of the page; where they are
/// stripped, it stays what it is.
pub(super) fn display(picture: Picture) -> Display {
    let Picture { svg, text } = picture;
    let in_page = (svg.len() <= MOST_IN_PAGE).then(|| page(&svg, &text));
    let mut bundle = vec![("image/svg+xml", svg), ("text/plain", text)];
    bundle.extend(in_page.map(|page| ("text/html", page)));
    Display::new(bundle)
}

fn page(svg: &str, text: &str) -> String {
    let alt: String = text.lines().next().unwrap_or("picture").chars().take(200).collect();
    format!(
        "<div><img alt=\"{}\" style=\"max-width:100%\" src=\"data:image/svg+xml,{}\">{INTO_PAGE}</div>",
        escape(&alt),
        encoded(svg)
    )
}

/// Parses the image in front of it, as XML, and puts it in the image's place. Nothing of it is run.
const INTO_PAGE: &str = "<script>(function(s){var i=s&&s.previousElementSibling;if(!i||i.tagName!=='IMG')return;\
    try{var u=i.src,d=new DOMParser().parseFromString(decodeURIComponent(u.slice(u.indexOf(',')+1)),'image/svg+xml')\
    .documentElement;if(d.nodeName==='svg')i.replaceWith(document.importNode(d,true))}catch(e){}})\
    (document.currentScript)</script>";

/// For a `data:` address in an attribute.
fn encoded(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() * 5 / 4);
    for character in svg.chars() {
        match character {
            '%' => out.push_str("%25"),
            '#' => out.push_str("%23"),
            '"' => out.push_str("%22"),
            '\'' => out.push_str("%27"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '&' => out.push_str("%26"),
            '\n' => out.push_str("%0A"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_image_is_markup_of_the_page() {
        let svg = "<svg xmlns=\"x\"><title>100% &lt;script&gt; '\"</title>\n</svg>".to_owned();
        let shown = display(Picture { svg: svg.clone(), text: "a \"title\"\nmore".into() });
        let html = shown.data["text/html"].as_str().unwrap();
        assert!(html.starts_with("<div><img alt=\"a &quot;title&quot;\" "), "{html}");
        let address = html.split("image/svg+xml,").nth(1).unwrap().split('"').next().unwrap();
        assert!(!address.contains(['<', '>', '\'', '&', '#', '\n']), "{address}");
        assert_eq!(html.matches("<script>").count(), 1);
        assert_eq!(shown.data["image/svg+xml"].as_str(), Some(svg.as_str()));
    }

    #[test]
    fn large_images_stand_there_once() {
        let shown = display(Picture { svg: "x".repeat(MOST_IN_PAGE + 1), text: String::new() });
        assert!(!shown.data.contains_key("text/html"));
    }
}
