SELECT r.number FROM runs r
WHERE r.pipeline = :pipeline AND r.number < :before
  AND EXISTS (SELECT 1 FROM attempts a WHERE a.run = r.number AND a.node = :node)
ORDER BY r.number DESC LIMIT 1
