SELECT number, state, graph FROM runs WHERE pipeline = :pipeline AND number < :number ORDER BY number DESC LIMIT 1
