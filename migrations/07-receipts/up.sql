-- One receipt for each version of a file that came to be in a table: what it was, where it lay, and what stands for it
-- there. It is written with the move that says so, outlives its job, and nobody changes or removes it. A job that is
-- gone is remembered by it: its version is known, and its name is taken.

CREATE TABLE receipts (
    job           INTEGER PRIMARY KEY,
    watch         TEXT    NOT NULL,
    -- the drop folder of the watch at that time, if that is known
    root          BLOB,
    -- below it
    path          BLOB    NOT NULL,
    remote_name   TEXT    NOT NULL,
    table_ref     TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    remote_id     TEXT    NOT NULL,

    -- which version of the file
    dev           INTEGER NOT NULL,
    ino           INTEGER NOT NULL,
    size          INTEGER NOT NULL CHECK (size >= 0),
    mtime_ns      INTEGER NOT NULL,
    ctime_ns      INTEGER NOT NULL,
    -- NULL only where its CRC32C was proof enough
    md5           BLOB    CHECK (length(md5) = 16),

    -- when the file had settled, and when its table had it
    created_at    INTEGER NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- what is in a table already has its receipt from now on
INSERT INTO receipts (job, watch, root, path, remote_name, table_ref, kind, remote_id, dev, ino, size, mtime_ns, ctime_ns,
    md5, created_at, registered_at)
SELECT jobs.id, jobs.watch, watches.path, jobs.path, remote_name, jobs.table_ref, kind, remote_id, dev, ino, size, mtime_ns,
    ctime_ns, md5, created_at, coalesce(
        (SELECT min(at) FROM history WHERE job = jobs.id AND (history.state = 'registered' OR history.state = 'done')),
        finished_at, created_at)
FROM jobs LEFT JOIN watches ON watches.name = jobs.watch
WHERE remote_id IS NOT NULL;

CREATE TRIGGER receipts_stay_as_they_are BEFORE UPDATE ON receipts
BEGIN SELECT raise(ABORT, 'a receipt is never changed'); END;
CREATE TRIGGER receipts_stay BEFORE DELETE ON receipts
BEGIN SELECT raise(ABORT, 'a receipt is never removed'); END;

-- is this version known, and who has the name in a table: as of jobs
CREATE INDEX receipts_by_path ON receipts (watch, path, ino, size, mtime_ns, ctime_ns);
CREATE INDEX receipts_by_name ON receipts (table_ref, remote_name);

-- the oldest jobs that have ended, for those who make room
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL AND state <> 'parked';
