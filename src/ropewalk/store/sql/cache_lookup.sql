SELECT t.key, t.outputs, t.run, t.finished_at, t.wall_s, t.metrics
FROM json_each(:keys) k JOIN task_runs t ON t.key = k.value
WHERE t.state = 'succeeded' AND t.source IS NULL
ORDER BY t.run
