//! Moving: by a rename within a file system, by a copy between two.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use md5::{Digest as _, Md5 as Sum};
use rustix::io::Errno;

use super::deed::{
    CHANGED, Deleted, Ended, Tried, Work, delete, gone, is_the_pinned, nobody_writes, put_back,
};
use super::hand;
use super::place::{self, BLOCK, Content, Place};
use super::witness;
use crate::beneath::{Folder, OpenError, Pinned, Root, fingerprint};
use crate::crash_point::{Point, pass};
use crate::job::{Fingerprint, Md5, printable};

/// Bytes of a copy that wait for its disk, at most: a stop need not wait for more.
const SYNCED: u64 = 64 * 1024 * 1024;

/// Moves the pinned file into `to`, keeping its path below the root.
pub(super) fn carry(
    work: &mut Work<'_>,
    root: &Root,
    from: Folder,
    pinned: &Pinned,
    to: &Path,
) -> Tried {
    let Some(content) = work.content() else {
        return Ok(Ended::Left(
            "there is no md5 of it, so it was left".to_owned(),
        ));
    };
    let target = open_target(to, &work.intent.root)?;
    let folder = make_folders(root, &target, work.parent())?;
    let name = work.name().to_owned();
    let moved = |name: &OsStr| {
        let path = to.join(work.parent()).join(name);
        format!("the file was moved to {}", printable(&path))
    };
    if let Place::Same(taken) = place::find(&folder, &name, content)? {
        // a copy that was whole before a crash, or somebody else's; or the file itself, seen twice
        refuse_itself(work, root, &target, &from, &folder, to)?;
        let said = moved(&taken);
        return take_away(work, root, from, folder, pinned, said);
    }
    match hand::rename(&from, &name, &folder, &work.intent.aside) {
        Ok(()) => {
            pass(Point::AfterCarried);
            if !is_the_pinned(&folder, &work.intent.aside, pinned, &work.job.seen)? {
                put_back(&folder, &work.intent.aside, &from, &name)?;
                return Ok(Ended::Left(CHANGED.to_owned()));
            }
            if let Err(why) = nobody_writes(&folder, &work.intent.aside) {
                put_back(&folder, &work.intent.aside, &from, &name)?;
                return Err(why);
            }
            let named = place::settle(&folder, &work.intent.aside, &name, content)?;
            pass(Point::AfterNamed);
            let said = moved(&named);
            work.touch(from);
            work.touch(folder);
            Ok(Ended::Acted(said))
        }
        Err(Errno::NOENT) => gone(root, work),
        Err(Errno::XDEV) => {
            refuse_itself(work, root, &target, &from, &folder, to)?;
            let part = part(&work.intent.aside);
            match copy(work, &from, &folder, &part, content)? {
                Copied::Whole => {}
                Copied::Changed => return Ok(Ended::Left(CHANGED.to_owned())),
                Copied::Other => {
                    let why = "its bytes are not those that were registered, although its size and times are; it was left";
                    return Ok(Ended::Left(why.to_owned()));
                }
                Copied::Stopped => return Ok(Ended::Stopped),
            }
            pass(Point::AfterCopied);
            let named = place::settle(&folder, &part, &name, content)?;
            pass(Point::AfterNamed);
            let said = moved(&named);
            take_away(work, root, from, folder, pinned, said)
        }
        Err(error) => Err(hand::failed("the file cannot be moved", error)),
    }
}

/// A folder may be mounted twice, which no path tells. Seen there, a file would be taken for its own copy; and moved into
/// a folder that is watched, it would be found and moved again for ever. By a rename neither can be: that works within
/// one mount only, of which the paths tell.
fn refuse_itself(
    work: &Work<'_>,
    root: &Root,
    target: &Root,
    from: &Folder,
    folder: &Folder,
    to: &Path,
) -> Result<(), String> {
    let witness = part(&work.intent.aside);
    let look = || {
        if witness::is_among(&[from], folder, &witness)? {
            return Ok(Some("is the drop folder itself"));
        }
        let above = witness::above(root, work.parent())?;
        if above.is_empty() {
            return Ok(None);
        }
        let above: Vec<&Folder> = above.iter().collect();
        match witness::is_among(&above, &target.folder("".as_ref())?, &witness) {
            // perhaps only the folders in it may be written to, which is enough for moving
            Err(OpenError::Denied) => Ok(None),
            inside => Ok(inside?.then_some("is a folder of the drop folder")),
        }
    };
    let found = look().map_err(|error: OpenError| {
        hand::failed("move_to cannot be told from the drop folder", error)
    })?;
    found.map_or(Ok(()), |what| {
        Err(format!(
            "move_to, {}, {what}, mounted a second time: nothing can be moved there; name another folder",
            printable(to)
        ))
    })
}

/// Deletes the source of what lies in the new folder, whole and named: first that is made to survive a power cut.
fn take_away(
    work: &mut Work<'_>,
    root: &Root,
    from: Folder,
    to: Folder,
    pinned: &Pinned,
    said: String,
) -> Tried {
    hand::sync(&to).map_err(|error| hand::failed("move_to cannot be synced", error))?;
    let name = work.name().to_owned();
    match delete(&from, &name, &work.intent.aside, pinned, &work.job.seen)? {
        Deleted::Yes => {
            work.touch(from);
            work.touch(to);
            Ok(Ended::Acted(said))
        }
        Deleted::Gone => gone(root, work).map(|_| Ended::Acted(said)),
        Deleted::Changed => Ok(Ended::Left(format!("{said}; {CHANGED}"))),
    }
}

