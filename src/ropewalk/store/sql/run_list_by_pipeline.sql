SELECT number, name, pipeline, target, graph, first_graph, params, overrides, seed, state, created_at, finished_at, seq, epoch, owner, cancel_requested, provenance, author
FROM runs
WHERE pipeline = :pipeline AND number < :before
  AND (:author IS NULL OR author = :author)
  AND (:since IS NULL OR created_at >= :since)
  AND number >= iif(:since IS NULL, 0, coalesce((SELECT min(+number) FROM runs WHERE created_at >= :since), :before))
ORDER BY number DESC LIMIT :most
