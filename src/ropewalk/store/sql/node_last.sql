SELECT r.number FROM runs r
WHERE r.pipeline = :pipeline AND r.number < :before
  AND (EXISTS (SELECT 1 FROM task_runs t WHERE t.run = r.number AND t.node = :node AND t.state = 'succeeded')
       OR EXISTS (SELECT 1 FROM spans s WHERE s.run = r.number AND s.node = :node))
ORDER BY r.number DESC LIMIT 1
