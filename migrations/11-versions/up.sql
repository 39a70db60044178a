-- The next version of a dataset that the daemon makes, at most one after each release: written down before it is asked
-- for, and kept, so that it is never asked for twice.
CREATE TABLE next_versions (
    -- owner.dataset, without what else a reference may say
    dataset      TEXT    NOT NULL,
    -- the version after which it comes; empty if Redivis does not name it
    released     TEXT    NOT NULL,
    -- intended: it is not known whether Redivis has made it
    state        TEXT    NOT NULL CHECK (state = 'intended' OR state = 'made' OR state = 'refused'),
    intended_at  INTEGER NOT NULL,
    -- since when it is known not to be there: which start of the machine, milliseconds since
    absent_boot  TEXT,
    absent_awake INTEGER,
    -- Redivis' words, if it refuses
    why          TEXT,
    PRIMARY KEY (dataset, released),
    CHECK ((absent_boot IS NULL) = (absent_awake IS NULL)),
    CHECK (absent_boot IS NULL OR state = 'intended'),
    CHECK ((state = 'refused') = (why IS NOT NULL))
) STRICT, WITHOUT ROWID;
