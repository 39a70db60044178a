//! `redivis-drop demo`

use super::error::{Exit, Failure};

pub(super) fn demo(_keep: bool) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "not wired yet"))
}
