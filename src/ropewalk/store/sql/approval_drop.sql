DELETE FROM approvals WHERE run = ? AND node = ? AND item = ? AND verdict = ''
