SELECT e.node, l.length, e.mean_s,
    (SELECT sum(t.wall_s) FROM task_runs t
     WHERE t.run = e.last AND t.node > e.node || '/' AND t.node < e.node || '0') -- '0' comes right after '/'
FROM (
    SELECT n.value AS node,
        (SELECT r.number FROM (SELECT number FROM runs WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 10) r
         CROSS JOIN node_runs l ON l.run = r.number AND l.node = n.value ORDER BY r.number DESC LIMIT 1) AS last,
        (SELECT avg(w) FROM (
            SELECT t.wall_s AS w
            FROM (SELECT number FROM runs WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 10) r
            CROSS JOIN task_runs t ON t.run = r.number AND t.node = n.value AND t.state = 'succeeded'
            ORDER BY r.number DESC LIMIT 20)) AS mean_s
    FROM json_each(:nodes) n
) e LEFT JOIN node_runs l ON l.run = e.last AND l.node = e.node
