INSERT INTO attempts (run, node, item, attempt, at, failure, wall_s) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
