SELECT name, alias, version, at, by FROM aliases a
WHERE kind = :kind AND (:name IS NULL OR name = :name)
  AND seq = (SELECT max(seq) FROM aliases b WHERE b.kind = a.kind AND b.name = a.name AND b.alias = a.alias)
ORDER BY name, alias
