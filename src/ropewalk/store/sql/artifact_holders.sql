SELECT b.digest, b.run, b.node, b.item, b.output, t.source FROM blobs b
JOIN task_runs t ON t.run = b.run AND t.node = b.node AND t.item = b.item
WHERE b.digest >= :low AND b.digest < :high AND t.state = 'succeeded'
ORDER BY b.run, b.node, b.item LIMIT :most
