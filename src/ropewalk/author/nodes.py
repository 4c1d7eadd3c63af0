"""What a node of a syntax tree says by itself."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Chain: TypeAlias = tuple[str, ...]  # ("helpers", "scale") for helpers.scale


def chain_of(node: ast.AST) -> Chain:
    """The names of `a.b.c`, or nothing when the node is something else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def is_noise(statement: ast.AST) -> bool:
    """True for `pass`, docstrings and other constants that stand alone."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def text_of(nodes: Sequence[ast.AST]) -> str:
    """The first of the nodes if it is a text."""
    value = nodes[0].value if nodes and isinstance(nodes[0], ast.Constant) else None
    return value if isinstance(value, str) else ""


def callee_of(node: ast.expr) -> Chain:
    """What a decorator or a call names."""
    return chain_of(node.func if isinstance(node, ast.Call) else node)


def parameters_of(arguments: ast.arguments) -> list[ast.arg]:
    stars = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def first_line(node: ast.AST) -> int:
    """Where a definition begins: at its first decorator."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return decorators[0].lineno if decorators else getattr(node, "lineno", 0)
