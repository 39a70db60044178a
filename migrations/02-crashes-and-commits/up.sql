-- How often in a row the daemon crashed while it had this job in hand, without progress of the job in between.
ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0);

-- How many commits have changed this journal; one row. A file beside it knows the number too, so that commits
-- which were lost with a part of the journal's files are missed.
CREATE TABLE commits (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL CHECK (number >= 0)
) STRICT;
INSERT INTO commits (one, number) VALUES (1, 0);
