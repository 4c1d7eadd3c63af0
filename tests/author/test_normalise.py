"""The reader of syntax, against the compiler."""

from __future__ import annotations

import ast
import dis
import importlib
from collections.abc import Iterator
from types import CodeType

import pytest

from ropewalk.author.normalise import read
from ropewalk.author.sourcefile import open_source

MODULES = ["argparse", "dataclasses", "functools", "statistics", "tarfile", "textwrap", "asyncio.base_events"]


def functions_of(module: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, CodeType]]:
    loaded = importlib.import_module(module)
    source = open_source(str(loaded.__file__), vars(loaded))
    assert source is not None
    assert source.codes is not None
    for place in source.functions:
        for code in source.codes[place]:
            node = source.function(code)
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield node, code


def read_by(code: CodeType) -> set[str]:
    """Names that compiled code reads from outside."""
    read_here = {i.argval for i in dis.get_instructions(code) if i.opname in {"LOAD_GLOBAL", "LOAD_NAME"}}
    inner = [read_by(c) - {*code.co_cellvars, *code.co_varnames} for c in code.co_consts if isinstance(c, CodeType)]
    return read_here.union(code.co_freevars, *inner) - {"__class__", "__name__", "__debug__"}


@pytest.mark.parametrize("module", MODULES)
def test_the_reader_finds_the_names_that_the_compiler_finds(module: str) -> None:
    for node, code in functions_of(module):
        only_stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        mangled = {name for name in read_by(code) if name.startswith("_") and "__" in name[1:]}

        found = {load.chain[0] for load in read(node).body.loads if load.imported is None}

        assert read_by(code) - found - mangled <= only_stored & set(code.co_freevars), node.name


@pytest.mark.parametrize("module", MODULES)
def test_layout_does_not_change_the_text(module: str) -> None:
    for node, _ in functions_of(module):
        written_anew = ast.parse(ast.unparse(node)).body[0]

        assert read(written_anew) == read(node)


def mutants(node: ast.AST) -> Iterator[str]:
    """Changes the tree in place, one node at a time, and says which."""
    for inner in [n for n in ast.walk(node) if n is not node]:
        new: object
        if isinstance(inner, ast.Name | ast.arg | ast.Attribute | ast.keyword):
            name = {ast.Name: "id", ast.Attribute: "attr"}.get(type(inner), "arg")
            new = f"{getattr(inner, name)}_"
        elif isinstance(inner, ast.Constant):
            name, new = "value", f"{inner.value}?"
        elif isinstance(inner, ast.BinOp | ast.BoolOp | ast.UnaryOp):
            name, new = "op", ast.MatMult()
        elif isinstance(inner, ast.Compare):
            name, new = "ops", [ast.NotIn() if isinstance(op, ast.In) else ast.In() for op in inner.ops]
        else:
            continue
        old = getattr(inner, name)
        setattr(inner, name, new)
        yield f"{type(inner).__name__} in line {getattr(inner, 'lineno', '?')}: {old} → {new}"
        setattr(inner, name, old)


def strip(node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Takes away what is not part of the body's text."""
    node.decorator_list = []
    node.body = node.body[ast.get_docstring(node) is not None :] or node.body


@pytest.mark.parametrize("module", ["copy", "heapq", "textwrap"])
def test_every_change_of_the_syntax_changes_the_text(module: str) -> None:
    tried = 0
    for node, _ in functions_of(module):
        strip(node)
        base = read(node).body.text
        for change in mutants(node):
            tried += 1
            assert read(node).body.text != base, change
        assert read(node).body.text == base

    assert tried > 100
