INSERT INTO pools (name, slots, at, by) VALUES (:name, :slots, :at, :by)
ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, at = excluded.at, by = excluded.by
