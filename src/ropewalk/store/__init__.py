"""Durable facts: the event log, the state of runs, leases and records, in one database."""
