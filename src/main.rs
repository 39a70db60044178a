//! The `redivis-drop` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    redivis_drop::cli::main()
}