/// The name of a copy that is not whole. Whatever has it was made here, and may go.
pub(super) fn part(aside: &OsStr) -> OsString {
    let mut part = aside.to_owned();
    part.push(".part");
    part
}

pub(super) fn open_target(to: &Path, root: &Path) -> Result<Root, String> {
    let target = Root::open(to).map_err(|error| {
        let what = format!(
            "move_to, {}, cannot be opened (make it, or mount it)",
            printable(to)
        );
        hand::failed(&what, OpenError::Io(error))
    })?;
    if witness::leads_into(to, root) {
        return Err(format!(
            "move_to, {}, leads into the drop folder: what is moved there would be uploaded again",
            printable(to)
        ));
    }
    Ok(target)
}

/// The same folder below the target, made with the permissions of those below the root.
fn make_folders(root: &Root, target: &Root, path: &Path) -> Result<Folder, String> {
    let failed = |error| hand::failed("a folder cannot be made in move_to", error);
    let mut folder = target.folder("".as_ref()).map_err(failed)?;
    let mut so_far = std::path::PathBuf::new();
    for step in path.components() {
        let step = step.as_os_str();
        so_far.push(step);
        folder = match target.folder(&so_far) {
            Ok(there) => there,
            Err(OpenError::Gone) => {
                let source = root.folder(&so_far).map_err(failed)?;
                let mode = hand::mode(&source).map_err(|error| failed(error.into()))?;
                hand::make_folder(&folder, step, mode).map_err(|error| failed(error.into()))?;
                target.folder(&so_far).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
    }
    Ok(folder)
}

enum Copied {
    Whole,
    /// It changed while it was read.
    Changed,
    /// It did not, and still is not what is in the table.
    Other,
    Stopped,
}

/// Copies the file to a name that nobody looks at, whole and synced, or not at all.
///
/// Crash window: until the copy has its own name the source is untouched; what was begun is removed by the next try.
fn copy(
    work: &Work<'_>,
    from: &Folder,
    to: &Folder,
    part: &OsStr,
    content: Content,
) -> Result<Copied, String> {
    witness::forget(to, part)
        .map_err(|error| hand::failed("a part of a copy cannot be removed", error))?;
    let copied = copy_into(work, from, to, part, content);
    if !matches!(copied, Ok(Copied::Whole)) {
        // the next try removes what stays
        let _ = hand::delete(to, part);
    }
    copied
}

fn copy_into(
    work: &Work<'_>,
    from: &Folder,
    to: &Folder,
    part: &OsStr,
    content: Content,
) -> Result<Copied, String> {
    let mut source = match from.open_file(work.name()) {
        Ok(open) if open.seen.is_version(&work.job.seen) => open.file,
        Ok(_) | Err(OpenError::Gone | OpenError::NotAFile(_)) => return Ok(Copied::Changed),
        Err(error) => return Err(hand::failed("the file cannot be read", error)),
    };
    let mut copy = hand::create(to, part)
        .map_err(|error| hand::failed("the file cannot be copied into move_to", error))?;
    let (mut sum, mut block, mut size) = (Sum::new(), vec![0; BLOCK], 0_u64);
    let copying = |error| {
        hand::failed(
            "the file cannot be copied into move_to",
            OpenError::Io(error),
        )
    };
    loop {
        if work.stop.is_cancelled() {
            return Ok(Copied::Stopped);
        }
        let read = match source.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(copying(error)),
        };
        sum.update(&block[..read]);
        copy.write_all(&block[..read]).map_err(copying)?;
        size += read as u64;
        if size.is_multiple_of(SYNCED) {
            copy.sync_data().map_err(copying)?;
        }
        pass(Point::AfterCopying);
    }
    let same = size == content.size && Md5(sum.finalize().into()) == content.md5;
    if !same || !is_still(&source, &work.job.seen).map_err(copying)? {
        let changed = !is_still(&source, &work.job.seen).map_err(copying)?;
        return Ok(if changed {
            Copied::Changed
        } else {
            Copied::Other
        });
    }
    keep_times_and_permissions(&source, &copy).map_err(copying)?;
    copy.sync_all().map_err(copying)?;
    Ok(Copied::Whole)
}

fn is_still(file: &File, seen: &Fingerprint) -> std::io::Result<bool> {
    Ok(fingerprint(file)?.0.is_version(seen))
}

fn keep_times_and_permissions(source: &File, copy: &File) -> std::io::Result<()> {
    let about = source.metadata()?;
    // without the set-id bits, which would lend the rights of another owner
    let mode = about.mode() & 0o777;
    copy.set_permissions(std::fs::Permissions::from_mode(mode))?;
    let times = FileTimes::new()
        .set_accessed(about.accessed()?)
        .set_modified(about.modified()?);
    copy.set_times(times)
}
