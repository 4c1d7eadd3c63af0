INSERT INTO records (kind, name, version, body, created_at, run, node, token)
SELECT :kind, :name, coalesce(max(version), 0) + 1, :body, :at, :run, :node, :token
FROM records WHERE kind = :kind AND name = :name
ON CONFLICT (kind, name, token) DO NOTHING
