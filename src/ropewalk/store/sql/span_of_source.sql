SELECT s.id, s.run, s.node, s.first, s.items, s.seq, s.at_byte, s.source, s.finished_at
FROM spans s WHERE s.source = :source
