//! A value that must not be seen: zeroed when dropped, and never shown.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::redact;

/// A password, key, token or connection string.
///
/// It has no `Display` and no `Serialize`, and its `Debug` shows nothing. Making one also registers its value with
/// [`redact`], so that it is taken out of whatever a cell shows. Clones share the value.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        let value = Zeroizing::new(value.into());
        redact::register(&value);
        Self(Arc::new(value))
    }

    /// A secret of one request that [`redact`] knows by its look. It is not registered: an upload makes thousands.
    pub(crate) fn of_one_request(value: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(value.into())))
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    /// In constant time for values of one length.
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.expose().as_bytes(), other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::new("hunter2-hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(..) Some(Secret(..))");
        assert_eq!(secret, Secret::new("hunter2-hunter2"));
        assert_ne!(secret, Secret::new("hunter2-hunter3"));
    }
}
