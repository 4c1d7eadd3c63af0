SELECT number, name, pipeline, target, graph, first_graph, params, overrides, seed, state, created_at, finished_at, seq, epoch, owner, cancel_requested, provenance, author
FROM runs WHERE state IN ('queued', 'running', 'paused') ORDER BY number
