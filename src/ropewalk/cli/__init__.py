"""The command line: it shows what the engine, the store and the author layer tell, and decides nothing itself."""
