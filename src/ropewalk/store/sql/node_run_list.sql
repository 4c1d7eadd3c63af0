SELECT node, length FROM node_runs WHERE run = :run
