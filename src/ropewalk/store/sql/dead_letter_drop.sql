DELETE FROM dead_letters WHERE run = ? AND node = ? AND item = ?
