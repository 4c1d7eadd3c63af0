ALTER TABLE events ADD COLUMN packed BLOB;       -- events that `body` leaves out: stretches of items that succeeded

-- Neighbouring items of a node that succeeded at the first attempt, or were reused: one row instead of one each in
-- task_runs. An item that deviates later has all of them moved there.
CREATE TABLE spans (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    node        TEXT NOT NULL,
    first       INTEGER NOT NULL,                -- item
    items       INTEGER NOT NULL CHECK (items > 0),
    seq         INTEGER NOT NULL,                -- batch of events that has them
    at_byte     INTEGER NOT NULL,                -- where in its `packed`
    key         TEXT NOT NULL,                   -- cache key, the greatest
    source      INTEGER,                         -- the run that computed them, when they were reused
    started_at  REAL,                            -- of the first; NULL: they were reused
    finished_at REAL NOT NULL,
    wall_s      REAL NOT NULL,                   -- of all
    cpu_s       REAL,                            -- of all
    peak_bytes  INTEGER,                         -- the greatest
    UNIQUE (run, node, first)
) STRICT;

CREATE INDEX spans_by_source ON spans (source) WHERE source IS NOT NULL;

CREATE TABLE span_keys (                         -- where results may lie that can be reused; the span knows for sure
    prefix INTEGER NOT NULL,                     -- of a cache key, see store/spans
    span   INTEGER NOT NULL,
    PRIMARY KEY (prefix, span)
) STRICT, WITHOUT ROWID;
