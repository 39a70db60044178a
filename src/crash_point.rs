//! Moments at which a debug build can be told to die, for the test that kills the daemon over and over.
//!
//! `REDIVIS_DROP_CRASH_AT=chunk-answered:3` ends the process by SIGKILL, not an instruction later, when it
//! passes that point for the third time. The points lie around everything that is made durable and
//! around every request, so that each window between the two can be hit on purpose.
//!
//! A release build has none of this: what is called from other rooms is empty there.

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A moment to die at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        #[cfg(debug_assertions)]
        impl Point {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Whether it lies around an after-action, which no run passes that keeps its files.
            pub fn is_of_after_actions(self) -> bool {
                self.name().starts_with("after-")
            }

            /// Whether it lies around the making of a next version, which no run passes whose datasets have one.
            pub fn is_of_next_versions(self) -> bool {
                self.name().starts_with("next-version-")
            }

            /// How the environment names it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

points! {
    /// The journal is locked, and may be an empty file.
    OpenLocked = "open-locked",
    /// A new one is marked as ours, and has nothing else.
    OpenMarked = "open-marked",
    /// It is in WAL mode; a new one has no tables.
    OpenWal = "open-wal",
    /// It has its tables; what the one before had claimed still is.
    OpenMigrated = "open-migrated",
    /// Nothing is claimed any more.
    OpenUnclaimed = "open-unclaimed",
    /// The writer took work off its queue; nothing of it is written.
    GroupTaken = "group-taken",
    /// Whoever waited for the commit knows of it.
    GroupAnswered = "group-answered",

    // `written`: in the transaction, which is not committed. `committed`: durable, and nobody knows.
    /// The daemon's own row; parked jobs are tried again.
    BeginWritten = "begin-written",
    /// The same, durable.
    BeginCommitted = "begin-committed",
    /// New jobs.
    EnqueueWritten = "enqueue-written",
    /// The same, durable.
    EnqueueCommitted = "enqueue-committed",
    /// Jobs for the engine.
    ClaimWritten = "claim-written",
    /// The same, durable.
    ClaimCommitted = "claim-committed",
    /// W1: the temporary upload, before it is used.
    ReserveWritten = "reserve-written",
    /// The same, durable.
    ReserveCommitted = "reserve-committed",
    /// W2: the session, before its first byte.
    SessionWritten = "session-written",
    /// The same, durable.
    SessionCommitted = "session-committed",
    /// W3: how far the server is.
    ConfirmWritten = "confirm-written",
    /// The same, durable.
    ConfirmCommitted = "confirm-committed",
    /// W4: all bytes are stored; of large files, which have it to themselves.
    StoreWritten = "store-written",
    /// The same, durable.
    StoreCommitted = "store-committed",
    /// W5, and W4 of small files: the intent to register.
    IntendWritten = "intend-written",
    /// The same, durable.
    IntendCommitted = "intend-committed",
    /// W6, and W7 too while the source is kept: it is in the table.
    RegisterWritten = "register-written",
    /// The same, durable.
    RegisterCommitted = "register-committed",
    /// Redivis has taken an upload in, and imports it.
    ImportWritten = "import-written",
    /// The same, durable.
    ImportCommitted = "import-committed",
    /// A registration that certainly was not made.
    WithdrawWritten = "withdraw-written",
    /// The same, durable.
    WithdrawCommitted = "withdraw-committed",
    /// A failure: the job may go on later.
    GiveBackWritten = "give-back-written",
    /// The same, durable.
    GiveBackCommitted = "give-back-committed",

    // `before`: nothing is sent. `answered`: the answer is here, and nowhere recorded.
    /// `POST tempUploads`.
    TempUploadsBefore = "temp-uploads-before",
    /// The same, answered.
    TempUploadsAnswered = "temp-uploads-answered",
    /// A whole file.
    PutBefore = "put-before",
    /// The same, answered.
    PutAnswered = "put-answered",
    /// The start of a session.
    StartBefore = "start-before",
    /// The same, answered.
    StartAnswered = "start-answered",
    /// A part of a file.
    ChunkBefore = "chunk-before",
    /// The same, answered.
    ChunkAnswered = "chunk-answered",
    /// The question how far a session is.
    QueryBefore = "query-before",
    /// The same, answered.
    QueryAnswered = "query-answered",
    /// `POST rawFiles`: the step that must not be repeated blindly.
    RawFilesBefore = "raw-files-before",
    /// The same, answered.
    RawFilesAnswered = "raw-files-answered",
    /// `POST uploads`: as `POST rawFiles`, for rows.
    UploadsBefore = "uploads-before",
    /// The same, answered.
    UploadsAnswered = "uploads-answered",
    /// The uploads of a table: how far its imports are, and registrations whose answer is not known.
    ListUploadsBefore = "list-uploads-before",
    /// The same, answered.
    ListUploadsAnswered = "list-uploads-answered",
    // What an after-action does on the disk: it is done, and nothing of that is recorded.
    /// What is to be done with files.
    AfterIntendWritten = "after-intend-written",
    /// The same, durable.
    AfterIntendCommitted = "after-intend-committed",
    /// A file that is to be deleted has its private name.
    AfterAside = "after-aside",
    /// It is deleted.
    AfterDeleted = "after-deleted",
    /// A file that is moved lies in its new folder under its private name.
    AfterCarried = "after-carried",
    /// Its copy on another file system is begun, and not whole.
    AfterCopying = "after-copying",
    /// The copy is whole and synced, and has no name of its own.
    AfterCopied = "after-copied",
    /// The file, or the copy, has its name in the new folder.
    AfterNamed = "after-named",
    /// All is done and synced.
    AfterSynced = "after-synced",
    /// What became of files.
    AfterDoneWritten = "after-done-written",
    /// The same, durable.
    AfterDoneCommitted = "after-done-committed",

    /// That the next version of a dataset is about to be made.
    NextVersionIntendWritten = "next-version-intend-written",
    /// The same, durable.
    NextVersionIntendCommitted = "next-version-intend-committed",
    /// `POST versions`.
    NextVersionBefore = "next-version-before",
    /// The same, answered.
    NextVersionAnswered = "next-version-answered",
    /// What became of that.
    NextVersionDoneWritten = "next-version-done-written",
    /// The same, durable.
    NextVersionDoneCommitted = "next-version-done-committed",

    /// The table's listing, for registrations whose answer is not known.
    ListBefore = "list-before",
    /// The same, answered.
    ListAnswered = "list-answered",
}

/// Something that becomes durable: the points before and after its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write(Point, Point);

impl Write {
    /// The daemon's own row.
    pub const BEGIN: Self = Self(Point::BeginWritten, Point::BeginCommitted);
    /// New jobs.
    pub const ENQUEUE: Self = Self(Point::EnqueueWritten, Point::EnqueueCommitted);
    /// Jobs for the engine.
    pub const CLAIM: Self = Self(Point::ClaimWritten, Point::ClaimCommitted);
    /// W1.
    pub const RESERVE: Self = Self(Point::ReserveWritten, Point::ReserveCommitted);
    /// W2.
    pub const SESSION: Self = Self(Point::SessionWritten, Point::SessionCommitted);
    /// W3.
    pub const CONFIRM: Self = Self(Point::ConfirmWritten, Point::ConfirmCommitted);
    /// W4.
    pub const STORE: Self = Self(Point::StoreWritten, Point::StoreCommitted);
    /// W5.
    pub const INTEND: Self = Self(Point::IntendWritten, Point::IntendCommitted);
    /// W6 and W7.
    pub const REGISTER: Self = Self(Point::RegisterWritten, Point::RegisterCommitted);
    /// An upload that Redivis imports.
    pub const IMPORT: Self = Self(Point::ImportWritten, Point::ImportCommitted);
    /// A registration that was not made.
    pub const WITHDRAW: Self = Self(Point::WithdrawWritten, Point::WithdrawCommitted);
    /// What is to be done with files that are in their table.
    pub const AFTER_INTEND: Self = Self(Point::AfterIntendWritten, Point::AfterIntendCommitted);
    /// W7, for them.
    pub const AFTER_DONE: Self = Self(Point::AfterDoneWritten, Point::AfterDoneCommitted);
    /// That the next version of a dataset is about to be made.
    pub const NEXT_VERSION_INTEND: Self = Self(
        Point::NextVersionIntendWritten,
        Point::NextVersionIntendCommitted,
    );
    /// What became of that.
    pub const NEXT_VERSION_DONE: Self = Self(
        Point::NextVersionDoneWritten,
        Point::NextVersionDoneCommitted,
    );
    /// A failure.
    pub const GIVE_BACK: Self = Self(Point::GiveBackWritten, Point::GiveBackCommitted);
}

/// A request: the points before it is sent and after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call(Point, Point);

impl Call {
    /// `POST tempUploads`.
    pub const TEMP_UPLOADS: Self = Self(Point::TempUploadsBefore, Point::TempUploadsAnswered);
    /// A whole file.
    pub const PUT: Self = Self(Point::PutBefore, Point::PutAnswered);
    /// The start of a session.
    pub const START: Self = Self(Point::StartBefore, Point::StartAnswered);
    /// A part of a file.
    pub const CHUNK: Self = Self(Point::ChunkBefore, Point::ChunkAnswered);
    /// How far a session is.
    pub const QUERY: Self = Self(Point::QueryBefore, Point::QueryAnswered);
    /// `POST rawFiles`.
    pub const RAW_FILES: Self = Self(Point::RawFilesBefore, Point::RawFilesAnswered);
    /// `POST uploads`.
    pub const UPLOADS: Self = Self(Point::UploadsBefore, Point::UploadsAnswered);
    /// A table's uploads.
    pub const LIST_UPLOADS: Self = Self(Point::ListUploadsBefore, Point::ListUploadsAnswered);
    /// The table's listing.
    pub const LIST: Self = Self(Point::ListBefore, Point::ListAnswered);

    /// `POST versions`.
    pub const NEXT_VERSION: Self = Self(Point::NextVersionBefore, Point::NextVersionAnswered);

    /// It is about to be sent.
    pub fn before(self) {
        pass(self.0);
    }

    /// Its answer is here, or is known to be lost.
    pub fn answered(self) {
        pass(self.1);
    }
}

#[cfg(debug_assertions)]
pub use armed::{ARMED_BY, after_commit, arm, before_commit, pass, writing};
#[cfg(not(debug_assertions))]
pub use harmless::{after_commit, before_commit, pass, writing};

#[cfg(debug_assertions)]
mod armed {
    use std::cell::RefCell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::{Point, Write};

    /// The environment variable with the point and the passage, as in `chunk-answered:3`.
    pub const ARMED_BY: &str = "REDIVIS_DROP_CRASH_AT";

    /// Before it dies in an open transaction, as if the disk were slow: whoever was told of it too early
    /// has time to act on it.
    const SLOW_DISK: Duration = Duration::from_millis(50);

    static ARMED: OnceLock<(Point, AtomicU32)> = OnceLock::new();

    thread_local! {
        /// What the open transaction of this thread holds.
        static WRITTEN: RefCell<Vec<Write>> = const { RefCell::new(Vec::new()) };
    }

    /// From now on the process dies at that point.
    ///
    /// # Errors
    /// A text that names no point or no passage.
    pub fn arm(at: &str) -> Result<(), String> {
        let wrong =
            || format!("{ARMED_BY}={at}: write a point and a passage, as in chunk-answered:3");
        let (name, count) = at.split_once(':').ok_or_else(wrong)?;
        let point = Point::ALL.iter().find(|point| point.name() == name);
        let point = *point.ok_or_else(wrong)?;
        let count: u32 = count.parse().map_err(|_| wrong())?;
        // the first one stands
        let _ = ARMED.set((point, AtomicU32::new(count)));
        Ok(())
    }

    /// Passes a point, perhaps.
    pub fn pass(point: Point) {
        if is_the_last(point) {
            die();
        }
    }

    fn is_the_last(point: Point) -> bool {
        ARMED.get().is_some_and(|(armed, left)| {
            *armed == point && left.fetch_sub(1, Ordering::Relaxed) == 1
        })
    }

    /// The open transaction holds this.
    pub fn writing(write: Write) {
        WRITTEN.with_borrow_mut(|written| {
            if !written.contains(&write) {
                written.push(write);
            }
        });
    }

    /// The transaction is about to be committed.
    pub fn before_commit() {
        WRITTEN.with_borrow(|written| {
            if written.iter().any(|write| is_the_last(write.0)) {
                thread::sleep(SLOW_DISK);
                die();
            }
        });
    }

    /// The transaction is committed, and nobody knows.
    pub fn after_commit() {
        WRITTEN.with_borrow_mut(|written| written.drain(..).for_each(|write| pass(write.1)));
    }

    fn die() -> ! {
        // it cannot fail, and does not return
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort()
    }
}

#[cfg(not(debug_assertions))]
mod harmless {
    use super::{Point, Write};

    /// Nothing, in a release build.
    #[inline]
    pub const fn pass(_: Point) {}

    /// Nothing, in a release build.
    #[inline]
    pub const fn writing(_: Write) {}

    /// Nothing, in a release build.
    #[inline]
    pub const fn before_commit() {}

    /// Nothing, in a release build.
    #[inline]
    pub const fn after_commit() {}
}
