DELETE FROM task_runs
WHERE run = :run AND (state != 'succeeded' OR node NOT IN (SELECT value FROM json_each(:kept)))
