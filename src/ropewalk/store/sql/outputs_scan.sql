SELECT run, node, item, outputs FROM task_runs
WHERE state = 'succeeded' AND instr(outputs, :text) > 0 ORDER BY run, node, item LIMIT 1000
