-- who has a name in a table, asked for each new job
CREATE INDEX jobs_by_name ON jobs (table_ref, remote_name);

-- When each drop folder was watched for the first time. Files that were last changed before that lay there already;
-- under `existing = "ignore"` the first complete scan writes them down, and nobody after it does.
CREATE TABLE baselines (
    id       INTEGER PRIMARY KEY,
    watch    TEXT    NOT NULL,
    path     BLOB    NOT NULL,
    -- nanoseconds since 1970, by the clock that files are stamped with
    began_ns INTEGER NOT NULL,
    done     INTEGER NOT NULL CHECK (done IN (0, 1)),
    UNIQUE (watch, path)
) STRICT;

-- the version of each file that is left where it lies
CREATE TABLE ignored (
    baseline INTEGER NOT NULL REFERENCES baselines (id),
    path     BLOB    NOT NULL,
    ino      INTEGER NOT NULL,
    size     INTEGER NOT NULL CHECK (size >= 0),
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    PRIMARY KEY (baseline, path)
) STRICT, WITHOUT ROWID;

-- the baseline that counts for a watch; none where everything is uploaded
ALTER TABLE watches ADD COLUMN baseline INTEGER REFERENCES baselines (id);

-- what was watched before there were baselines has had its first start
INSERT INTO baselines (watch, path, began_ns, done) SELECT name, path, 0, 1 FROM watches;
