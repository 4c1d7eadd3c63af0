SELECT s.id, s.run, s.node, s.first, s.items, s.seq, s.at_byte, s.source, s.finished_at
FROM spans s WHERE s.run = :run AND (:node IS NULL OR s.node = :node) ORDER BY s.node, s.first
