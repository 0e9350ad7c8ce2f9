//! Functions that take structured text apart: URLs, paths, versions, CSV, command lines, XML.

use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};
use serde_json::{Map, Value as Json, json};

use super::{Function, Kind, Returns, function, rule};
use crate::{
    ast::KqlType,
    decimal::Decimal,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);

/// Kusto parses no more XML than this.
const MAX_XML: usize = 128 * 1024;
/// Elements inside elements; more is an attack, not data.
const MAX_XML_DEPTH: usize = 100;

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["parse_url", "parseurl"], &[Kind::Text], 0, DYNAMIC, |_| rule(|c| parse_url(c[0].text()).into())),
    function(&["parse_urlquery", "parseurlquery"], &[Kind::Text], 0, DYNAMIC, |_| {
        rule(|c| {
            let query = c[0].text();
            json!({ "Query Parameters": query_parameters(query.strip_prefix('?').unwrap_or(query)) }).into()
        })
    }),
    function(&["parse_path"], &[Kind::Text], 0, DYNAMIC, |_| rule(|c| parse_path(c[0].text()).into())),
    function(&["parse_version"], &[Kind::Text], 0, Returns::Is(KqlType::Decimal), |_| {
        rule(|c| parse_version(c[0].text()).map(|version| version.to_string()).into())
    }),
    function(&["parse_csv"], &[Kind::Text], 0, DYNAMIC, |_| rule(|c| Json::from(first_record(c[0].text())).into())),
    function(&["parse_command_line"], &[Kind::Text, Kind::Text], 1, DYNAMIC, |a| {
        if let Some(dialect) = a.constant_text(1)
            && !dialect.eq_ignore_ascii_case("windows")
        {
            return Err(format!("`{dialect}` is not a kind of command line: only \"windows\" is"));
        }
        rule(|c| match c[0].text() {
            "" => Cell::Null,
            text => Json::from(windows_arguments(text)).into(),
        })
    }),
    function(&["parse_xml"], &[Kind::Text], 0, DYNAMIC, |_| rule(|c| parse_xml(c[0].text()))),
];

/// Every part is text; what the URL does not have is empty. Relative URLs have no parts at all.
fn parse_url(url: &str) -> Json {
    let mut parts = UrlParts::default();
    if let Some((scheme, rest)) = url.split_once("://") {
        parts.read(scheme, rest);
    }
    json!({
        "Scheme": parts.scheme, "Host": parts.host, "Port": parts.port, "Path": parts.path,
        "Username": parts.username, "Password": parts.password,
        "Query Parameters": query_parameters(parts.query), "Fragment": parts.fragment,
    })
}

#[derive(Default)]
struct UrlParts<'u> {
    scheme: &'u str,
    username: &'u str,
    password: &'u str,
    host: &'u str,
    port: &'u str,
    path: &'u str,
    query: &'u str,
    fragment: &'u str,
}

impl<'u> UrlParts<'u> {
    fn read(&mut self, scheme: &'u str, rest: &'u str) {
        self.scheme = scheme;
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        self.fragment = fragment;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        self.query = query;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        self.path = path;
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                (self.username, self.password) = user.split_once(':').unwrap_or((user, ""));
                host
            }
            None => authority,
        };
        // The colons inside `[::1]` are no port.
        let numeric = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        (self.host, self.port) = match host.rsplit_once(':') {
            Some((host, port)) if numeric(port) => (host, port),
            _ => (host, ""),
        };
    }
}

fn query_parameters(query: &str) -> Json {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    Json::Object(
        pairs.filter(|(key, _)| !key.is_empty()).map(|(key, value)| (key.to_string(), Json::from(value))).collect(),
    )
}

