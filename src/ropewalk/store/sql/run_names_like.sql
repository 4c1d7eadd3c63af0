SELECT DISTINCT name FROM runs WHERE name >= :low AND name < :high ORDER BY name LIMIT :most
