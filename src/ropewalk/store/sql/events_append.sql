INSERT INTO events (run, seq, at, body, packed) VALUES (:run, :seq, :at, :body, :packed)
