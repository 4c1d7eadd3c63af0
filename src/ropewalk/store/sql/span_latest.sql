SELECT s.id, s.run, s.node, s.first, s.items, s.seq, s.at_byte, s.source, s.finished_at
FROM spans s WHERE s.id IN (
    SELECT (SELECT max(k.span) FROM span_keys k WHERE k.prefix = p.value) FROM json_each(:prefixes) p)
ORDER BY s.id DESC
