DELETE FROM node_runs WHERE run = ? AND node = ?
