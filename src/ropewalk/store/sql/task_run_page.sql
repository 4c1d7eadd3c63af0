SELECT node, item, state, attempts, key, outputs, source, started_at, finished_at, wall_s, cpu_s, peak_bytes, failure, detail, metrics
FROM task_runs WHERE run = :run AND node = :node AND item >= :first ORDER BY item LIMIT :most
