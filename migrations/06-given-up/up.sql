-- which versions were given up, so that a scan, which asks for every file, need not open its job for that
CREATE INDEX jobs_given_up ON jobs (watch, path) WHERE state = 'missing' OR state = 'superseded';
