SELECT name, alias, version, at, by FROM aliases WHERE kind = :kind AND name = :name ORDER BY at, alias, seq
