SELECT 1
WHERE EXISTS (SELECT 1 FROM json_each(:keys) k CROSS JOIN task_runs t
              ON t.key = k.value AND t.state = 'succeeded' AND t.source IS NULL)
   OR EXISTS (SELECT 1 FROM json_each(:prefixes) p CROSS JOIN span_keys s ON s.prefix = p.value)
