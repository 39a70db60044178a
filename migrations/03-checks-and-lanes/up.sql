-- The table of jobs once more, with the same columns and rules. SQLite makes a scratch table for each list of more
-- than two words behind IN, at every insert and update: half of what a job cost. So these are spelled out.

CREATE TABLE new_jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    watch           TEXT    NOT NULL,
    path            BLOB    NOT NULL,
    remote_name     TEXT    NOT NULL,
    table_ref       TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('files', 'tabular')),

    -- which version of the file
    dev             INTEGER NOT NULL,
    ino             INTEGER NOT NULL,
    size            INTEGER NOT NULL CHECK (size >= 0),
    mtime_ns        INTEGER NOT NULL,
    ctime_ns        INTEGER NOT NULL,

    state           TEXT    NOT NULL CHECK (
        state = 'queued' OR state = 'reserved' OR state = 'uploading' OR state = 'uploaded'
        OR state = 'registering' OR state = 'registered' OR state = 'done' OR state = 'parked'
        OR state = 'superseded' OR state = 'missing'),
    -- 1: the running daemon works on it
    claimed         INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1)),

    -- reserved, uploading; the URLs are secrets and go when they are of no more use
    temp_id         TEXT,
    temp_url        TEXT,
    resumable       INTEGER CHECK (resumable IN (0, 1)),
    reserved_at     INTEGER,

    -- uploading
    session_url     TEXT,
    session_at      INTEGER,
    -- the same moment by a clock that is never set: which start of the machine, milliseconds since
    session_boot    TEXT,
    session_awake   INTEGER,
    confirmed       INTEGER,
    bound           INTEGER,
    hash_state      BLOB,

    -- from uploaded on
    crc32c          INTEGER,
    md5             BLOB    CHECK (length(md5) = 16),

    -- registering
    intent          INTEGER CHECK (intent > 0),
    intended_at     INTEGER,
    -- since when the table is known not to list it: which start of the machine, milliseconds since
    absent_boot     TEXT,
    absent_awake    INTEGER,

    remote_id       TEXT,
    reason          TEXT,

    -- troubles since the last progress, and for ever
    attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    failing_since   INTEGER,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    error           TEXT,
    sessions_lost   INTEGER NOT NULL DEFAULT 0,
    corrupted       INTEGER NOT NULL DEFAULT 0,
    -- in a row, without progress in between
    crashes         INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),

    created_at      INTEGER NOT NULL,
    finished_at     INTEGER,

    UNIQUE (watch, path, dev, ino, size, mtime_ns, ctime_ns),

    CHECK ((state IN ('reserved', 'uploading')) = (temp_url IS NOT NULL)),
    CHECK ((temp_url IS NULL) = (reserved_at IS NULL) AND (temp_url IS NULL) = (resumable IS NULL)),
    CHECK (temp_id IS NOT NULL OR NOT (state = 'reserved' OR state = 'uploading' OR state = 'uploaded'
        OR state = 'registering')),
    CHECK ((state = 'uploading') = (session_url IS NOT NULL)),
    CHECK ((session_url IS NULL) = (session_at IS NULL)
        AND (session_url IS NULL) = (confirmed IS NULL)
        AND (session_url IS NULL) = (bound IS NULL)
        AND (session_url IS NULL) = (hash_state IS NULL)),
    CHECK ((session_boot IS NULL) = (session_awake IS NULL)),
    CHECK (session_boot IS NULL OR session_url IS NOT NULL),
    CHECK (confirmed BETWEEN 0 AND bound AND bound <= size),
    CHECK (crc32c IS NOT NULL OR NOT (state = 'uploaded' OR state = 'registering' OR state = 'registered'
        OR state = 'done')),
    CHECK ((intent IS NULL) = (intended_at IS NULL)),
    CHECK ((absent_boot IS NULL) = (absent_awake IS NULL)),
    CHECK (absent_boot IS NULL OR intent IS NOT NULL),
    CHECK (intent IS NOT NULL OR state <> 'registering'),
    CHECK (intent IS NULL OR state IN ('registering', 'parked')),
    CHECK ((state IN ('registered', 'done')) = (remote_id IS NOT NULL)),
    CHECK ((state = 'parked') = (reason IS NOT NULL)),
    CHECK ((state = 'done' OR state = 'parked' OR state = 'superseded' OR state = 'missing')
        = (finished_at IS NOT NULL)),
    CHECK (claimed = 0 OR finished_at IS NULL)
) STRICT;

INSERT INTO new_jobs (id, watch, path, remote_name, table_ref, kind, dev, ino, size, mtime_ns, ctime_ns, state, claimed,
    temp_id, temp_url, resumable, reserved_at, session_url, session_at, confirmed, bound, hash_state, crc32c, md5,
    intent, intended_at, remote_id, reason, attempts, failing_since, next_attempt_at, error, sessions_lost,
    corrupted, crashes, created_at, finished_at)
SELECT id, watch, path, remote_name, table_ref, kind, dev, ino, size, mtime_ns, ctime_ns, state, claimed,
    temp_id, temp_url, resumable, reserved_at, session_url, session_at, confirmed, bound, hash_state, crc32c, md5,
    intent, intended_at, remote_id, reason, attempts, failing_since, next_attempt_at, error, sessions_lost,
    corrupted, crashes, created_at, finished_at
FROM jobs;

-- numbers are never given again
DELETE FROM sqlite_sequence WHERE name = 'new_jobs';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_jobs', seq FROM sqlite_sequence WHERE name = 'jobs';

DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

-- by watch, so that each can be served in its turn
CREATE INDEX jobs_queued ON jobs (watch, next_attempt_at, id)
    WHERE claimed = 0 AND state = 'queued';
CREATE INDEX jobs_interrupted ON jobs (watch, next_attempt_at, id)
    WHERE claimed = 0 AND (state = 'reserved' OR state = 'uploading');
CREATE INDEX jobs_stored ON jobs (watch, next_attempt_at, id)
    WHERE claimed = 0 AND (state = 'uploaded' OR state = 'registering' OR state = 'registered');

-- why the table of a watch takes nothing, if so
ALTER TABLE watches ADD COLUMN closed TEXT;
