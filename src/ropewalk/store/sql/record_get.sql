SELECT kind, name, version, body, created_at, run, node FROM records
WHERE kind = :kind AND name = :name AND version = :version
