SELECT n.length, t.state, count(t.item)
FROM node_runs n LEFT JOIN task_runs t ON t.run = n.run AND t.node = n.node
WHERE n.run = :run AND n.node = :node
GROUP BY t.state
