//! Secrets are taken out of everything that a cell emits, on its way from the cell to whoever listens.

use huntbook_engine::{Display, Value, redact};

use crate::output::{CellError, Output, Stream};

/// The text of both streams, each of which may be within a secret.
#[derive(Default)]
pub(crate) struct Streams {
    stdout: redact::Stream,
    stderr: redact::Stream,
}

impl Streams {
    /// What may be shown of the text now; `None` if that is nothing.
    pub(crate) fn push(&mut self, stream: Stream, text: &str) -> Option<String> {
        Some(self.of(stream).push(text)).filter(|text| !text.is_empty())
    }

    /// What has waited for more that did not come.
    pub(crate) fn finish(&mut self) -> Vec<(Stream, String)> {
        let left = [Stream::Stdout, Stream::Stderr].map(|stream| (stream, self.of(stream).finish()));
        left.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }

    fn of(&mut self, stream: Stream) -> &mut redact::Stream {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Registers the keys that a cell's code announces: code that takes a connection string apart may show its key by itself.
pub(crate) fn learn(code: &str) {
    const WORDS: [&str; 5] = ["AccountKey=", "SharedAccessKey=", "SharedAccessSignature=", "Password=", "Bearer "];
    /// A shorter word is no key, but an example or the part of a format string.
    const SHORTEST: usize = 16;
    for word in WORDS {
        for (at, _) in code.match_indices(word) {
            let value = &code[at + word.len()..];
            let ends = |c: char| c.is_whitespace() || ";\"'<>\\`&,{}".contains(c);
            let value = value.split(ends).next().unwrap_or_default();
            if value.len() >= SHORTEST {
                redact::register(value);
            }
        }
    }
}

pub(crate) fn text(text: String) -> String {
    match redact::text(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(redacted) => redacted,
    }
}

/// Pictures are left as they are: their base64 is no text.
pub(crate) fn display(mut display: Display) -> Display {
    for (mime, body) in &mut display.data {
        if !mime.starts_with("image/") || mime.contains("svg") {
            value(body);
        }
    }
    display.metadata.values_mut().for_each(value);
    display
}

pub(crate) fn output(output: Output) -> Output {
    match output {
        Output::Stream { stream, text: shown } => Output::Stream { stream, text: text(shown) },
        Output::Display(shown) => Output::Display(display(shown)),
        Output::Clear { wait } => Output::Clear { wait },
    }
}

pub(crate) fn error(error: CellError) -> CellError {
    CellError {
        name: text(error.name),
        value: text(error.value),
        traceback: error.traceback.into_iter().map(text).collect(),
    }
}

fn value(of: &mut Value) {
    match of {
        Value::String(shown) => *shown = text(std::mem::take(shown)),
        Value::Array(items) => items.iter_mut().for_each(value),
        // A name may hold a secret as well as a value.
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut field)| {
                    value(&mut field);
                    (text(name), field)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_display_is_looked_at() {
        let secret = "AccountKey=c2VjcmV0c2VjcmV0";
        let mut shown = Display::new([("text/html", format!("<b>{secret}</b>")), ("image/png", secret.to_owned())]);
        shown.data.insert("application/json".into(), serde_json::json!({"a": [secret, {secret: 1}]}));
        shown.metadata.insert("query".into(), secret.into());
        let shown = display(shown);
        let hidden = "AccountKey=[redacted]";
        assert_eq!(shown.data["text/html"], format!("<b>{hidden}</b>"));
        assert_eq!(shown.data["application/json"], serde_json::json!({"a": [hidden, {hidden: 1}]}));
        assert_eq!(shown.metadata["query"], hidden);
        assert_eq!(shown.data["image/png"], secret, "a picture is no text");
    }

    #[test]
    fn a_key_that_was_cut_out_is_hidden_too() {
        let key = "bGVhcm5lZGtleWxlYXJuZWRrZXk=";
        assert_eq!(text(key.to_owned()), key);
        learn(&format!("let c = \"AccountName=x;AccountKey={key};\"; format!(\"AccountKey={{long_name_of_key}}\")"));
        assert_eq!(text(format!("<{key}>")), "<[redacted]>");
        assert_eq!(text("{long_name_of_key}".to_owned()), "{long_name_of_key}");
    }

    #[test]
    fn streams_do_not_mix() {
        let mut streams = Streams::default();
        assert_eq!(streams.push(Stream::Stdout, "AccountKey=abcdefgh").as_deref(), Some("AccountKey=[redacted]"));
        assert_eq!(streams.push(Stream::Stderr, "def").as_deref(), Some("def"));
        assert_eq!(streams.push(Stream::Stdout, "def"), None);
        assert_eq!(streams.push(Stream::Stdout, "\nx\n").as_deref(), Some("\nx\n"));
        assert!(streams.finish().is_empty());
    }
}
