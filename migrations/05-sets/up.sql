-- files of a watch that wait for the marker of their set, as it last said
ALTER TABLE watches ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- whether all of a set has arrived is asked again and again: nothing else is looked at for that
CREATE INDEX jobs_open ON jobs (watch, path)
    WHERE state <> 'registered' AND state <> 'done' AND state <> 'superseded' AND state <> 'missing';
