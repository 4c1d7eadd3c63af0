SELECT kind, name, version, body, created_at, run, node FROM records
WHERE kind = :kind AND (:name IS NULL OR name = :name) ORDER BY name, version DESC
