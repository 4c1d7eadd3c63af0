SELECT json_group_array(k.value), l.run, r.owner -- one row a run: they are read before most commits
FROM leases l JOIN runs r ON r.number = l.run JOIN json_each(l.keys) k
WHERE l.run != :run GROUP BY l.run
