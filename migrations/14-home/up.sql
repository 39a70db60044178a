-- The journal's home: the endpoint whose tables it calls by their reference alone. Those of all others carry their endpoint
-- before it. It is written once.
CREATE TABLE home (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    endpoint TEXT    NOT NULL
) STRICT;

-- where the last start has gone with such a table; else the next start says it
INSERT INTO home (one, endpoint)
SELECT 1, endpoint FROM watches JOIN accounts ON accounts.name = watches.account
WHERE instr(table_ref, '#') = 0 AND endpoint <> '' LIMIT 1;

CREATE TRIGGER home_stays_as_it_is BEFORE UPDATE ON home
BEGIN SELECT raise(ABORT, 'the home of a journal is never changed'); END;
CREATE TRIGGER home_stays BEFORE DELETE ON home
BEGIN SELECT raise(ABORT, 'the home of a journal is never removed'); END;

-- is this version known: only at the endpoint that its watch goes to
ALTER TABLE receipts ADD COLUMN there TEXT
    GENERATED ALWAYS AS (substr(table_ref, 1, instr(table_ref, '#'))) VIRTUAL;
DROP INDEX receipts_by_path;
CREATE INDEX receipts_by_path ON receipts (watch, path, ino, size, mtime_ns, ctime_ns, there);
