//! Rebuilds when a migration is added: cargo does not see new files in an embedded folder.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
