INSERT INTO aliases (kind, name, alias, seq, version, at, by)
SELECT :kind, :name, :alias, coalesce(max(seq), 0) + 1, :version, :at, :by
FROM aliases WHERE kind = :kind AND name = :name AND alias = :alias
