SELECT r.owner FROM leases l JOIN runs r ON r.number = l.run WHERE l.run = :run AND l.token = :token
