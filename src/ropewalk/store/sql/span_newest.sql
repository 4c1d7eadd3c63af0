SELECT s.id, s.run, s.node, s.first, s.items, s.seq, s.at_byte, s.source, s.finished_at
FROM runs r CROSS JOIN spans s ON s.run = r.number
WHERE r.pipeline = :pipeline AND s.node = :node ORDER BY r.number DESC LIMIT :most
