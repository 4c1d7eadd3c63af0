SELECT l.keys, l.run, r.owner FROM leases l JOIN runs r ON r.number = l.run WHERE l.run != :run
