//! Names of things, each its own type, so that they cannot be mixed up.

use std::fmt;

/// A job's number in the journal; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is; checking it is the business of who made it.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id! {
    /// `[[watch]] name`: unique in a configuration.
    WatchName
}
text_id! {
    /// Redivis' id of a temporary upload. No secret; its URL is.
    TempUploadId
}
text_id! {
    /// Redivis' id of a registered file or upload.
    RemoteId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_prints_as_its_number_and_a_name_as_itself() {
        assert_eq!(JobId(42).to_string(), "42");
        assert_eq!(WatchName::new("sequencer-1").to_string(), "sequencer-1");
    }
}
