INSERT INTO graphs (digest, body) VALUES (:digest, :body) ON CONFLICT DO NOTHING
