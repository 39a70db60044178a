//! URLs that let anyone who holds them write to the upload: they never print.

use std::fmt;

macro_rules! secret_url {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Takes over a URL that the server gave.
            pub fn new(url: impl Into<String>) -> Self {
                Self(url.into())
            }

            /// The URL itself, for the request and the journal only.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_url! {
    /// Where a temporary upload is put or its session is started.
    TempUrl
}
secret_url! {
    /// A resumable session: the `Location` that starting it returned.
    SessionUrl
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_url_does_not_print_itself() {
        let url = SessionUrl::new("https://uploads.example/s?upload_id=secret");
        assert!(!format!("{url:?}").contains("secret"));
    }
}
