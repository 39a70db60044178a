//! A name in the new folder: the file's own, or one with a number if that is taken by other content.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use md5::{Digest as _, Md5 as Sum};
use rustix::io::Errno;

use super::hand;
use crate::beneath::{Folder, OpenError};
use crate::job::Md5;

/// Names that are tried.
const MOST: u32 = 10_000;
/// Bytes read at a time.
pub(super) const BLOCK: usize = 256 * 1024;

/// What a file must be to be the one that is in the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub size: u64,
    pub md5: Md5,
}

/// Where a file may go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing has this name.
    Free(OsString),
    /// The same content lies there already, safe on its disk.
    Same(OsString),
}

/// The first name that is free, unless one before it has the same content.
pub(super) fn find(folder: &Folder, name: &OsStr, content: Content) -> Result<Place, String> {
    for number in 0..MOST {
        let name = numbered(name, number);
        match folder.stat(&name) {
            Err(OpenError::Gone) => return Ok(Place::Free(name)),
            Ok((seen, _)) if seen.size == content.size => match is_same(folder, &name, content) {
                Ok(true) => return Ok(Place::Same(name)),
                Ok(false) => {}
                Err(error) => return Err(hand::failed("a file in move_to cannot be read", error)),
            },
            // whatever it is, it has the name
            Ok(_) | Err(OpenError::NotAFile(_)) => {}
            Err(error) => return Err(hand::failed("move_to cannot be looked at", error)),
        }
    }
    Err(format!("{MOST} files of this name lie in move_to already"))
}

/// Gives a file in this folder its name. `None`: the same content lay there already, and the file lost its private name.
/// The caller knows that `private` is that content, or the very file.
pub(super) fn settle(
    folder: &Folder,
    private: &OsStr,
    name: &OsStr,
    content: Content,
) -> Result<OsString, String> {
    loop {
        match find(folder, name, content)? {
            Place::Same(name) => {
                hand::delete(folder, private)
                    .map_err(|error| hand::failed("a private name cannot be taken away", error))?;
                return Ok(name);
            }
            Place::Free(name) => match hand::rename(folder, private, folder, &name) {
                Ok(()) => return Ok(name),
                // somebody was faster
                Err(Errno::EXIST) => {}
                Err(error) => return Err(hand::failed("a file cannot be named in move_to", error)),
            },
        }
    }
}

/// Whether a file has this content, and has it on its disk.
pub(super) fn is_same(folder: &Folder, name: &OsStr, content: Content) -> Result<bool, OpenError> {
    let mut open = match folder.open_file(name) {
        Err(OpenError::Gone | OpenError::NotAFile(_)) => return Ok(false),
        other => other?,
    };
    let (mut sum, mut block, mut size) = (Sum::new(), vec![0; BLOCK], 0_u64);
    loop {
        let read = match open.file.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(OpenError::Io(error)),
        };
        sum.update(&block[..read]);
        size += read as u64;
    }
    let same = size == content.size && Md5(sum.finalize().into()) == content.md5;
    if same {
        open.file.sync_all().map_err(OpenError::Io)?;
    }
    Ok(same)
}

/// `reads.csv`, `reads-1.csv`, `reads-2.csv` …
pub(super) fn numbered(name: &OsStr, number: u32) -> OsString {
    if number == 0 {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    // a dot in front is no ending
    let dot = bytes
        .iter()
        .rposition(|byte| *byte == b'.')
        .filter(|at| *at > 0);
    let (stem, ending) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let number = format!("-{number}");
    OsString::from_vec([stem, number.as_bytes(), ending].concat())
}
