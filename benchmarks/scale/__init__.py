"""How far one store and one scheduler go: the real engine, in virtual time, on workers that do not exist."""
