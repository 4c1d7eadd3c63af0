-- Lists of runs are read newest first from one of these, whatever they are chosen by. What follows the number in an
-- index is looked at there, without a look at the row.
DROP INDEX runs_open;
DROP INDEX runs_by_pipeline;
CREATE INDEX runs_by_state ON runs (state, number, pipeline, author);
CREATE INDEX runs_by_pipeline ON runs (pipeline, number, author);
CREATE INDEX runs_by_author ON runs (author, number);
CREATE INDEX runs_by_name ON runs (name, number);
CREATE INDEX runs_by_age ON runs (created_at, number);

-- To forget a run must not cost a look at everything that other runs have.
CREATE INDEX task_runs_by_source ON task_runs (source) WHERE source IS NOT NULL;
CREATE INDEX blobs_by_run ON blobs (run);
