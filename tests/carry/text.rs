//! Files of rows, and a watch that has them imported.

use std::fs;

use crate::lab::{Holding, Lab, Plan, holding};

/// What is dropped becomes rows.
pub const ROWS: Plan = Plan {
    transfer: "",
    watch: "kind = \"tabular\"",
    speed: None,
    lenient: false,
    rate_limit: None,
};

/// Drops a file, whole from its first moment on.
pub fn drop_text(lab: &Lab, name: &str, text: &str) -> Holding {
    let aside = lab.elsewhere("aside");
    fs::write(&aside, text).unwrap();
    fs::create_dir_all(lab.path(name).parent().unwrap()).unwrap();
    fs::rename(aside, lab.path(name)).unwrap();
    holding(name, &lab.path(name))
}