fn parse_path(path: &str) -> Json {
    let (scheme, rest) = path.split_once("://").unwrap_or(("", path));
    let has_root = rest.as_bytes().get(1) == Some(&b':') && rest.starts_with(|c: char| c.is_ascii_alphabetic());
    let root = if has_root { &rest[..2] } else { "" };
    let cut = rest.rfind(['/', '\\']);
    let (directory, file) = match cut {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None if has_root => (root, &rest[2..]),
        None => ("", rest),
    };
    let (file, stream) = file.split_once(':').unwrap_or((file, ""));
    let directory_name = directory.rsplit(['/', '\\']).next().unwrap_or("");
    let directory_name = if directory_name == root { "" } else { directory_name };
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    json!({
        "Scheme": scheme, "RootPath": root, "DirectoryPath": directory, "DirectoryName": directory_name,
        "Filename": file, "Extension": extension, "AlternateDataStreamName": stream,
    })
}

/// Up to four numbers of up to eight digits, as one number that orders like the version.
fn parse_version(text: &str) -> Option<Decimal> {
    let parts: Vec<&str> = text.trim().split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let mut version = 0i128;
    for at in 0..4 {
        let part = parts.get(at).copied().unwrap_or("0");
        if !(1..=8).contains(&part.len()) || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        version = version * 100_000_000 + part.parse::<i128>().ok()?;
    }
    Some(Decimal::whole(version))
}

/// The fields of the first CSV record; quoted fields may hold commas, quotes and line breaks.
pub(crate) fn first_record(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = text.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        let at_start = fields.last().is_some_and(String::is_empty);
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                push(&mut fields, '"');
            }
            '"' if quoted => quoted = false,
            '"' if at_start => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            '\r' if !quoted && letters.peek() == Some(&'\n') => break,
            '\n' if !quoted => break,
            other => push(&mut fields, other),
        }
    }
    fields
}

fn push(fields: &mut [String], letter: char) {
    if let Some(field) = fields.last_mut() {
        field.push(letter);
    }
}

/// Arguments as the Microsoft C runtime splits them: backslashes matter only before a quote.
fn windows_arguments(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let mut count = 1;
                while letters.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let argument = current.get_or_insert_default();
                if letters.peek() == Some(&'"') {
                    argument.extend(std::iter::repeat_n('\\', count / 2));
                    if count % 2 == 1 {
                        letters.next();
                        argument.push('"');
                    }
                } else {
                    argument.extend(std::iter::repeat_n('\\', count));
                }
            }
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                current.get_or_insert_default().push('"');
            }
            '"' => {
                quoted = !quoted;
                current.get_or_insert_default();
            }
            ' ' | '\t' | '\n' | '\r' if !quoted => arguments.extend(current.take()),
            other => current.get_or_insert_default().push(other),
        }
    }
    arguments.extend(current);
    arguments
}

/// Elements become members, attributes `@name`, text beside them `#text`, repeated elements arrays.
fn parse_xml(text: &str) -> Value {
    if text.len() > MAX_XML {
        return Cell::Null;
    }
    element_tree(text).map(Json::Object).into()
}

/// An element that is still open.
struct Open {
    name: String,
    members: Map<String, Json>,
    text: String,
}

impl Open {
    fn new(tag: &BytesStart<'_>, reader: &Reader<&[u8]>) -> Option<Self> {
        let name = String::from_utf8(tag.name().into_inner().to_vec()).ok()?;
        let mut members = Map::new();
        for attribute in tag.attributes() {
            let attribute = attribute.ok()?;
            let key = std::str::from_utf8(attribute.key.into_inner()).ok()?;
            let value = attribute.decode_and_unescape_value(reader.decoder()).ok()?;
            members.insert(format!("@{key}"), Json::from(value));
        }
        Some(Self { name, members, text: String::new() })
    }

    /// Text before a child or before the end.
    fn settle_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            add(&mut self.members, "#text".to_string(), Json::from(text.trim()));
        }
    }

    fn closed(mut self) -> (String, Json) {
        self.settle_text();
        let value = match (self.members.len(), self.members.get("#text")) {
            (0, _) => Json::Null,
            (1, Some(text)) => text.clone(),
            _ => Json::Object(self.members),
        };
        (self.name, value)
    }
}

