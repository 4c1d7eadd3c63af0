INSERT INTO leases (run, token, node, items, keys, worker, at) VALUES (?, ?, ?, ?, ?, ?, ?)
