"""Which code a task consists of, as far as reuse is concerned.

A fingerprint covers the task's syntax and the first-party functions, classes and constants that it reaches, plus name
and version of the distributions that this code uses. It does not cover comments, docstrings, layout, the types of
helpers, Ropewalk's own decorators (they are policy), nor where files lie and where in them code stands.

Constants count with the value that they have when the fingerprint is taken: once per process, before the task runs.
A value that cannot be compared (an open file, a lock) counts by its type and by the statement that makes it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from ropewalk.author.closure import Closure
from ropewalk.author.packages import FirstParty, Owners, distributions_of, forget_distributions, in_own_tree
from ropewalk.author.sourcefile import forget_sources
from ropewalk.author.values import module_of, task_function, wrapped_function
from ropewalk.core.code import CodeFingerprint, CodePart

__all__ = ["FirstParty", "clear_cache", "describe_change", "fingerprint", "forget_functions"]

_KNOWN: WeakKeyDictionary[FunctionType, tuple[FirstParty | None, CodeFingerprint]] = WeakKeyDictionary()


def fingerprint(function: Callable[..., Any], *, first_party: FirstParty | None = None) -> CodeFingerprint:
    """The code of a task: everything whose change must make it run again.

    Never raises for odd code: a function without source counts by its bytecode.

    Args:
        function: the task's function, or the task.
        first_party: tells by name and file of a module whether it is the user's own code. By default, what is
            neither installed nor part of Python. The package that the task itself is in always is.

    Returns:
        The fingerprint; `parts[0]` is the task itself. Taken once per process and function.
    """
    task = task_function(function)
    known = _KNOWN.get(task) if isinstance(task, FunctionType) else None
    if known is not None and known[0] is first_party:
        return known[1]
    innermost = _innermost(task)
    module = module_of(innermost) if isinstance(innermost, FunctionType) else str(type(innermost).__module__)
    closure = Closure(Owners(first_party or in_own_tree, module.partition(".")[0]))
    closure.grow(task, innermost)
    result = _finished(closure)
    if isinstance(task, FunctionType):
        _KNOWN[task] = (first_party, result)
    return result


def forget_functions() -> None:
    """Take every fingerprint anew: in a notebook, what a function reaches may be another thing by now."""
    _KNOWN.clear()


def clear_cache() -> None:
    """Forgets fingerprints, parsed files and installed distributions, as if the process were new."""
    _KNOWN.clear()
    forget_sources()
    forget_distributions()


def describe_change(old: CodeFingerprint, new: CodeFingerprint) -> list[str]:
    """What changed between two fingerprints of a task, one line for people each; empty when nothing did."""
    if old.digest == new.digest:
        return []
    before, after = _by_name(old.parts), _by_name(new.parts)
    lines = []
    for name, parts in after.items():
        if name not in before:
            lines.append(f"now uses {_shown(parts[0], parts[0].line)}")
            continue
        known = {part.digest for part in before[name]}
        for part in [p for p in parts if p.digest not in known][:1]:
            what = "constant" if _kind(part) == "constant" else "code"
            lines.append(f"{what} changed: {_shown(part, part.line)}")
    lines += [f"no longer uses {_shown(parts[0])}" for name, parts in before.items() if name not in after]
    lines += _package_changes(dict(old.packages), dict(new.packages))
    return lines or [f"code changed: {_shown(new.parts[0], new.parts[0].line)}" if new.parts else "code changed"]


def _innermost(value: object) -> object:
    """The function that wrappers, partials and tasks were made from."""
    for _ in range(100):
        inner = task_function(value)
        if isinstance(value, functools.partial):
            inner = value.func
        elif isinstance(value, MethodType | staticmethod | classmethod):
            inner = value.__func__
        elif inner is value:
            inner = wrapped_function(value) or value
        if inner is value:
            break
        value = inner
    return value


def _finished(closure: Closure) -> CodeFingerprint:
    """Two digests of each part: links count by name in its own, and by position in that of the whole.

    So renaming or moving a module changes nothing, and a change is reported where it happened only.
    """
    whole = hashlib.sha256()
    parts = []
    for part in closure.parts:
        text = "".join(part.text)
        names = [f"{label}>{closure.parts[index].name}" for label, index in part.links]
        parts.append(CodePart(part.name, f"{part.kind}:{_short_digest([text, *names])}", part.file, part.line))
        places = [f"{label}>{index}" for label, index in part.links]
        whole.update(_short_digest([part.kind, text, *places]).encode())
    found = {found for module in closure.modules for found in distributions_of(module)}
    packages = tuple(sorted(found))
    whole.update(repr(packages).encode())
    return CodeFingerprint(whole.hexdigest(), tuple(parts), packages)


def _short_digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _by_name(parts: Iterable[CodePart]) -> dict[str, list[CodePart]]:
    found: dict[str, list[CodePart]] = {}
    for part in parts:
        found.setdefault(part.name, []).append(part)
    return found


def _kind(part: CodePart) -> str:
    return part.digest.partition(":")[0]


def _shown(part: CodePart, line: int = 0) -> str:
    module, _, name = part.name.partition(":")
    name = name.replace("<locals>.", "")
    place = (part.file or module) + (f":{line}" if line else "")
    return f"{place} {name}()" if _kind(part) in {"function", "bytecode"} else f"{place} {name}".rstrip()


def _package_changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            lines.append(f"now uses package {name} {new[name]}")
        elif name not in new:
            lines.append(f"no longer uses package {name}")
        elif old[name] != new[name]:
            lines.append(f"package {name} {old[name]} → {new[name]}")
    return lines
