SELECT r.number, coalesce(t.source, t.run), t.item, t.wall_s FROM runs r CROSS JOIN task_runs t ON t.run = r.number
WHERE r.pipeline = :pipeline AND t.node = :node AND t.state = 'succeeded'
ORDER BY r.number DESC LIMIT :most
