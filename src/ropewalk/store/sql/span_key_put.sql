INSERT OR IGNORE INTO span_keys (prefix, span) VALUES (?, ?)
