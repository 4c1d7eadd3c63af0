UPDATE task_runs SET source = NULL WHERE source = :number AND state = 'succeeded'
