SELECT node, item, state, attempts, key, outputs, source, started_at, finished_at, wall_s, cpu_s, peak_bytes, failure, detail, metrics
FROM task_runs WHERE run = :run AND node = :node AND state != 'succeeded'
ORDER BY CASE state WHEN 'failed' THEN 0 WHEN 'ready' THEN 1 WHEN 'cancelled' THEN 2 ELSE 3 END, item LIMIT :most
