SELECT t.key, t.run, t.metrics FROM json_each(:keys) k JOIN task_runs t ON t.key = k.value
WHERE t.state = 'succeeded' AND t.source IS NULL AND t.metrics IS NOT NULL
