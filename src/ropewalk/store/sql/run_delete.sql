DELETE FROM runs WHERE number = :number
