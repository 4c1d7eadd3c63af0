DELETE FROM task_runs WHERE run = :run AND node = :node AND item >= :first AND item < :end
