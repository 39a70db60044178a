-- What Redivis has taken in to import of each job, until it is proven to be in its table. A job that is set apart keeps
-- neither the address nor the md5; here they stay, so that the same content is not sent once more: also when the job
-- has gone to another table since, or is no more.
CREATE TABLE imports (
    job         INTEGER NOT NULL,
    table_ref   TEXT    NOT NULL,
    remote_name TEXT    NOT NULL,
    -- the address that Redivis gave it
    uri         TEXT    NOT NULL,
    size        INTEGER NOT NULL CHECK (size >= 0),
    md5         BLOB    CHECK (length(md5) = 16),
    -- in Redivis' own words: no row came of it
    failed      INTEGER NOT NULL DEFAULT 0 CHECK (failed IN (0, 1)),
    -- when it was first asked about: the time of day; which start of the machine, milliseconds since
    since       INTEGER,
    since_boot  TEXT,
    since_awake INTEGER,
    CHECK ((since_boot IS NULL) = (since_awake IS NULL)),
    CHECK (since_boot IS NULL OR since IS NOT NULL),
    PRIMARY KEY (job, table_ref)
) STRICT, WITHOUT ROWID;

-- what was taken in under a name, asked for each new job
CREATE INDEX imports_by_name ON imports (table_ref, remote_name);

-- what is being imported now counts from the first question on
INSERT INTO imports (job, table_ref, remote_name, uri, size, md5)
SELECT id, table_ref, remote_name, remote_id, size, md5 FROM jobs WHERE state = 'importing';
