SELECT k.value FROM json_each(:digests) k WHERE EXISTS (SELECT 1 FROM graphs WHERE instr(body, k.value) > 0)
