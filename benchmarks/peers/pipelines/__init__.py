"""Pipelines as two tools want them: in modules that they can load again by name."""
