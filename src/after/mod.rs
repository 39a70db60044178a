//! The only hand on users' files: moves or deletes what is in its table, and nothing else.
//!
//! ```text
//! registered, md5 equal → intent recorded → set aside, looked at again → deleted or moved → done
//! ```
//!
//! | File      | For                                                                     |
//! |-----------|-------------------------------------------------------------------------|
//! | `rounds`  | the loop of one watch: asks the ledger, has it done, tells the ledger   |
//! | `deed`    | one file: is it still that version, and what is done with it            |
//! | `resume`  | one that was interrupted: finished, put back, or begun anew             |
//! | `carry`   | moving: by a rename, or by a copy across file systems                   |
//! | `place`   | a name in the new folder: free, or taken by the same content            |
//! | `witness` | whether the new folder is the drop folder, mounted a second time         |
//! | `hand`    | renaming, deleting, syncing, by descriptors of folders                  |
//! | `check`   | whether it could be done, for `check`                                   |
//! | `ledger`  | what this room needs from the outside                                   |
//!
//! # Promises
//!
//! - Only a file whose job is in its table with the md5 of the bytes that were read here is touched, and only
//!   while it is exactly that version: size, both times and inode, through its folder's descriptor, no link followed.
//! - Nothing is ever overwritten.
//! - Whenever it is interrupted, the file is in the drop folder, or in `move_to`, or in both; doing it again ends with
//!   one. What lies under a private name is found again by the intent.
//! - What it cannot do now is tried again; what is no longer that version is left alone.
//!
//! # The window
//!
//! No call of Linux deletes "this name if it is still this file". So the file first gets a private name in the same
//! folder, which nobody else uses; it is looked at there, and only then it is deleted, or put back. What remains: somebody who
//! may write to the folder can put another file in the place of the private name, between that look and the next
//! call; then that file is what is deleted. And a program that has the file open still can write to it, unseen, after the
//! look; what it writes then is lost with the file, as if it had been deleted by hand. Settling is what keeps such
//! files from being uploaded at all.
//!
//! Blocks; never on the event loop. Never here: Redivis, the engine, the journal.

mod carry;
mod check;
mod deed;
mod emptied;
mod hand;
mod ledger;
mod place;
mod resume;
mod rounds;
#[cfg(test)]
mod tests;
mod witness;

pub use check::check;
pub use ledger::{Concluded, Ledger};
pub use rounds::{Orders, run};
