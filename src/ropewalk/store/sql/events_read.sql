SELECT seq, at, body FROM events WHERE run = :run AND seq > :after ORDER BY seq
