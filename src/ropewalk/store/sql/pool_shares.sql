SELECT held.key, sum(held.value), r.owner
FROM leases l JOIN runs r ON r.number = l.run JOIN json_each(l.holds) held
WHERE l.run != :besides AND l.holds != '{}' GROUP BY held.key, l.run
