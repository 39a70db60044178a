-- When a file came into the table, if the listing tells: of several with one name the one that came last counts, in
-- whatever order they are listed.
ALTER TABLE listed ADD COLUMN added_at INTEGER;
