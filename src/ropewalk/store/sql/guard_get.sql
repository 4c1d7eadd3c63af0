SELECT body FROM guards WHERE kind = :kind AND name = :name
