DELETE FROM dead_letters WHERE run = :run AND node NOT IN (SELECT value FROM json_each(:nodes))
