SELECT cancel_requested FROM runs WHERE number = :number
