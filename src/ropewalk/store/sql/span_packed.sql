SELECT substr(packed, :at_byte + 1) FROM events WHERE run = :run AND seq = :seq
