//! Between a job and its row.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Row, params};

use crate::job::{
    Awake, ByteOffset, Fingerprint, HashState, Intent, Job, JobId, Kind, Md5, Moment, ParkReason,
    Progress, RemoteId, Reservation, SessionUrl, State, StateName, Sums, TempUploadId, TempUrl,
    Troubles, WatchName,
};

/// Milliseconds since 1970, as the journal stores times.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A stored time. One out of range says that the row is damaged.
pub(super) fn time(millis: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|error| broken("a time", error))
}

/// A column that may hold a time.
pub(super) fn time_or_null(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(time).transpose()
}

/// A path is bytes.
pub(super) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(super) fn path(row: &Row<'_>) -> rusqlite::Result<PathBuf> {
    Ok(OsString::from_vec(row.get("path")?).into())
}

/// Device and inode numbers use all 64 bits; `SQLite` has a sign. Stored bit for bit.
pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// Sizes and offsets: 0 ..= 2⁶³−1, which no file system exceeds.
pub(super) fn stored_size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn size(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let bytes: i64 = row.get(column)?;
    u64::try_from(bytes).map_err(|error| broken(column, error))
}

fn broken(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    tracing::error!(what, "a row of the journal cannot be read");
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, Box::new(error))
}

/// A word that this program does not know: written by another version, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("unknown {0} in the journal")]
struct Unknown(&'static str);

/// Every column that a job is made of.
pub(super) const JOB_COLUMNS: &str = "id, watch, path, remote_name, table_ref, kind, dev, ino, size, \
     mtime_ns, ctime_ns, state, temp_id, temp_url, resumable, reserved_at, session_url, session_at, \
     session_boot, session_awake, absent_boot, absent_awake, \
     confirmed, bound, hash_state, crc32c, md5, intent, intended_at, remote_id, reason, attempts, \
     failing_since, sessions_lost, corrupted";

/// Reads a job.
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: JobId(row.get("id")?),
        watch: WatchName::new(row.get::<_, String>("watch")?),
        path: path(row)?,
        remote_name: row.get("remote_name")?,
        table: row.get("table_ref")?,
        kind: kind(row)?,
        seen: fingerprint(row)?,
        state: state(row)?,
        attempts: row.get("attempts")?,
        failing_since: time_or_null(row, "failing_since")?,
        troubles: Troubles {
            sessions_lost: row.get("sessions_lost")?,
            corrupted: row.get("corrupted")?,
        },
    })
}

pub(super) fn fingerprint(row: &Row<'_>) -> rusqlite::Result<Fingerprint> {
    Ok(Fingerprint {
        dev: row.get::<_, i64>("dev")?.cast_unsigned(),
        ino: row.get::<_, i64>("ino")?.cast_unsigned(),
        size: size(row, "size")?,
        mtime_ns: row.get("mtime_ns")?,
        ctime_ns: row.get("ctime_ns")?,
    })
}

pub(super) fn kind(row: &Row<'_>) -> rusqlite::Result<Kind> {
    Kind::parse(&row.get::<_, String>("kind")?).ok_or_else(|| broken("kind", Unknown("kind")))
}

pub(super) fn state_name(row: &Row<'_>) -> rusqlite::Result<StateName> {
    StateName::parse(&row.get::<_, String>("state")?)
        .ok_or_else(|| broken("state", Unknown("state")))
}

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(match state_name(row)? {
        StateName::Queued => State::Queued,
        StateName::Reserved => State::Reserved(reservation(row)?),
        StateName::Uploading => State::Uploading(reservation(row)?, progress(row)?),
        StateName::Uploaded => State::Uploaded(temp_id(row)?, sums(row)?),
        StateName::Registering => State::Registering(intent(row)?),
        StateName::Importing => State::Importing(remote_id(row)?, sums(row)?),
        StateName::Registered => State::Registered(remote_id(row)?, sums(row)?),
        StateName::Done => State::Done(remote_id(row)?, sums(row)?),
        StateName::Parked => {
            let reason = ParkReason::from_code(&row.get::<_, String>("reason")?)
                .ok_or_else(|| broken("reason", Unknown("reason")))?;
            let unresolved = row.get::<_, Option<i64>>("intent")?.is_some();
            State::Parked(reason, unresolved.then(|| intent(row)).transpose()?)
        }
        StateName::Superseded => State::Superseded,
        StateName::Missing => State::Missing,
    })
}

