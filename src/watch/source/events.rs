//! What an event of `notify` says: to whoever only wants to know where to look, and to whoever learns from it.

use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};

use super::super::happening::Happening;
use super::super::hint::{Hint, Sign};

/// Turns an event into hints.
///
/// Opening and reading are left out: our own uploads do that.
pub(super) fn translate(
    event: notify::Result<notify::Event>,
    root: &Path,
    mut hint: impl FnMut(Hint),
) {
    let Ok(event) = event else {
        // Events could not be read, so some may be missing.
        return hint(Hint::Rescan);
    };
    if event.need_rescan() {
        return hint(Hint::Rescan);
    }
    let sign = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Sign::Closed,
        EventKind::Access(_) => return,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Sign::Placed,
        EventKind::Modify(ModifyKind::Data(_)) => Sign::Written,
        _ => Sign::Other,
    };
    let below = |path: PathBuf| path.strip_prefix(root).map(Path::to_path_buf).ok();
    let mut paths = event.paths.into_iter().filter_map(below);
    match event.kind {
        // Both halves were told before; this says that they belong together.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            if let (Some(from), Some(to)) = (paths.next(), paths.next()) {
                hint(Hint::Renamed { from, to });
            }
        }
        EventKind::Create(CreateKind::Folder) => paths.map(Hint::Folder).for_each(hint),
        _ => paths.map(|path| Hint::Path(path, sign)).for_each(hint),
    }
}

/// Turns an event into what happened. Reading is left out, and the root itself.
pub(super) fn narrate(event: notify::Result<notify::Event>, root: &Path, tell: impl Fn(Happening)) {
    let event = match event {
        Ok(event) if !event.need_rescan() => event,
        // Events could not be read, or not kept.
        Ok(_) | Err(_) => return tell(Happening::Lost),
    };
    let cookie = event.tracker();
    for path in event.paths {
        let Ok(path) = path.strip_prefix(root) else {
            continue;
        };
        if path.as_os_str().is_empty() {
            continue;
        }
        let path = path.to_path_buf();
        tell(match event.kind {
            // Both halves of a renaming were told before.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => continue,
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Happening::Left(path, cookie),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Happening::Came(path, cookie),
            EventKind::Create(CreateKind::Folder) => Happening::Folder(path),
            EventKind::Create(_) => Happening::Created(path),
            EventKind::Modify(ModifyKind::Data(_)) => Happening::Written(path),
            EventKind::Remove(_) => Happening::Removed(path),
            EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(_) => {
                Happening::Touched(path)
            }
            _ => continue,
        });
    }
}

#[cfg(test)]
mod tests {
    use notify::Event;
    use notify::event::{DataChange, Flag, MetadataKind, RemoveKind};

    use super::*;

    fn hints(event: Event) -> Vec<Hint> {
        let mut hints = Vec::new();
        translate(Ok(event), Path::new("/drop"), |hint| hints.push(hint));
        hints
    }

    #[test]
    fn events_become_hints_with_their_signs_and_our_own_reading_does_not() {
        let path = |sign| Some(Hint::Path("sub/a".into(), sign));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        for (kind, want) in [
            (EventKind::Create(CreateKind::File), path(Sign::Other)),
            (
                EventKind::Create(CreateKind::Folder),
                Some(Hint::Folder("sub/a".into())),
            ),
            (
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                path(Sign::Written),
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                path(Sign::Other),
            ),
            (close(AccessMode::Write), path(Sign::Closed)),
            (close(AccessMode::Read), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (name(RenameMode::From), path(Sign::Other)),
            (name(RenameMode::To), path(Sign::Placed)),
            (EventKind::Remove(RemoveKind::File), path(Sign::Other)),
            (EventKind::Any, path(Sign::Other)),
        ] {
            let event = Event::new(kind).add_path("/drop/sub/a".into());
            assert_eq!(hints(event), Vec::from_iter(want), "{kind:?}");
        }
    }

    #[test]
    fn a_renaming_within_the_root_names_both_ends() {
        let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        for (from, want) in [
            (
                "/drop/a",
                vec![Hint::Renamed {
                    from: "a".into(),
                    to: "b".into(),
                }],
            ),
            ("/elsewhere/a", vec![]),
        ] {
            let event = Event::new(both).add_path(from.into());
            assert_eq!(hints(event.add_path("/drop/b".into())), want, "{from}");
        }
    }

    #[test]
    fn a_witness_hears_what_happened_and_to_whom() {
        let path = || PathBuf::from("sub/a");
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        for (kind, want) in [
            (
                EventKind::Create(CreateKind::File),
                Some(Happening::Created(path())),
            ),
            (
                EventKind::Create(CreateKind::Folder),
                Some(Happening::Folder(path())),
            ),
            (
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                Some(Happening::Written(path())),
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                Some(Happening::Touched(path())),
            ),
            (close(AccessMode::Write), Some(Happening::Touched(path()))),
            (close(AccessMode::Read), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            (
                name(RenameMode::From),
                Some(Happening::Left(path(), Some(7))),
            ),
            (name(RenameMode::To), Some(Happening::Came(path(), Some(7)))),
            (name(RenameMode::Both), None),
            (
                EventKind::Remove(RemoveKind::File),
                Some(Happening::Removed(path())),
            ),
        ] {
            for (at, want) in [("/drop/sub/a", want), ("/drop", None), ("/else/a", None)] {
                let told = std::cell::RefCell::new(Vec::new());
                let event = Event::new(kind).add_path(at.into()).set_tracker(7);
                narrate(Ok(event), Path::new("/drop"), |what| {
                    told.borrow_mut().push(what);
                });
                assert_eq!(told.into_inner(), Vec::from_iter(want), "{kind:?} {at}");
            }
        }
    }

    #[test]
    fn an_overflow_and_an_error_mean_that_everything_is_to_be_looked_at() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        let told = std::cell::RefCell::new(Vec::new());
        narrate(Ok(overflow.clone()), Path::new("/drop"), |what| {
            told.borrow_mut().push(what);
        });
        assert_eq!(told.into_inner(), [Happening::Lost]);
        assert_eq!(hints(overflow), [Hint::Rescan]);
        let unreadable = Err(notify::Error::generic("unreadable"));
        let mut told = Vec::new();
        translate(unreadable, Path::new("/drop"), |hint| told.push(hint));
        assert_eq!(told, [Hint::Rescan]);
    }
}
