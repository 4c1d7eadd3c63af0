SELECT count(*) FROM dead_letters WHERE run = :run