fn temp_id(row: &Row<'_>) -> rusqlite::Result<TempUploadId> {
    row.get::<_, String>("temp_id").map(TempUploadId::new)
}

fn remote_id(row: &Row<'_>) -> rusqlite::Result<RemoteId> {
    row.get::<_, String>("remote_id").map(RemoteId::new)
}

fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    Ok(Reservation {
        temp: temp_id(row)?,
        url: TempUrl::new(row.get::<_, String>("temp_url")?),
        resumable: row.get("resumable")?,
        at: time(row.get("reserved_at")?)?,
    })
}

fn progress(row: &Row<'_>) -> rusqlite::Result<Progress> {
    Ok(Progress {
        session: SessionUrl::new(row.get::<_, String>("session_url")?),
        opened: opened(row)?,
        confirmed: ByteOffset::new(size(row, "confirmed")?),
        bound: ByteOffset::new(size(row, "bound")?),
        hash: HashState(row.get("hash_state")?),
    })
}

fn opened(row: &Row<'_>) -> rusqlite::Result<Moment> {
    let at = time(row.get("session_at")?)?;
    let awake = awake(row, "session_boot", "session_awake")?;
    Ok(Moment { at, awake })
}

fn awake(row: &Row<'_>, boot: &str, millis: &str) -> rusqlite::Result<Option<Awake>> {
    let boot: Option<String> = row.get(boot)?;
    let millis = row.get::<_, Option<i64>>(millis)?;
    Ok(boot.zip(millis).map(|(boot, millis)| Awake {
        boot,
        millis: millis.unsigned_abs(),
    }))
}

/// Columns that may hold a moment.
pub(super) fn moment_or_null(
    row: &Row<'_>,
    at: &str,
    boot: &str,
    millis: &str,
) -> rusqlite::Result<Option<Moment>> {
    let at = time_or_null(row, at)?;
    let awake = awake(row, boot, millis)?;
    Ok(at.map(|at| Moment { at, awake }))
}

fn sums(row: &Row<'_>) -> rusqlite::Result<Sums> {
    Ok(Sums {
        crc32c: row.get("crc32c")?,
        md5: row.get::<_, Option<[u8; 16]>>("md5")?.map(Md5),
    })
}

fn intent(row: &Row<'_>) -> rusqlite::Result<Intent> {
    Ok(Intent {
        temp: temp_id(row)?,
        sums: sums(row)?,
        attempt: row.get("intent")?,
        at: time(row.get("intended_at")?)?,
        absent: awake(row, "absent_boot", "absent_awake")?,
    })
}

/// The columns that belong to a state; those of other states are NULL.
#[derive(Default)]
struct StateColumns<'a> {
    temp_id: Option<&'a str>,
    reservation: Option<&'a Reservation>,
    progress: Option<&'a Progress>,
    sums: Option<Sums>,
    intent: Option<&'a Intent>,
    remote_id: Option<&'a str>,
    reason: Option<ParkReason>,
}

impl<'a> StateColumns<'a> {
    fn of(state: &'a State) -> Self {
        let none = Self::default();
        match state {
            State::Queued | State::Superseded | State::Missing => none,
            State::Reserved(reservation) => {
                let temp_id = Some(reservation.temp.as_str());
                Self {
                    temp_id,
                    reservation: Some(reservation),
                    ..none
                }
            }
            State::Uploading(reservation, progress) => {
                let temp_id = Some(reservation.temp.as_str());
                Self {
                    temp_id,
                    reservation: Some(reservation),
                    progress: Some(progress),
                    ..none
                }
            }
            State::Uploaded(temp, sums) => Self {
                temp_id: Some(temp.as_str()),
                sums: Some(*sums),
                ..none
            },
            State::Registering(intent) => Self::of_intent(intent),
            State::Importing(remote, sums)
            | State::Registered(remote, sums)
            | State::Done(remote, sums) => Self {
                remote_id: Some(remote.as_str()),
                sums: Some(*sums),
                ..none
            },
            State::Parked(reason, intent) => {
                let columns = intent.as_ref().map_or(none, Self::of_intent);
                Self {
                    reason: Some(*reason),
                    ..columns
                }
            }
        }
    }

