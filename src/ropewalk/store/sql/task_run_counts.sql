SELECT node, state, sum(items), sum(reused), sum(wall_s), sum(cpu_s), max(peak_bytes), min(started_at),
       max(finished_at), sum(keyed), sum(executed)
FROM (
    SELECT node, state, 1 AS items, source IS NOT NULL AS reused, wall_s, cpu_s, peak_bytes, started_at, finished_at,
           key IS NOT NULL AS keyed, started_at IS NOT NULL AS executed
    FROM task_runs WHERE run = :run
    UNION ALL
    SELECT node, 'succeeded', items, items * (source IS NOT NULL), wall_s, cpu_s, peak_bytes, started_at, finished_at,
           items, items * (started_at IS NOT NULL)
    FROM spans WHERE run = :run
) GROUP BY node, state
