SELECT name, slots, at, by FROM pools ORDER BY name
