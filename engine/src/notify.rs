//! Displays that cannot wait for the end of a magic: the code of a sign-in, say.

use std::sync::{Arc, Mutex};

use crate::{Display, Engine};

type Show = Arc<dyn Fn(Display) + Send + Sync>;

/// Shows at once, once the host has said how. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Notifier(Arc<Mutex<Option<Show>>>);

impl Notifier {
    /// Shows what a person must see: in a notebook, else on standard error.
    pub(crate) fn show(&self, display: Display) {
        match self.host() {
            Some(show) => show(display),
            // A program without a notebook has its standard error.
            None => {
                if let Some(text) = display.data.get("text/plain").and_then(|text| text.as_str()) {
                    eprintln!("{text}");
                }
            }
        }
    }

    /// Shows what is only good to see, such as how far work is: in a notebook, else nowhere.
    pub(crate) fn show_if_watched(&self, display: Display) {
        if let Some(show) = self.host() {
            show(display);
        }
    }

    fn host(&self) -> Option<Show> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Engine {
    /// Where displays go that belong to work that is still going on.
    pub fn show_with(&self, show: impl Fn(Display) + Send + Sync + 'static) {
        *self.notifier.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Arc::new(show));
    }

    pub(crate) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }
}
