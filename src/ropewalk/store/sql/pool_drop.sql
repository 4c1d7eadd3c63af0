DELETE FROM pools WHERE name = :name