    fn of_intent(intent: &'a Intent) -> Self {
        Self {
            temp_id: Some(intent.temp.as_str()),
            sums: Some(intent.sums),
            intent: Some(intent),
            ..Self::default()
        }
    }
}

/// What a record writes besides the state.
pub(super) struct Standing<'a> {
    pub id: JobId,
    pub expected: StateName,
    pub attempts: u32,
    pub failing_since: Option<Timestamp>,
    pub next_attempt_at: Option<Timestamp>,
    pub error: Option<&'a str>,
    pub troubles: Troubles,
    pub claimed: bool,
    pub now: Timestamp,
}

/// Its parameters go by position: looking up two dozen names takes as long as the update.
const UPDATE: &str = "UPDATE jobs SET state = ?3, temp_id = ?4, temp_url = ?5, resumable = ?6, \
     reserved_at = ?7, session_url = ?8, session_at = ?9, confirmed = ?10, bound = ?11, \
     hash_state = ?12, crc32c = ?13, md5 = ?14, intent = ?15, intended_at = ?16, remote_id = ?17, \
     reason = ?18, attempts = ?19, failing_since = ?20, next_attempt_at = ?21, error = ?22, \
     sessions_lost = ?23, corrupted = ?24, claimed = ?25, finished_at = ?26, \
     session_boot = ?28, session_awake = ?29, absent_boot = ?30, absent_awake = ?31, \
     crashes = iif(?27 OR confirmed < ?10, 0, crashes) WHERE id = ?1 AND state = ?2";

/// Whether a move shows that a job does not bring the daemon down: it came further than ever, or was
/// given back by a daemon that lived on. Going back and repeating what was done before shows nothing.
fn shows_life(state: &State, standing: &Standing<'_>) -> bool {
    let stored_now = || !matches!(standing.expected, StateName::Registering);
    match state.name() {
        StateName::Importing | StateName::Registered | StateName::Done => true,
        StateName::Uploaded => stored_now(),
        StateName::Registering => stored_now() && standing.expected != StateName::Uploaded,
        _ => !standing.claimed,
    }
}

/// Writes the state and the standing of a job that is in the expected state.
/// Returns whether it was.
pub(super) fn update(
    connection: &rusqlite::Connection,
    state: &State,
    standing: &Standing<'_>,
) -> rusqlite::Result<bool> {
    let columns = StateColumns::of(state);
    let is_final = state.name().is_final();
    let Standing { id, expected, .. } = standing;
    let awake = columns.progress.and_then(|p| p.opened.awake.as_ref());
    let absent = columns.intent.and_then(|intent| intent.absent.as_ref());
    let changed = connection.prepare_cached(UPDATE)?.execute(params![
        id.0,
        expected.as_str(),
        state.name().as_str(),
        columns.temp_id,
        columns.reservation.map(|r| r.url.expose()),
        columns.reservation.map(|r| r.resumable),
        columns.reservation.map(|r| millis(r.at)),
        columns.progress.map(|p| p.session.expose()),
        columns.progress.map(|p| millis(p.opened.at)),
        columns.progress.map(|p| stored_size(p.confirmed.get())),
        columns.progress.map(|p| stored_size(p.bound.get())),
        columns.progress.map(|p| p.hash.0.as_slice()),
        columns.sums.map(|s| s.crc32c),
        columns.sums.and_then(|s| s.md5).map(|md5| md5.0),
        columns.intent.map(|i| i.attempt),
        columns.intent.map(|i| millis(i.at)),
        columns.remote_id,
        columns.reason.map(ParkReason::code),
        standing.attempts,
        standing.failing_since.map(millis),
        standing.next_attempt_at.map_or(0, millis),
        standing.error,
        standing.troubles.sessions_lost,
        standing.troubles.corrupted,
        standing.claimed && !is_final,
        is_final.then(|| millis(standing.now)),
        shows_life(state, standing),
        awake.map(|awake| &awake.boot),
        awake.map(|awake| stored_size(awake.millis)),
        absent.map(|absent| &absent.boot),
        absent.map(|absent| stored_size(absent.millis)),
    ])?;
    Ok(changed == 1)
}