/// `None` if it is not well-formed or nested beyond reason.
fn element_tree(text: &str) -> Option<Map<String, Json>> {
    let mut reader = Reader::from_str(text.trim());
    let mut open: Vec<Open> = Vec::new();
    let mut document = Map::new();
    loop {
        let mut finished = None;
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                if let Some(parent) = open.last_mut() {
                    parent.settle_text();
                }
                open.push(Open::new(&tag, &reader)?);
            }
            Event::Empty(tag) => {
                if let Some(parent) = open.last_mut() {
                    parent.settle_text();
                }
                finished = Some(Open::new(&tag, &reader)?);
            }
            Event::End(_) => finished = Some(open.pop()?),
            Event::Text(part) => append(&mut open, &part.decode().ok()?)?,
            Event::CData(part) => append(&mut open, &part.decode().ok()?)?,
            Event::GeneralRef(reference) => {
                let name = reference.decode().ok()?;
                match reference.resolve_char_ref().ok()? {
                    Some(letter) => append(&mut open, letter.encode_utf8(&mut [0; 4]))?,
                    None => append(&mut open, resolve_predefined_entity(&name)?)?,
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        if open.len() > MAX_XML_DEPTH {
            return None;
        }
        if let Some(element) = finished {
            let (name, value) = element.closed();
            match open.last_mut() {
                Some(parent) => add(&mut parent.members, name, value),
                // A second root is not XML.
                None if document.is_empty() => {
                    document.insert(name, value);
                }
                None => return None,
            }
        }
    }
    (open.is_empty() && !document.is_empty()).then_some(document)
}

/// Text outside of the root must be blank.
fn append(open: &mut [Open], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

/// A second value under the same name makes an array.
fn add(members: &mut Map<String, Json>, name: String, value: Json) {
    match members.get_mut(&name) {
        None => {
            members.insert(name, value);
        }
        Some(Json::Array(items)) => items.push(value),
        Some(single) => *single = Json::Array(vec![single.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_fall_into_parts() {
        let parsed = parse_url("scheme://user:secret@host:1234/a/b?k=v&=x#end");
        assert_eq!(parsed["Host"], "host");
        assert_eq!(parsed["Port"], "1234");
        assert_eq!(parsed["Path"], "/a/b");
        assert_eq!(parsed["Password"], "secret");
        assert_eq!(parsed["Query Parameters"], json!({"k": "v"}));
        assert_eq!(parse_url("10.0.0.1")["Host"], "");
    }

    #[test]
    fn paths_of_both_worlds_fall_into_parts() {
        let parsed = parse_path(r"C:\temp\file.txt:hidden.exe");
        assert_eq!(parsed["RootPath"], "C:");
        assert_eq!(parsed["DirectoryPath"], r"C:\temp");
        assert_eq!(parsed["DirectoryName"], "temp");
        assert_eq!(parsed["AlternateDataStreamName"], "hidden.exe");
        assert_eq!(parse_path("/usr/lib/a.tar.gz")["Extension"], "gz");
    }

    #[test]
    fn command_lines_split_like_the_c_runtime() {
        assert_eq!(windows_arguments(r#"a.exe "b c" d\e \"f"#), ["a.exe", "b c", r"d\e", "\"f"]);
    }

    #[test]
    fn records_keep_quoted_commas() {
        assert_eq!(first_record("a,\"b,\"\"c\"\"\"\nnext"), ["a", "b,\"c\""]);
    }

    #[test]
    fn xml_becomes_members() {
        let xml = r#"<e name="v"> text <a>1</a><a>2</a><b/></e>"#;
        assert_eq!(parse_xml(xml), json!({"e": {"@name": "v", "#text": "text", "a": ["1", "2"], "b": null}}).into());
        assert_eq!(parse_xml("<broken"), Cell::Null);
    }
}
