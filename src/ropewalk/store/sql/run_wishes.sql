SELECT cancel_requested, pause_requested FROM runs WHERE number = :number
