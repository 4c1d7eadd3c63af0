DELETE FROM leases WHERE run = ? AND token = ?
