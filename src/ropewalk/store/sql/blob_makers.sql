SELECT digest, run, node, item, output FROM blobs WHERE digest >= :low AND digest < :high ORDER BY run, node, item LIMIT 10000
