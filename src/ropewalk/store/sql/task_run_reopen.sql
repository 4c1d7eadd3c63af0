DELETE FROM task_runs
WHERE run = :run AND (
    node NOT IN (SELECT value FROM json_each(:kept))
    OR state NOT IN ('succeeded', 'failed')
    OR (state = 'failed' AND (node, item) NOT IN (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:failed)))
)
