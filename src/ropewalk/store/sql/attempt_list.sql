SELECT node, item, attempt, at, failure, wall_s FROM attempts
WHERE run = :run AND (:node IS NULL OR node = :node) AND (:item IS NULL OR item = :item)
ORDER BY node, item, attempt
