-- Who did what stands in a job's history: which start of the daemon. A start is a line for good.
CREATE TABLE starts (
    id      INTEGER PRIMARY KEY,
    version TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    host    TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

-- NULL: written before there was this
ALTER TABLE history ADD COLUMN start INTEGER REFERENCES starts (id);

CREATE TRIGGER history_stays_as_it_is BEFORE UPDATE ON history
BEGIN SELECT raise(ABORT, 'a history is never changed'); END;
-- it goes with its job, when that has ended and its receipt stays
CREATE TRIGGER history_stays BEFORE DELETE ON history
WHEN EXISTS (SELECT 1 FROM jobs WHERE id = old.job AND (finished_at IS NULL OR state = 'parked'))
BEGIN SELECT raise(ABORT, 'the history of a job that has not ended is never removed'); END;
