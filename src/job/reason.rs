//! Why a job waits for a person.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// The reason code of a parked job. Codes are part of the JSON and are never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ParkReason {
            $($(#[$doc])* $name,)*
        }

        impl ParkReason {
            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The reason with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// The table refuses the file; the text is the server's.
    Refused = "refused",
    /// What the server stored was not what was sent, twice.
    Corrupted = "corrupted",
    /// Three upload sessions of this version ended before the upload was complete.
    SessionsLost = "sessions-lost",
    /// Registered, but with another size or md5 than ours: the remote copy is not ours.
    RemoteDiffers = "remote-differs",
    /// The table has another file of this name, and takes no second one or is to get none.
    Conflict = "conflict",
    /// The table has another file of this name, and the watch's policy is to leave it so.
    Skipped = "skipped",
    /// The link is too slow: an upload session ends before all bytes are sent.
    TooSlow = "too-slow",
    /// No progress for `retry.park_after`.
    GaveUp = "gave-up",
    /// The file has more than one name; `allow_hard_links` is off.
    HardLink = "hard-link",
    /// The daemon crashed again and again while it had the file in hand.
    CrashLoop = "crash-loop",
    /// The file may not be read.
    Unreadable = "unreadable",
    /// The path leads through a link or to something that is no regular file.
    NotAFile = "not-a-file",
    /// Another file goes by this name into the same table.
    NameCollision = "name-collision",
    /// Redivis could not import it; the text is Redivis' own.
    ImportFailed = "import-failed",
    /// A file without a byte has no rows to import; nothing was sent.
    EmptyFile = "empty-file",
    /// Imported, and no row came of it.
    NoRows = "no-rows",
    /// Redivis has taken it in, and nothing proves what came of it: its rows may be in the table.
    NotProven = "not-proven",
    /// The watch that this job belongs to is no longer configured.
    NoWatch = "no-watch",
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
