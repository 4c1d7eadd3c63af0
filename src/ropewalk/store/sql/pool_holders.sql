SELECT held.key, held.value, l.run, l.node, l.items, l.worker, l.at, r.owner
FROM leases l JOIN runs r ON r.number = l.run JOIN json_each(l.holds) held
WHERE l.holds != '{}' ORDER BY l.at, l.run, l.token
