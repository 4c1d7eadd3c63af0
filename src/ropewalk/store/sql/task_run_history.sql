SELECT t.wall_s FROM task_runs t JOIN runs r ON r.number = t.run
WHERE r.pipeline = :pipeline AND r.number > (SELECT max(number) - 50 FROM runs) AND t.node = :node
  AND t.state = 'succeeded' AND t.source IS NULL
ORDER BY t.run DESC LIMIT 20
