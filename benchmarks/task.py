"""What a job executes at peers whose tasks are commands: task.py BODY OUT [GIVEN ...]. Standard library only.

OUT is the file for the value; a GIVEN is a number, such a file, FILE:i for an item of its list, or a folder of files.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from benchmarks import bodies


def value(given: str) -> Any:
    if given.isdigit():
        return int(given)
    path, _, item = given.partition(":")
    if os.path.isdir(path):
        return [value(os.path.join(path, name)) for name in os.listdir(path)]
    with open(path, "rb") as file:
        found = pickle.load(file)
    return found[int(item)] if item else found


if __name__ == "__main__":
    _, body, out, *given = sys.argv
    result = getattr(bodies, body)(*map(value, given))
    with open(out, "wb") as file:
        pickle.dump(result, file, protocol=5)
