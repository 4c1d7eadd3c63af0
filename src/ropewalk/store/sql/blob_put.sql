INSERT INTO blobs (digest, run, node, item, output) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
