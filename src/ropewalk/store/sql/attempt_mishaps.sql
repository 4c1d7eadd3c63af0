SELECT
    (SELECT count(*) FROM attempts WHERE failure ->> 'kind' IN ('lost', 'oom')),
    (SELECT coalesce(sum(wall_s), 0) FROM attempts)
        + (SELECT coalesce(sum(wall_s), 0) FROM task_runs WHERE state = 'succeeded' AND source IS NULL)
        + (SELECT coalesce(sum(wall_s), 0) FROM spans WHERE source IS NULL)
