DELETE FROM task_runs WHERE run = ? AND node = ? AND item = ?
