SELECT run, node, item FROM task_runs WHERE key = :key AND state = 'succeeded' AND source IS NULL ORDER BY run, node, item
