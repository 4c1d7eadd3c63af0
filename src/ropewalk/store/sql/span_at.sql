SELECT s.id, s.run, s.node, s.first, s.items, s.seq, s.at_byte, s.source, s.finished_at
FROM (SELECT * FROM spans WHERE run = :run AND node = :node AND first <= :item ORDER BY first DESC LIMIT 1) s
WHERE s.first + s.items > :item
