SELECT (SELECT count(*) FROM task_runs WHERE run = :run AND node = :node AND item >= :first)
     + (SELECT coalesce(sum(min(items, first + items - :first)), 0) FROM spans
        WHERE run = :run AND node = :node AND first + items > :first)
