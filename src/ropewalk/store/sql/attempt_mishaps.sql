SELECT
    (SELECT count(*) FROM attempts WHERE run > n.newest - :runs AND failure ->> 'kind' IN ('lost', 'oom')),
    (SELECT coalesce(sum(wall_s), 0) FROM attempts WHERE run > n.newest - :runs)
        + (SELECT coalesce(sum(wall_s), 0) FROM task_runs
           WHERE run > n.newest - :runs AND state = 'succeeded' AND source IS NULL)
        + (SELECT coalesce(sum(wall_s), 0) FROM spans WHERE run > n.newest - :runs AND source IS NULL)
FROM (SELECT coalesce(max(number), 0) AS newest FROM runs) n
