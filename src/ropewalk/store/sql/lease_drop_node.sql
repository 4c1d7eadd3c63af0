DELETE FROM leases WHERE run = :run AND node = :node AND token NOT IN (SELECT value FROM json_each(:left))
