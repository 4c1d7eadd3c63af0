SELECT run, node, item, fingerprint, key, inputs, attempts, failure, at FROM dead_letters
WHERE (:run IS NULL OR run = :run) AND (:low IS NULL OR (fingerprint >= :low AND fingerprint < :high))
ORDER BY run, node, item
