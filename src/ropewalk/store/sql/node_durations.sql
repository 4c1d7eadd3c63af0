SELECT t.node, avg(t.wall_s), count(DISTINCT t.run), max(t.run)
FROM task_runs t
WHERE t.run IN (SELECT number FROM runs WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 20)
  AND t.state = 'succeeded' AND t.source IS NULL
GROUP BY t.node
