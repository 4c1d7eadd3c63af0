SELECT source, min(first), sum(items), max(key) FROM (
    SELECT coalesce(source, run) AS source, item AS first, 1 AS items, key FROM task_runs
    WHERE run = :run AND node = :node AND state = 'succeeded'
    UNION ALL
    SELECT coalesce(source, run), first, items, key FROM spans WHERE run = :run AND node = :node
) GROUP BY source ORDER BY 1
