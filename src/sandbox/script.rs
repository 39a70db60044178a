//! The faults in force: which of them acts on a request.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::faults::{Action, Call, Fault};

/// A fault script that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file itself.
    #[error("the fault script {0}: {1}")]
    Read(String, std::io::Error),
    /// Its content.
    #[error("the fault script {0} is no JSON array of faults: {1}")]
    Parse(String, serde_json::Error),
}

/// The faults in force, each with its count of matching requests.
#[derive(Debug, Default)]
pub(super) struct Script(Mutex<Vec<Scripted>>);

#[derive(Debug)]
struct Scripted {
    fault: Fault,
    seen: u32,
    fired: u32,
}

impl Script {
    /// Reads a JSON file.
    pub(super) fn load(path: &Path) -> Result<Vec<Fault>, ScriptError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScriptError::Read(name.clone(), error))?;
        serde_json::from_str(&text).map_err(|error| ScriptError::Parse(name, error))
    }

    /// Puts more faults behind those that are there.
    pub(super) fn add(&self, faults: Vec<Fault>) {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script.extend(faults.into_iter().map(|fault| Scripted {
            fault,
            seen: 0,
            fired: 0,
        }));
    }

    /// What is to happen to this request. Each fault counts every request that it matches; of
    /// those that are due the first one acts.
    pub(super) fn take(&self, call: Call, offset: u64) -> Option<Action> {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut action = None;
        for Scripted { fault, seen, fired } in script.iter_mut() {
            if !fault.matches(call, offset) {
                continue;
            }
            *seen = seen.saturating_add(1);
            let due = *seen > fault.skip && fault.times.is_none_or(|times| *fired < times);
            if due && action.is_none() {
                *fired = fired.saturating_add(1);
                action = Some(fault.action.clone());
            }
        }
        script.retain(|scripted| scripted.fault.times.is_none_or(|t| scripted.fired < t));
        action
    }

    /// The faults that have not yet done all they are to do.
    pub(super) fn pending(&self) -> Vec<Fault> {
        let script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script
            .iter()
            .map(|scripted| scripted.fault.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lets_some_go_by_then_hits_so_many() {
        let script = Script::default();
        script.add(vec![
            Fault::new(Call::Chunk, Action::CutBeforeReply)
                .skip(1)
                .times(2),
        ]);
        let hits: Vec<bool> = (0..5)
            .map(|_| {
                assert_eq!(script.take(Call::Query, 0), None);
                script.take(Call::Chunk, 0).is_some()
            })
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(script.pending(), []);
    }

    #[test]
    fn each_fault_counts_for_itself_so_that_skip_is_a_request_number() {
        let script = Script::default();
        script.add(vec![
            Fault::new(Call::Chunk, Action::WrongHash),
            Fault::new(Call::Any, Action::WrongSize).skip(2),
        ]);
        let actions: Vec<_> = (0..4).map(|_| script.take(Call::Chunk, 0)).collect();
        assert_eq!(
            actions,
            [Some(Action::WrongHash), None, Some(Action::WrongSize), None]
        );
    }

    #[test]
    fn an_offset_waits_for_a_later_chunk() {
        let script = Script::default();
        script.add(vec![
            Fault::new(Call::Any, Action::CutBeforeReply).from_offset(100),
        ]);
        assert_eq!(script.take(Call::Chunk, 99), None);
        assert_eq!(script.take(Call::Put, 100), None);
        assert!(script.take(Call::Chunk, 100).is_some());
    }
}
