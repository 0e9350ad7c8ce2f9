//! Rich output from cells: `display::html("<b>hi</b>")`. Displays appear as they happen, several per cell.
//!
//! What is shown can be replaced in place, by its handle or by a name that any cell may use:
//! `display::show_as("progress", [("text/plain", "1 of 9".into())])`, then `display::update("progress", ...)`.
//! [`clear_output`] takes away all that the cell has shown.

use std::collections::BTreeMap;
use std::fmt::Debug;

use huntbook_wire::Request;
use serde_json::Value;

use crate::client;
use crate::rt;

/// What evcxr calls on a cell's trailing expression. In scope for every `Debug` type, so that the first build
/// succeeds; types with something better to show have an `evcxr_display` of their own, which wins.
pub trait CellDisplay {
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> CellDisplay for T {
    fn evcxr_display(&self) {
        if std::any::type_name::<T>() != "()" {
            result([("text/plain", format!("{self:?}"))]);
        }
    }
}

/// Shows the value of the cell.
pub(crate) fn result<'a>(data: impl IntoIterator<Item = (&'a str, String)>) {
    rt::flush_pending();
    rt::flush_stdout();
    let request = Request::Result { data: bundle(data) };
    if let Err(error) = client::call(&request) {
        ::std::eprintln!("{error}");
    }
}

/// Shows HTML. The notebook renders it as it is: escape text that comes from data.
pub fn html(html: impl Into<String>) -> Displayed {
    show([("text/html", html.into())])
}

pub fn svg(svg: impl Into<String>) -> Displayed {
    show([("image/svg+xml", svg.into())])
}

pub fn markdown(markdown: impl Into<String>) -> Displayed {
    let markdown = markdown.into();
    show([("text/markdown", markdown.clone()), ("text/plain", markdown)])
}

pub fn text(text: impl Into<String>) -> Displayed {
    show([("text/plain", text.into())])
}

/// Shows a MIME bundle: the front end picks the richest type it knows. The body of a JSON type is parsed.
pub fn show<'a>(data: impl IntoIterator<Item = (&'a str, String)>) -> Displayed {
    show_as(format!("huntbook-{}-{}", std::process::id(), next_id()), data)
}

/// As [`show`], under a name of the caller's.
pub fn show_as<'a>(id: impl Into<String>, data: impl IntoIterator<Item = (&'a str, String)>) -> Displayed {
    let displayed = Displayed { id: id.into() };
    displayed.send(bundle(data), false);
    displayed
}

/// Replaces, in every place, what is shown under this name.
pub fn update<'a>(id: impl Into<String>, data: impl IntoIterator<Item = (&'a str, String)>) {
    Displayed { id: id.into() }.send(bundle(data), true);
}

/// Takes away what the cell has shown until now; with `wait`, at the moment when it shows the next thing, so that
/// nothing flickers.
pub fn clear_output(wait: bool) {
    rt::flush_pending();
    rt::flush_stdout();
    if let Err(error) = client::call(&Request::ClearOutput { wait }) {
        ::std::eprintln!("{error}");
    }
}

/// Something on display, which [`Displayed::update`] replaces in place.
pub struct Displayed {
    id: String,
}

impl Displayed {
    /// The name for [`update`].
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn update<'a>(&self, data: impl IntoIterator<Item = (&'a str, String)>) {
        self.send(bundle(data), true);
    }

    fn send(&self, data: BTreeMap<String, Value>, update: bool) {
        rt::flush_pending();
        rt::flush_stdout();
        let request = Request::Display { data, metadata: BTreeMap::new(), display_id: Some(self.id.clone()), update };
        if let Err(error) = client::call(&request) {
            ::std::eprintln!("{error}");
        }
    }

    /// The display is already shown: as a cell's last value it shows nothing more.
    pub fn evcxr_display(&self) {}
}

fn bundle<'a>(data: impl IntoIterator<Item = (&'a str, String)>) -> BTreeMap<String, Value> {
    data.into_iter().map(|(mime, body)| (mime.to_owned(), body_of(mime, body))).collect()
}

/// Jupyter wants JSON as JSON, not as text. Text that is none stays text: the front end then shows what it got.
fn body_of(mime: &str, body: String) -> Value {
    if mime == "application/json" || mime.ends_with("+json") {
        return serde_json::from_str(&body).unwrap_or(Value::String(body));
    }
    Value::String(body)
}

fn next_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
