SELECT e.node, l.length, e.mean_s,
    (SELECT sum(wall_s) FROM (
        SELECT t.wall_s FROM task_runs t WHERE t.run = e.last AND t.node > e.node || '/' AND t.node < e.node || '0'
        UNION ALL -- '0' comes right after '/'
        SELECT s.wall_s FROM spans s WHERE s.run = e.last AND s.node > e.node || '/' AND s.node < e.node || '0'))
FROM (
    SELECT n.value AS node,
        (SELECT r.number FROM (SELECT number FROM runs WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 10) r
         CROSS JOIN node_runs l ON l.run = r.number AND l.node = n.value ORDER BY r.number DESC LIMIT 1) AS last,
        (SELECT sum(w) / sum(items) FROM (
            SELECT * FROM (
                SELECT r.number, t.wall_s AS w, 1 AS items
                FROM (SELECT number FROM runs WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 10) r
                CROSS JOIN task_runs t ON t.run = r.number AND t.node = n.value AND t.state = 'succeeded'
                ORDER BY r.number DESC LIMIT 20)
            UNION ALL
            SELECT * FROM (
                SELECT r.number, s.wall_s, s.items
                FROM (SELECT number FROM runs WHERE pipeline = :pipeline ORDER BY number DESC LIMIT 10) r
                CROSS JOIN spans s ON s.run = r.number AND s.node = n.value
                ORDER BY r.number DESC LIMIT 20)
            ORDER BY 1 DESC LIMIT 20) WHERE w IS NOT NULL) AS mean_s
    FROM json_each(:nodes) n
) e LEFT JOIN node_runs l ON l.run = e.last AND l.node = e.node
