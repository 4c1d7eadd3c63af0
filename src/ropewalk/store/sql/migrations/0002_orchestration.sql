CREATE TABLE pools (                             -- named, counted resources; who holds slots is in the leases
    name  TEXT PRIMARY KEY,
    slots INTEGER NOT NULL CHECK (slots >= 0),
    at    REAL NOT NULL,
    by    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE guards (                            -- what all runs share of a rate limit or a circuit breaker
    kind TEXT NOT NULL CHECK (kind IN ('limit', 'breaker')),
    name TEXT NOT NULL,
    body TEXT NOT NULL,                          -- JSON
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE approvals (                         -- questions to persons, and their answers
    run        INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node       TEXT NOT NULL,
    item       INTEGER NOT NULL,
    message    TEXT NOT NULL,
    role       TEXT NOT NULL DEFAULT '',
    author     TEXT NOT NULL DEFAULT '',         -- who started the run, where this person must not answer
    asked_at   REAL NOT NULL,
    expires_at REAL,
    verdict    TEXT NOT NULL DEFAULT '' CHECK (verdict IN ('', 'approved', 'rejected', 'expired')),
    by         TEXT NOT NULL DEFAULT '',
    reason     TEXT NOT NULL DEFAULT '',
    at         REAL,
    PRIMARY KEY (run, node, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_open ON approvals (run) WHERE verdict = '';

CREATE TABLE dead_letters (                      -- failed task runs, parked for a person
    run         INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node        TEXT NOT NULL,
    item        INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,                   -- of the error: equal ones are a group
    key         TEXT NOT NULL DEFAULT '',        -- cache key
    inputs      TEXT NOT NULL DEFAULT '{}',      -- JSON object, parameter to identity
    attempts    INTEGER NOT NULL,
    failure     TEXT NOT NULL,                   -- JSON
    at          REAL NOT NULL,
    PRIMARY KEY (run, node, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letters_by_group ON dead_letters (fingerprint);

ALTER TABLE leases ADD COLUMN holds TEXT NOT NULL DEFAULT '{}';        -- JSON object, pool to slots
ALTER TABLE runs ADD COLUMN pause_requested TEXT NOT NULL DEFAULT '';  -- who asked; empty: nobody
ALTER TABLE runs ADD COLUMN author TEXT NOT NULL DEFAULT '';           -- who started it
