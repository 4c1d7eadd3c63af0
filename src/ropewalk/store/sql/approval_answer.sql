UPDATE approvals SET verdict = :verdict, by = :by, reason = :reason, at = :at
WHERE run = :run AND node = :node AND item = :item AND verdict = ''
