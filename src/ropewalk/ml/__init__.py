"""Blocks of the ML life cycle: plain types, pure functions, thin tasks."""
