INSERT INTO events (run, seq, at, body) VALUES (:run, :seq, :at, :body)
