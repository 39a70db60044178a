-- Jobs, their history, and how the daemon and its watches are doing.
-- Times are milliseconds since 1970, UTC. Paths are bytes. Numbers of 64 bits without a sign
-- (device, inode) are stored bit for bit.

CREATE TABLE jobs (
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

    state           TEXT    NOT NULL CHECK (state IN (
        'queued', 'reserved', 'uploading', 'uploaded', 'registering',
        'registered', 'done', 'parked', 'superseded', 'missing')),
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
    confirmed       INTEGER,
    bound           INTEGER,
    hash_state      BLOB,

    -- from uploaded on
    crc32c          INTEGER,
    md5             BLOB    CHECK (length(md5) = 16),

    -- registering
    intent          INTEGER CHECK (intent > 0),
    intended_at     INTEGER,

    remote_id       TEXT,
    reason          TEXT,

    -- troubles since the last progress, and for ever
    attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    failing_since   INTEGER,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    error           TEXT,
    sessions_lost   INTEGER NOT NULL DEFAULT 0,
    corrupted       INTEGER NOT NULL DEFAULT 0,

    created_at      INTEGER NOT NULL,
    finished_at     INTEGER,

    UNIQUE (watch, path, dev, ino, size, mtime_ns, ctime_ns),

    CHECK ((state IN ('reserved', 'uploading')) = (temp_url IS NOT NULL)),
    CHECK ((temp_url IS NULL) = (reserved_at IS NULL) AND (temp_url IS NULL) = (resumable IS NULL)),
    CHECK (temp_id IS NOT NULL OR state NOT IN ('reserved', 'uploading', 'uploaded', 'registering')),
    CHECK ((state = 'uploading') = (session_url IS NOT NULL)),
    CHECK ((session_url IS NULL) = (session_at IS NULL)
        AND (session_url IS NULL) = (confirmed IS NULL)
        AND (session_url IS NULL) = (bound IS NULL)
        AND (session_url IS NULL) = (hash_state IS NULL)),
    CHECK (confirmed BETWEEN 0 AND bound AND bound <= size),
    CHECK (crc32c IS NOT NULL OR state NOT IN ('uploaded', 'registering', 'registered', 'done')),
    CHECK ((intent IS NULL) = (intended_at IS NULL)),
    CHECK (intent IS NOT NULL OR state <> 'registering'),
    CHECK (intent IS NULL OR state IN ('registering', 'parked')),
    CHECK ((state IN ('registered', 'done')) = (remote_id IS NOT NULL)),
    CHECK ((state = 'parked') = (reason IS NOT NULL)),
    CHECK ((state IN ('done', 'parked', 'superseded', 'missing')) = (finished_at IS NOT NULL)),
    CHECK (claimed = 0 OR finished_at IS NULL)
) STRICT;

-- the claims ask for these, in this order
CREATE INDEX jobs_queued ON jobs (next_attempt_at, id)
    WHERE claimed = 0 AND state = 'queued';
CREATE INDEX jobs_interrupted ON jobs (next_attempt_at, id)
    WHERE claimed = 0 AND state IN ('reserved', 'uploading');
CREATE INDEX jobs_stored ON jobs (next_attempt_at, id)
    WHERE claimed = 0 AND state IN ('uploaded', 'registering', 'registered');

-- what happened to each job; never changed, never read by the engine
CREATE TABLE history (
    job   INTEGER NOT NULL REFERENCES jobs (id),
    at    INTEGER NOT NULL,
    state TEXT    NOT NULL,
    note  TEXT
) STRICT;
CREATE INDEX history_by_job ON history (job);

-- how each watch is doing, as it last said
CREATE TABLE watches (
    name         TEXT    PRIMARY KEY,
    path         BLOB    NOT NULL,
    table_ref    TEXT    NOT NULL,
    mode         TEXT    NOT NULL,
    mode_reason  TEXT    NOT NULL,
    settling     INTEGER NOT NULL DEFAULT 0,
    overflows    INTEGER NOT NULL DEFAULT 0,
    last_scan_at INTEGER,
    error        TEXT
) STRICT;

-- how the daemon is doing, as it last said; one row
CREATE TABLE daemon (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    pid             INTEGER NOT NULL,
    version         TEXT    NOT NULL,
    since           INTEGER NOT NULL,
    account_state   TEXT    NOT NULL DEFAULT 'ok',
    account_reason  TEXT    NOT NULL DEFAULT '',
    throttled_until INTEGER,
    budget_left     INTEGER,
    -- bytes a second, lately
    rate            INTEGER NOT NULL DEFAULT 0
) STRICT;
