UPDATE leases SET holds = ? WHERE run = ? AND token = ?
