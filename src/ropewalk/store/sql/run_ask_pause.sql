UPDATE runs SET pause_requested = :by WHERE number = :number AND state IN ('queued', 'running', 'paused')
