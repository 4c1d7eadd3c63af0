INSERT INTO node_runs (run, node, length) VALUES (?, ?, ?)
ON CONFLICT (run, node) DO UPDATE SET length = excluded.length
