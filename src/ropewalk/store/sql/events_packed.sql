SELECT packed FROM events WHERE run = :run AND packed IS NOT NULL ORDER BY seq
