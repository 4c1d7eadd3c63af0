SELECT n.length, t.state, coalesce(sum(t.items), 0)
FROM node_runs n LEFT JOIN (
    SELECT state, 1 AS items FROM task_runs WHERE run = :run AND node = :node
    UNION ALL
    SELECT 'succeeded', items FROM spans WHERE run = :run AND node = :node
) t ON TRUE
WHERE n.run = :run AND n.node = :node
GROUP BY t.state
