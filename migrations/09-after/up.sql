-- What is about to be done with the file of a job that is in its table, written down before it is done. It goes with
-- the job's last state: a row that stands here was interrupted, or is being tried again.
CREATE TABLE after (
    job     INTEGER PRIMARY KEY REFERENCES jobs (id),
    action  TEXT NOT NULL CHECK (action = 'delete' OR action = 'move'),
    -- the drop folder, as it was configured
    root    BLOB NOT NULL,
    -- the private name that the file has while it is neither here nor there
    aside   BLOB NOT NULL,
    move_to BLOB,
    at      INTEGER NOT NULL,
    CHECK ((action = 'move') = (move_to IS NOT NULL))
) STRICT;

-- what is in its table has a queue of its own, and the engine does not step over it
DROP INDEX jobs_stored;
CREATE INDEX jobs_stored ON jobs (watch, next_attempt_at, id)
    WHERE claimed = 0 AND (state = 'uploaded' OR state = 'registering');
CREATE INDEX jobs_registered ON jobs (watch, next_attempt_at, id)
    WHERE claimed = 0 AND state = 'registered';
