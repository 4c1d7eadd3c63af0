"""`make bench`: what Ropewalk costs, side by side with plain Python, measured in one go."""
