DELETE FROM leases WHERE run = :run
