-- A state more: `importing`, between `registering` and `registered`, with the address that Redivis gave the import.
--
-- Only rules change, and each of them allows more than before: no row needs to be looked at. So the table is not made
-- anew, which would have to know every column and index that it has by now; the rules are put in its definition, as
-- SQLite's manual describes for this case. The column that is added last makes SQLite read the definition again.

-- that each rule stands there as it is expected: else nothing happens at all
CREATE TABLE expected (rules INTEGER NOT NULL CHECK (rules = 3)) STRICT;
INSERT INTO expected (rules)
SELECT (instr(sql, 'OR state = ''superseded'' OR state = ''missing''),') > 0)
    + (instr(sql, 'CHECK ((state IN (''registered'', ''done'')) = (remote_id IS NOT NULL))') > 0)
    + (instr(sql, 'CHECK (intent IS NOT NULL OR state <> ''registering'')') > 0)
FROM sqlite_schema WHERE type = 'table' AND name = 'jobs';
DROP TABLE expected;

PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(replace(sql,
    'OR state = ''superseded'' OR state = ''missing''),',
    'OR state = ''superseded'' OR state = ''missing'' OR state = ''importing''),'),
    'CHECK ((state IN (''registered'', ''done'')) = (remote_id IS NOT NULL))',
    'CHECK ((state = ''registered'' OR state = ''done'' OR state = ''importing'') = (remote_id IS NOT NULL))'),
    'CHECK (intent IS NOT NULL OR state <> ''registering'')',
    'CHECK (intent IS NOT NULL OR state <> ''registering''), CHECK (crc32c IS NOT NULL OR state <> ''importing'')')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = OFF;

-- what the files of a watch become, for its new jobs; and what makes SQLite read its tables again
ALTER TABLE watches ADD COLUMN kind TEXT NOT NULL DEFAULT 'files' CHECK (kind = 'files' OR kind = 'tabular');
PRAGMA writable_schema = RESET;

-- those that are asked about, table by table
CREATE INDEX jobs_importing ON jobs (table_ref, id) WHERE state = 'importing';
