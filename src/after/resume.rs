//! An after-action that was begun and not concluded: finished, put back, or found not to have begun.
//!
//! What has a private name is looked at before anything else, since nobody else would ever find it.

use super::carry::{open_target, part};
use super::deed::{self, Ended, GONE, Standing, Work, is_renamed, open_root, put_back};
use super::hand;
use super::place::{self, Place};
use super::witness;
use crate::beneath::{Folder, OpenError, Root};
use crate::job::{Deed, printable};

/// What an interrupted action left behind.
#[derive(Debug)]
pub(super) enum Resumed {
    /// It has come to its end.
    Ended(Ended),
    /// The file lies where it was dropped, untouched: whatever is configured now may begin.
    Untouched,
}

/// Ends what the intent began.
pub(super) fn resume(work: &mut Work<'_>) -> Result<Resumed, String> {
    let root = open_root(work)?;
    let source = match root.folder(work.parent()) {
        Ok(folder) => Some(folder),
        Err(OpenError::Gone | OpenError::NotAFile(_)) => None,
        Err(error) => return Err(hand::failed("its folder cannot be opened", error)),
    };
    match work.intent.deed.clone() {
        Deed::Delete => of_deletion(work, &root, source),
        Deed::Move(to) => {
            let target = match open_target(&to, &work.intent.root) {
                Ok(target) => target,
                // what lies where it was dropped was not begun, or only copied
                Err(why) => return untouched(source.as_ref(), work, why),
            };
            // of a look whether the two are one; a copy's is in the folder itself
            let top = target.folder("".as_ref());
            match top.and_then(|top| witness::forget(&top, &part(&work.intent.aside))) {
                Ok(()) | Err(OpenError::Denied) => {}
                Err(error) => return Err(hand::failed("a private name cannot be removed", error)),
            }
            match target.folder(work.parent()) {
                Ok(folder) => of_move(work, &root, source, folder),
                Err(OpenError::Gone | OpenError::NotAFile(_)) => of_deletion(work, &root, source),
                Err(error) => Err(hand::failed("move_to cannot be opened", error)),
            }
        }
    }
}

fn of_deletion(
    work: &mut Work<'_>,
    root: &Root,
    source: Option<Folder>,
) -> Result<Resumed, String> {
    let Some(source) = source else {
        return deed::gone(root, work).map(Resumed::Ended);
    };
    match aside_in(&source, work)? {
        Aside::Ours if matches!(work.intent.deed, Deed::Delete) => {
            finish_deletion(&source, work)?;
            work.touch(source);
            let how = "the file was deleted here; that had been interrupted";
            Ok(Resumed::Ended(Ended::Acted(how.to_owned())))
        }
        // of a move whose new folder is gone
        Aside::Ours | Aside::Other => {
            let name = put_back(&source, &work.intent.aside, &source, work.name())?;
            let how = format!(
                "an after-action was interrupted; the file was put back as {} and is looked at anew",
                printable(name.as_ref())
            );
            work.touch(source);
            Ok(Resumed::Ended(Ended::Left(how)))
        }
        Aside::Nothing => untouched_or_gone(root, &source, work),
    }
}

