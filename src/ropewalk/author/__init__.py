"""Authoring: functions become tasks, calls become a graph, code becomes a fingerprint."""
