CREATE TABLE graphs (
    digest TEXT PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL,              -- two words that people can say
    pipeline         TEXT NOT NULL,
    target           TEXT NOT NULL,              -- what was asked to run, "file.py:name"; empty: made in Python
    first_graph      TEXT NOT NULL REFERENCES graphs (digest),
    graph            TEXT NOT NULL REFERENCES graphs (digest), -- since it was last reopened
    params           TEXT NOT NULL,              -- JSON object in the encoding of core.values
    overrides        TEXT NOT NULL DEFAULT '{}', -- JSON object, "task.parameter" to text
    seed             INTEGER NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
    created_at       REAL NOT NULL,
    finished_at      REAL,
    seq              INTEGER NOT NULL DEFAULT 0, -- number of the last batch of events
    epoch            INTEGER NOT NULL DEFAULT 0, -- fencing token of the scheduler that owns the run
    owner            TEXT NOT NULL DEFAULT '',   -- JSON: host, pid, start time, boot id
    cancel_requested TEXT NOT NULL DEFAULT '',   -- who asked; empty: nobody
    provenance       TEXT NOT NULL DEFAULT '{}', -- JSON: git commit, patch, versions, platform
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
) STRICT;
CREATE INDEX runs_by_pipeline ON runs (pipeline, number);
CREATE INDEX runs_open ON runs (state) WHERE state IN ('queued', 'running', 'paused');

CREATE TABLE events (
    run  INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    at   REAL NOT NULL,
    body TEXT NOT NULL,                          -- JSON list of events that were committed together
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_runs (
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node   TEXT NOT NULL,
    length INTEGER NOT NULL,                     -- number of its task runs
    PRIMARY KEY (run, node)
) STRICT, WITHOUT ROWID;

-- Task runs that have gone beyond waiting; while an attempt is under way its lease says so.
CREATE TABLE task_runs (
    run         INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node        TEXT NOT NULL,
    item        INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('ready', 'succeeded', 'failed', 'skipped', 'cancelled')),
    attempts    INTEGER NOT NULL,
    key         TEXT,                            -- cache key
    outputs     TEXT,                            -- JSON object, output name to artifact
    source      INTEGER,                         -- the run that computed it, when it was reused
    started_at  REAL,
    finished_at REAL NOT NULL,
    wall_s      REAL,
    cpu_s       REAL,
    peak_bytes  INTEGER,
    failure     TEXT,                            -- JSON
    detail      TEXT,                            -- why it was skipped
    metrics     TEXT,                            -- JSON object
    PRIMARY KEY (run, node, item),
    CHECK ((state = 'succeeded') = (outputs IS NOT NULL)),
    CHECK (state != 'failed' OR failure IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_runs_by_key ON task_runs (key) WHERE state = 'succeeded' AND source IS NULL;

CREATE TABLE attempts (                          -- attempts that did not succeed, for the story of a task run
    run         INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node        TEXT NOT NULL,
    item        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    at          REAL NOT NULL,
    failure     TEXT NOT NULL,
    wall_s      REAL NOT NULL,
    PRIMARY KEY (run, node, item, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    token  INTEGER NOT NULL,                     -- fencing token of the attempts
    node   TEXT NOT NULL,
    items  TEXT NOT NULL,                        -- JSON list
    keys   TEXT NOT NULL,                        -- JSON list: cache keys that are being computed
    worker TEXT NOT NULL,
    at     REAL NOT NULL,
    PRIMARY KEY (run, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (                             -- which task runs made an artifact that lies in a file
    digest TEXT NOT NULL,
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node   TEXT NOT NULL,
    item   INTEGER NOT NULL,
    output TEXT NOT NULL,
    PRIMARY KEY (digest, run, node, item, output)
) STRICT, WITHOUT ROWID;

CREATE TABLE records (                           -- named, versioned documents: models and whatever else is registered
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    body       TEXT NOT NULL,                    -- JSON
    created_at REAL NOT NULL,
    run        INTEGER,
    node       TEXT NOT NULL DEFAULT '',
    token      TEXT NOT NULL,                    -- says the same thing twice at most once
    PRIMARY KEY (kind, name, version),
    UNIQUE (kind, name, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (                           -- movable names: the newest row of an alias counts, older ones are history
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    alias   TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at      REAL NOT NULL,
    by      TEXT NOT NULL,
    PRIMARY KEY (kind, name, alias, seq)
) STRICT, WITHOUT ROWID;
