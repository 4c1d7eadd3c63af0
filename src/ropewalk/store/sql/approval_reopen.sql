DELETE FROM approvals WHERE run = :run AND verdict = '' AND node NOT IN (SELECT value FROM json_each(:asked))
