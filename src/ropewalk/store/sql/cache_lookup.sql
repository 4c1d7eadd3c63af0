SELECT t.key, t.outputs, t.run, t.finished_at, t.wall_s, t.metrics
FROM json_each(:keys) k CROSS JOIN task_runs t ON (t.run, t.node, t.item) = (
    SELECT n.run, n.node, n.item FROM task_runs n
    WHERE n.key = k.value AND n.state = 'succeeded' AND n.source IS NULL
    ORDER BY n.run DESC, n.node DESC, n.item DESC LIMIT 1)
