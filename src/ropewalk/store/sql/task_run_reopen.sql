DELETE FROM task_runs
WHERE run = :run AND (state != 'succeeded' OR node IN (SELECT value FROM json_each(:reset)))
