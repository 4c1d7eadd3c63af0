SELECT run, token, node, items, keys, worker, at FROM leases WHERE run = :run
