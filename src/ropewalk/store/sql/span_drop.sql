DELETE FROM spans WHERE id = :id
