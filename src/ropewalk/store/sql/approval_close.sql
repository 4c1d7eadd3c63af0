UPDATE approvals SET verdict = ?, by = ?, reason = ?, at = ? WHERE run = ? AND node = ? AND item = ? AND verdict = ''