fn of_move(
    work: &mut Work<'_>,
    root: &Root,
    source: Option<Folder>,
    target: Folder,
) -> Result<Resumed, String> {
    let name = work.name().to_owned();
    let Some(content) = work.content() else {
        return Ok(Resumed::Untouched);
    };
    witness::forget(&target, &part(&work.intent.aside))
        .map_err(|error| hand::failed("a part of a copy cannot be removed", error))?;
    let moved = |how: &str| {
        Ok(Resumed::Ended(Ended::Acted(format!(
            "the file was moved to move_to as {how}; that had been interrupted"
        ))))
    };
    // renamed into the new folder, and not named there
    match aside_in(&target, work)? {
        Aside::Ours => {
            deed::nobody_writes(&target, &work.intent.aside)?;
            forget_second_name(source.as_ref(), &target, work)?;
            let named = place::settle(&target, &work.intent.aside, &name, content)?;
            source
                .into_iter()
                .chain([target])
                .for_each(|folder| work.touch(folder));
            return moved(&printable(named.as_ref()));
        }
        Aside::Other => {
            let home = source.as_ref().unwrap_or(&target);
            let back = put_back(&target, &work.intent.aside, home, &name)?;
            source
                .into_iter()
                .chain([target])
                .for_each(|folder| work.touch(folder));
            let how = format!(
                "another file was found in its place and was put back as {}",
                printable(back.as_ref())
            );
            return Ok(Resumed::Ended(Ended::Left(how)));
        }
        Aside::Nothing => {}
    }
    let Some(source) = source else {
        return match place::find(&target, &name, content)? {
            Place::Same(there) => moved(&printable(there.as_ref())),
            Place::Free(_) => deed::gone(root, work).map(Resumed::Ended),
        };
    };
    let copy = place::find(&target, &name, content)?;
    match (aside_in(&source, work)?, copy) {
        (Aside::Ours, Place::Same(there)) => {
            hand::sync(&target).map_err(|error| hand::failed("move_to cannot be synced", error))?;
            finish_deletion(&source, work)?;
            work.touch(source);
            work.touch(target);
            moved(&printable(there.as_ref()))
        }
        // somebody took the copy away: this is the only one
        (Aside::Ours, Place::Free(_)) | (Aside::Other, _) => {
            let back = put_back(&source, &work.intent.aside, &source, &name)?;
            work.touch(source);
            let how = format!(
                "an after-action was interrupted; the file was put back as {} and is looked at anew",
                printable(back.as_ref())
            );
            Ok(Resumed::Ended(Ended::Left(how)))
        }
        (Aside::Nothing, copy) => match (untouched_or_gone(root, &source, work)?, copy) {
            (Resumed::Ended(Ended::Acted(_)), Place::Same(there)) => {
                work.touch(source);
                work.touch(target);
                moved(&printable(there.as_ref()))
            }
            (other, _) => Ok(other),
        },
    }
}

fn untouched(source: Option<&Folder>, work: &Work<'_>, why: String) -> Result<Resumed, String> {
    let Some(source) = source else {
        return Err(why);
    };
    match deed::pin(source, work.name(), &work.job.seen)? {
        Standing::Ours(_) => Ok(Resumed::Untouched),
        Standing::Gone | Standing::Other => Err(why),
    }
}

fn untouched_or_gone(root: &Root, source: &Folder, work: &Work<'_>) -> Result<Resumed, String> {
    match deed::pin(source, work.name(), &work.job.seen)? {
        Standing::Ours(_) => Ok(Resumed::Untouched),
        Standing::Gone => match deed::gone(root, work)? {
            Ended::Acted(how) if how == GONE => Ok(Resumed::Ended(Ended::Acted(
                "the file is gone: deleted here before an interruption, or by somebody".to_owned(),
            ))),
            other => Ok(Resumed::Ended(other)),
        },
        Standing::Other => Ok(Resumed::Ended(Ended::Left(deed::CHANGED.to_owned()))),
    }
}

/// What has the private name in a folder.
enum Aside {
    Nothing,
    /// The file that is in the table.
    Ours,
    /// Something that came between the look and the renaming, or was written to since.
    Other,
}

fn aside_in(folder: &Folder, work: &Work<'_>) -> Result<Aside, String> {
    match folder.stat(&work.intent.aside) {
        Ok((named, _)) if is_renamed(&named, &work.job.seen) => Ok(Aside::Ours),
        Ok(_) | Err(OpenError::NotAFile(_)) => Ok(Aside::Other),
        Err(OpenError::Gone) => Ok(Aside::Nothing),
        Err(error) => Err(hand::failed("a private name cannot be looked at", error)),
    }
}

fn finish_deletion(source: &Folder, work: &Work<'_>) -> Result<(), String> {
    forget_second_name(Some(source), source, work)?;
    deed::nobody_writes(source, &work.intent.aside)?;
    hand::delete(source, &work.intent.aside)
        .map_err(|error| hand::failed("the file cannot be deleted", error))
}

/// Where renaming takes two steps, a crash between them leaves the file its first name too.
fn forget_second_name(
    source: Option<&Folder>,
    now_in: &Folder,
    work: &Work<'_>,
) -> Result<(), String> {
    let Some(source) = source else { return Ok(()) };
    let (first, aside) = (source.stat(work.name()), now_in.stat(&work.intent.aside));
    let (Ok((first, _)), Ok((aside, _))) = (first, aside) else {
        return Ok(());
    };
    if first == aside {
        hand::delete(source, work.name())
            .map_err(|error| hand::failed("the file's first name cannot be taken away", error))?;
    }
    Ok(())
}
