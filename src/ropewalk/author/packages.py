"""Whose code a module is, and which installed distribution it came with."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from types import ModuleType
from typing import Literal, TypeAlias

FirstParty: TypeAlias = Callable[[str, str], bool]  # (module name, its file) → is it the user's own code?
Owner: TypeAlias = Literal["first_party", "stdlib", "ropewalk", "package"]

_STDLIB = os.path.dirname(os.__file__) + os.sep
_INSTALLED = ("site-packages", "dist-packages")

# Distributions that are not named like their module. Only where to look first: the RECORD of each is asked.
_LIKELY = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "faiss": "faiss-cpu",
    "pkg_resources": "setuptools",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def in_own_tree(module: str, file: str) -> bool:
    """The default rule: a file that is neither installed nor part of Python is the user's own."""
    return not file.startswith(_STDLIB) and not any(part in _INSTALLED for part in file.split(os.sep))


@dataclass(slots=True)
class Owners:
    """Whose code each module is, as one task sees it."""

    first_party: FirstParty
    root: str  # top-level package of the task: its own code wherever it is installed
    _known: dict[str, Owner] = field(default_factory=dict)

    def of(self, module: str, file: str = "") -> Owner:
        """The owner of a module; `file` helps where the module itself is not to be found."""
        owner = self._known.get(module)
        if owner is None:
            owner = self._known[module] = self._find(module, file)
        return owner

    def _find(self, module: str, file: str) -> Owner:
        top = module.partition(".")[0]
        if top == "ropewalk":  # its lifecycle blocks do a task's work: they are read like helpers
            return "first_party" if f"{module}.".startswith("ropewalk.ml.") else "ropewalk"
        if top in {"__main__", self.root}:
            return "first_party"
        file = file_of(module) or file
        if not file and module != top:
            return self.of(top)
        if not file or file.startswith("<"):
            return _owner_without_file(top, file)
        if self.first_party(module, file):
            return "first_party"
        return "stdlib" if in_stdlib(file) else "package"


def _owner_without_file(top: str, file: str) -> Owner:
    if top in sys.stdlib_module_names:
        return "stdlib"
    return "first_party" if file or top in sys.modules else "package"


def in_stdlib(file: str) -> bool:
    return file.startswith(_STDLIB) and not any(part in _INSTALLED for part in file.split(os.sep))


def file_of(module: str) -> str:
    """The file of a module, loaded or not; a package's `__init__.py`; never imports anything but its parents."""
    loaded = sys.modules.get(module)
    if isinstance(loaded, ModuleType):
        file = getattr(loaded, "__file__", None)
        return file if isinstance(file, str) else _first(getattr(loaded, "__path__", ()))
    if "." in module:
        return ""
    spec = find_top_level(module)
    if spec is None:
        return ""
    if spec.origin not in {None, "built-in", "frozen", "namespace"}:
        return spec.origin or ""
    return _first(spec.submodule_search_locations or ())


def compiled_digest(file: str) -> str:
    """What stands for the user's own extension modules, which have no source to read."""
    if not file.endswith(tuple(EXTENSION_SUFFIXES)):
        return ""
    with open(file, "rb") as opened:
        return "#" + hashlib.file_digest(opened, "sha256").hexdigest()


def find_top_level(name: str) -> ModuleSpec | None:
    """Where `import name` would look, without importing it."""
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, None)
        except Exception:  # noqa: BLE001, S112 - somebody else's import hook
            continue
        if spec is not None:
            return spec
    return None


def _first(paths: object) -> str:
    return next((os.path.join(str(p), "") for p in paths), "") if hasattr(paths, "__iter__") else ""


# -- distributions ---------------------------------------------------------------------------------


def distributions_of(module: str) -> tuple[tuple[str, str], ...]:
    """Name and version of what provides a module: nearly always one, none when nobody says so.

    Reads the names of the `*.dist-info` folders beside the module; `importlib.metadata`, which takes tens of
    milliseconds to load and to search, is for layouts that this does not know.
    """
    top = module.partition(".")[0]
    file = file_of(top)
    regular = bool(file) and not file.endswith(os.sep)
    asked = top if regular else module
    return _distributions(asked, file_of(asked) or file)


def forget_distributions() -> None:
    _distributions.cache_clear()
    _installed.cache_clear()


@cache
def _distributions(module: str, file: str) -> tuple[tuple[str, str], ...]:
    folder, path = _split(module, file)
    installed = _installed(folder)
    name = canonical(module)
    if name in installed:
        return ((name, installed[name][0]),)
    likely = _LIKELY.get(module, "")
    for candidate in sorted(installed, key=lambda n: (n != likely, n)):
        version, info = installed[candidate]
        if path and _records(os.path.join(folder, info), path):
            return ((candidate, version),)
    return _ask_metadata(module.partition(".")[0])


def _split(module: str, file: str) -> tuple[str, str]:
    """The folder in which the module's top level lies, and the module's file relative to it."""
    path = folder = file.rstrip(os.sep)
    for _ in range(module.count(".") + (2 if os.path.basename(path).startswith("__init__.") else 1)):
        folder = os.path.dirname(folder)
    return folder, path[len(folder) + 1 :].replace(os.sep, "/")


@cache
def _installed(folder: str) -> dict[str, tuple[str, str]]:
    """Canonical name → (version, folder of its metadata)."""
    found: dict[str, tuple[str, str]] = {}
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return found
    for entry in entries:
        if entry.endswith(".dist-info"):
            name, _, version = entry.removesuffix(".dist-info").rpartition("-")
            found[canonical(name)] = (version, entry)
    return found


def _records(info: str, path: str) -> bool:
    try:
        with open(os.path.join(info, "RECORD"), encoding="utf-8") as file:
            text = "\n" + file.read()
    except (OSError, UnicodeDecodeError):
        return False
    return f"\n{path}," in text or f"\n{path}/" in text


def _ask_metadata(top: str) -> tuple[tuple[str, str], ...]:
    from importlib import metadata

    names = sorted(set(metadata.packages_distributions().get(top, ())))
    if names:
        return tuple((canonical(name), metadata.version(name)) for name in names)
    version = getattr(sys.modules.get(top), "__version__", None)
    return ((canonical(top), version),) if isinstance(version, str) else ()


def canonical(name: str) -> str:
    """The normal form of a distribution's name, as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()
