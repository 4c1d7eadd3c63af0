DELETE FROM span_keys WHERE prefix = ? AND span = ?
