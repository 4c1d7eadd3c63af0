"""What moves: the scheduler, the executors, and the one facade that everything outside uses."""
