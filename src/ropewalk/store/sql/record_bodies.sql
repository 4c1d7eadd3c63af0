SELECT body FROM records
