SELECT DISTINCT digest FROM blobs WHERE run NOT IN (SELECT value FROM json_each(:without))
