UPDATE spans SET source = NULL WHERE id = :id
