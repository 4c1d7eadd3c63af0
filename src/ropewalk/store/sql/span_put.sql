INSERT INTO spans (run, node, first, items, seq, at_byte, key, source, started_at, finished_at, wall_s, cpu_s, peak_bytes)
VALUES (:run, :node, :first, :items, :seq, :at_byte, :key, :source, :started_at, :finished_at, :wall_s, :cpu_s, :peak_bytes)
RETURNING id, source
