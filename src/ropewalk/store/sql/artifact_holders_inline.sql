SELECT run, node, item, source, outputs FROM task_runs
WHERE state = 'succeeded' AND instr(outputs, :text) > 0 ORDER BY run, node, item LIMIT :most
