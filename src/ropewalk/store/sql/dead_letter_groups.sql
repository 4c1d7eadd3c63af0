SELECT fingerprint, count(*), json_group_array(DISTINCT node), json_group_array(DISTINCT run), min(at), max(at), failure
FROM dead_letters
WHERE :run IS NULL OR run = :run
GROUP BY fingerprint
ORDER BY max(at) DESC, fingerprint
