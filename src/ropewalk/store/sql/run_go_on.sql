UPDATE runs SET seq = :seq
WHERE number = :number AND epoch = :epoch AND seq = :seq - 1 AND state = 'running' AND graph = :graph
