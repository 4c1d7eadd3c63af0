SELECT s.id, s.run, s.node, s.first, s.items, s.seq, s.at_byte, s.source, s.finished_at
FROM spans s WHERE s.source IS NULL AND s.id IN (
    SELECT k.span FROM json_each(:prefixes) p CROSS JOIN span_keys k ON k.prefix = p.value)
ORDER BY s.id DESC
