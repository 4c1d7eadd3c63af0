"""What a name means: from the text of a function to the object that it will find when it runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ropewalk.author.packages import Owners
from ropewalk.author.piece import Imported, Load
from ropewalk.author.sourcefile import SourceFile, open_source
from ropewalk.author.values import External, external, identify

_MISSING = object()
# What a module knows of itself: it would make code depend on where it lies and how it was started.
_OF_MODULE = frozenset(
    "__name__ __file__ __path__ __package__ __spec__ __loader__ __doc__ __cached__ __builtins__ __annotations__".split()
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where code looks names up."""

    names: Mapping[str, Any]  # globals of its module
    cells: Mapping[str, object] = field(default_factory=dict)  # of enclosing functions
    prefix: str = ""  # qualified name of the enclosing function, for the names of cells


@dataclass(frozen=True, slots=True)
class Found:
    value: object
    names: Mapping[str, Any]  # what it was found in
    name: str
    scope: Scope  # of which `names` is a part

    @property
    def is_global(self) -> bool:
        return self.names is self.scope.names


def look_up(load: Load, scope: Scope, owners: Owners) -> Found | None:
    """The object behind a name, or None for builtins, for what is not there and for `__name__` and the like.

    Attributes are followed through first-party modules only: everything else counts as a whole.
    """
    name = load.chain[0]
    found: Found | None
    if load.imported is not None:
        found = _import(load.imported, scope, owners)
    elif name in scope.cells:
        found = Found(scope.cells[name], scope.cells, name, scope)
    elif name in scope.names and name not in _OF_MODULE:
        found = Found(scope.names[name], scope.names, name, scope)
    else:
        return None
    for attribute in load.chain[1:]:
        if found is None or not isinstance(found.value, ModuleType):
            break
        owner = owners.of(found.value.__name__)
        if owner not in {"first_party", "ropewalk"}:
            break
        member = _member(found.value, attribute, may_import=load.imported is not None)
        if owner == "ropewalk" and (member is None or not _leads_on(member.value, owners)):
            break
        found = member
    return found


def origin(found: Found, owners: Owners) -> Found | External:
    """Where a global was assigned: follows `from module import name`, also through several modules."""
    for _ in range(20 if found.is_global else 0):
        source = source_of(found.names)
        if source is None or found.name in source.names().statements:
            return found
        step = _step(found, source, owners)
        if step is None or isinstance(step, External):
            return step or found
        found = step
    return found


def source_of(names: Mapping[str, Any]) -> SourceFile | None:
    """The source of the module whose globals these are."""
    file = names.get("__file__")
    return open_source(file, names) if isinstance(file, str) else None


def display_name(names: Mapping[str, Any]) -> str:
    """The name of a module for people: that of its file when it runs as a script."""
    name = str(names.get("__name__") or "")
    if name != "__main__":
        return name
    spec, file = names.get("__spec__"), names.get("__file__")
    if spec is not None and isinstance(getattr(spec, "name", None), str):
        return str(spec.name)
    return file.replace("\\", "/").rpartition("/")[2].removesuffix(".py") if isinstance(file, str) else name


def _step(found: Found, source: SourceFile, owners: Owners) -> Found | External | None:
    named = source.names().imports.get(found.name)
    stars = [Imported(s.module, s.level, found.name) for s in source.names().stars]
    for imported in [named] if named is not None else stars:
        name = _absolute(imported, found.names)
        module = sys.modules.get(name)
        if module is None or getattr(module, imported.attribute, _MISSING) is not found.value:
            continue
        if owners.of(name) != "first_party":
            return external(name, imported.attribute, owners)
        return Found(found.value, vars(module), imported.attribute, Scope(vars(module)))
    return None


def _leads_on(value: object, owners: Owners) -> bool:
    """Ropewalk's own modules are only passed through, on the way to what is read (`ropewalk.ml`)."""
    return isinstance(value, ModuleType) or not isinstance(identify(value, owners), External | None)


def _import(imported: Imported, scope: Scope, owners: Owners) -> Found | None:
    """What an import statement inside a function yields; only first-party modules are really imported."""
    name = _absolute(imported, scope.names)
    if owners.of(name) != "first_party":
        return Found(external(name, imported.attribute, owners), {}, name, scope)
    module = _load(name)
    if module is None or not imported.attribute:
        return None if module is None else Found(module, {}, name, scope)
    return _member(module, imported.attribute, may_import=True)


def _member(module: ModuleType, name: str, *, may_import: bool) -> Found | None:
    try:
        value = getattr(module, name, _MISSING)
    except Exception:  # noqa: BLE001 - a module's own __getattr__
        value = _MISSING
    if value is _MISSING and may_import and hasattr(module, "__path__"):
        value = _load(f"{module.__name__}.{name}") or _MISSING
    return None if value is _MISSING else Found(value, vars(module), name, Scope(vars(module)))


def _load(name: str) -> ModuleType | None:
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except (Exception, SystemExit):  # noqa: BLE001 - the user's module may do anything; the task itself will tell
        return None


def _absolute(imported: Imported, names: Mapping[str, Any]) -> str:
    if not imported.level:
        return imported.module
    package = names.get("__package__")
    if not isinstance(package, str):
        name = str(names.get("__name__") or "")
        package = name if "__path__" in names else name.rpartition(".")[0]
    for _ in range(imported.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{imported.module}" if imported.module else package
