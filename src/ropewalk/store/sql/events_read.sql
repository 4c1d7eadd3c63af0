SELECT seq, at, body, packed FROM events WHERE run = :run AND seq > :after ORDER BY seq
