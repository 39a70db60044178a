-- How each account that a watch names is doing, as the daemon last said. (The columns of the daemon that said so for the
-- only one are read no more.)
CREATE TABLE accounts (
    name            TEXT PRIMARY KEY,
    endpoint        TEXT    NOT NULL,
    account_state   TEXT    NOT NULL DEFAULT 'ok',
    account_reason  TEXT    NOT NULL DEFAULT '',
    throttled_until INTEGER,
    budget_left     INTEGER,
    -- bytes a second, lately
    rate            INTEGER NOT NULL DEFAULT 0
) STRICT;

-- whose temporary uploads those of a watch are
ALTER TABLE watches ADD COLUMN account TEXT NOT NULL DEFAULT 'redivis';
