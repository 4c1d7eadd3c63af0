"""One file for each peer. `BENCH_PEERS` names a folder with more of them, for a tool of your own."""

import os

if more := os.environ.get("BENCH_PEERS"):
    __path__.append(more)
