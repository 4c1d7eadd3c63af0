UPDATE runs SET cancel_requested = :by WHERE number = :number AND state IN ('queued', 'running', 'paused')
