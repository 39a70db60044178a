//! The token, and nothing that could print it.

use std::fmt;
use std::sync::Arc;

use reqwest::header::HeaderValue;

use super::BuildError;

/// An access token of Redivis. Cheap to clone; never prints.
#[derive(Clone)]
pub struct Bearer {
    token: Arc<str>,
    header: HeaderValue,
}

impl Bearer {
    /// Takes over a token; white space around it is not part of it.
    ///
    /// # Errors
    /// [`BuildError::Token`] when it is empty or cannot stand in a header.
    pub fn new(token: &str) -> Result<Self, BuildError> {
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BuildError::Token);
        }
        let mut header =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| BuildError::Token)?;
        header.set_sensitive(true);
        Ok(Self {
            token: token.into(),
            header,
        })
    }

    /// The whole value of `Authorization`, marked so that no library logs it.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// For finding it in texts that must not hold it.
    pub(super) fn expose(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_print_itself() {
        let bearer = Bearer::new(" t0ken-secret\n").unwrap();
        assert_eq!(bearer.expose(), "t0ken-secret");
        assert!(!format!("{bearer:?} {:?}", bearer.header()).contains("secret"));
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_token() {
        for wrong in ["", "  \n", "two words", "line\nbreak", "schlüssel"] {
            assert!(Bearer::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
