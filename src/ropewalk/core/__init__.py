"""The pure core: standard library only; no I/O, clock, randomness, threads or logging."""
