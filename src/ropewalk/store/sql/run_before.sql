-- What was skipped in a run that succeeded was not to be done there, so the run before that one counts.
SELECT r.number, r.state, r.graph FROM runs r
WHERE r.pipeline = :pipeline AND r.number < :number AND NOT (
    r.state = 'succeeded'
    AND EXISTS (SELECT 1 FROM task_runs t WHERE t.run = r.number AND t.node = :node AND t.state = 'skipped')
    AND NOT EXISTS (SELECT 1 FROM task_runs t WHERE t.run = r.number AND t.node = :node AND t.state != 'skipped')
    AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.run = r.number AND s.node = :node)
)
ORDER BY r.number DESC LIMIT 1
