INSERT INTO runs (name, pipeline, target, first_graph, graph, params, overrides, seed, state, created_at, epoch, owner, provenance, author)
VALUES (:name, :pipeline, :target, :graph, :graph, :params, :overrides, :seed, 'running', :at, 1, :owner, :provenance, :author)
RETURNING number
