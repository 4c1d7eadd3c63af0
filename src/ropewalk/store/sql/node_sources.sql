SELECT coalesce(source, run), min(item), count(*), max(key) FROM task_runs
WHERE run = :run AND node = :node AND state = 'succeeded' GROUP BY coalesce(source, run) ORDER BY 1
