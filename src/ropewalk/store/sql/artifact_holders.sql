SELECT b.digest, b.run, b.node, b.item, b.output, coalesce(t.source, s.source) FROM blobs b
LEFT JOIN task_runs t ON t.run = b.run AND t.node = b.node AND t.item = b.item
LEFT JOIN spans s ON s.run = b.run AND s.node = b.node AND s.first <= b.item AND s.first + s.items > b.item
WHERE b.digest >= :low AND b.digest < :high AND (t.state = 'succeeded' OR s.id IS NOT NULL)
ORDER BY b.run, b.node, b.item LIMIT :most
