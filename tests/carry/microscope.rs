//! A second watch in a lab, with a table of its own.

use std::fs;

use crate::lab::{Holding, Lab, holding, write_noise};

/// A table in another dataset than that of the first watch.
pub const OTHER_TABLE: &str = "my_lab.imaging:next.raw_images";

/// A second watch, with more lines of its own.
pub fn watch_another(lab: &Lab, table: &str, lines: &str) {
    let folder = lab.elsewhere("images");
    fs::create_dir(&folder).unwrap();
    let config = fs::read_to_string(&lab.config).unwrap();
    let config = format!(
        "{config}[[watch]]\nname = \"microscope\"\npath = \"{}\"\ntable = \"{table}\"\nsettle = \"100ms\"\n{lines}\n",
        folder.display()
    );
    fs::write(&lab.config, config).unwrap();
}

/// A file for the second watch.
pub fn drop_image(lab: &Lab, name: &str, seed: u64) -> Holding {
    let path = lab.elsewhere("images").join(name);
    write_noise(&path, 3_000, seed);
    holding(name, &path)
}
