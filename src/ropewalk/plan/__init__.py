"""Pure predictions: graph and history in, estimates and choices out. No clock, no I/O."""
