-- What tables held when they were met, so that files which are there already need not be sent.
CREATE TABLE listings (
    id        INTEGER PRIMARY KEY,
    table_ref TEXT    NOT NULL UNIQUE,
    began_at  INTEGER NOT NULL,
    -- all of its rows were read
    whole     INTEGER NOT NULL CHECK (whole IN (0, 1))
) STRICT;

-- of several files with one name, the one that was listed last
CREATE TABLE listed (
    listing   INTEGER NOT NULL REFERENCES listings (id),
    name      TEXT    NOT NULL,
    remote_id TEXT    NOT NULL,
    size      INTEGER NOT NULL CHECK (size >= 0),
    md5       BLOB    NOT NULL CHECK (length(md5) = 16),
    PRIMARY KEY (listing, name)
) STRICT, WITHOUT ROWID;
