//! The `redivis-drop` command.

fn main() {}
