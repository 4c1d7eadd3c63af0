INSERT OR REPLACE INTO approvals (run, node, item, message, role, author, asked_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
