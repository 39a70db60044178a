//! Names of uploads: which of them are one to a table, and which Redivis made of another.

use super::{Import, Upload};
use crate::job::is_numbered;

/// How a table writes a name in addresses; two names that are written alike are one name to it.
pub fn slug(name: &str) -> String {
    name.replace('.', "_")
}

impl Upload {
    /// Whether its import brings rows, or may.
    pub fn lives(&self) -> bool {
        !matches!(self.import, Import::Failed(_))
    }

    /// Whether it has this name, or one that Redivis made of it.
    pub fn goes_by(&self, name: &str) -> bool {
        self.name == name || is_numbered(&self.name, name)
    }
}
