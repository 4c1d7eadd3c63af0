SELECT run, node, item, message, role, author, asked_at, expires_at, verdict, by, reason, at FROM approvals WHERE run = :run
