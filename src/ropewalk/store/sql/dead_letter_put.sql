INSERT OR REPLACE INTO dead_letters (run, node, item, fingerprint, key, inputs, attempts, failure, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
