-- Files that change all day have thousands of versions, and nearly all of them were given up.

-- which those are, so that a scan, which asks for every file, need not open its job for that
CREATE INDEX jobs_given_up ON jobs (watch, path) WHERE state = 'missing' OR state = 'superseded';

-- and they have no name in a table any more
DROP INDEX jobs_by_name;
CREATE INDEX jobs_by_name ON jobs (table_ref, remote_name) WHERE state <> 'missing' AND state <> 'superseded';
