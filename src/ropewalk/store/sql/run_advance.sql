UPDATE runs SET seq = :seq, state = :state, finished_at = :finished_at, graph = :graph
WHERE number = :number AND epoch = :epoch AND seq = :seq - 1
