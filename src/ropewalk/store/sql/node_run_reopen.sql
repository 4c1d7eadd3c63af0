DELETE FROM node_runs WHERE run = :run AND node NOT IN (SELECT value FROM json_each(:opened))
