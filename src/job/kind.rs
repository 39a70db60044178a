//! What becomes of a file's bytes in its table.

/// The kind of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Files of an index table.
    Files,
    /// Rows of a table, imported by Redivis.
    Tabular,
}

impl Kind {
    /// The stable text, as in the configuration, the journal and the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Tabular => "tabular",
        }
    }

    /// The kind with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Files, Self::Tabular]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}
