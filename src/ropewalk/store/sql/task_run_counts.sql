SELECT node, state, count(*), sum(source IS NOT NULL), sum(wall_s), sum(cpu_s), max(peak_bytes), min(started_at),
       max(finished_at), count(key), count(started_at)
FROM task_runs WHERE run = :run GROUP BY node, state
