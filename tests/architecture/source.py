"""The package as syntax trees: what every architecture test reads."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "ropewalk"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: real, or planted by a negative control."""

    path: str  # relative to the repository, e.g. "src/ropewalk/core/graph.py"
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def package(self) -> str:
        """First name below `ropewalk`: "core" for core/graph.py, "config" for config.py."""
        return Path(self.path).relative_to("src/ropewalk").parts[0].removesuffix(".py")


def package_sources() -> list[Source]:
    """Every Python file of the package."""
    return sources(PACKAGE)


def sources(folder: Path) -> list[Source]:
    """Every Python file below a folder of the repository."""
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(_python_files(folder))
    ]


def _python_files(folder: Path) -> Iterator[Path]:
    """Those in hidden folders are not ours: environments of others."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if name.endswith(".py"))


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every import, at any depth; name is "" for `import module`.

    `importlib.import_module("literal")` and `__import__("literal")` count: they are imports in disguise.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and called_name(node) in {"import_module", "__import__"}:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value, ""


def called_name(node: ast.Call) -> str:
    """Last part of what is called: "now" for `datetime.now()`, "open" for `open()`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
