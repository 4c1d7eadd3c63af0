"""Where attempts run: in this process, or in warm worker processes."""
