"""How many threads the numerical libraries of a worker use: as many as its attempt has asked for cores."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

VARIABLES = (  # each is read once, when its library is loaded
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
)  # fmt: skip
_OF_LOADED = VARIABLES[:3]
_SETTERS = (("pyarrow", "set_cpu_count"), ("torch", "set_num_threads"), ("numexpr", "set_num_threads"))


class Threads:
    """The thread pools of this process. Variables that the user has set, and what they rule, are left alone.

    Args:
        usual: threads for attempts that ask for no more than one core.
    """

    def __init__(self, usual: int) -> None:
        self._usual = usual
        self._ours = [name for name in VARIABLES if name not in os.environ]
        self._now = 0

    def use(self, cpu: float) -> None:
        """Give the libraries as many threads as an attempt that asks for `cpu` cores may use."""
        number = max(1, int(cpu)) if cpu > 1 else self._usual
        if number == self._now:
            return
        self._now = number
        for name in self._ours:
            os.environ[name] = str(number)
        if all(name in self._ours for name in _OF_LOADED):
            _tell_loaded(number)


def _tell_loaded(number: int) -> None:
    """Libraries that are loaded do not read their variables again. polars cannot be told at all."""
    if "numpy" in sys.modules:
        with contextlib.suppress(Exception):  # it is not installed, or knows a library badly
            importlib.import_module("threadpoolctl").threadpool_limits(number)
    for library, setter in _SETTERS:
        with contextlib.suppress(Exception):  # not loaded, or not wholly
            getattr(sys.modules[library], setter)(number)
