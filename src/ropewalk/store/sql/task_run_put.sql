INSERT INTO task_runs (run, node, item, state, attempts, key, outputs, source, started_at, finished_at, wall_s, cpu_s,
                       peak_bytes, failure, detail, metrics)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run, node, item) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, key = excluded.key, outputs = excluded.outputs,
    source = excluded.source, started_at = excluded.started_at, finished_at = excluded.finished_at,
    wall_s = excluded.wall_s, cpu_s = excluded.cpu_s, peak_bytes = excluded.peak_bytes, failure = excluded.failure,
    detail = excluded.detail, metrics = excluded.metrics
