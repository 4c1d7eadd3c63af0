"""Compiled code as text: what is left to compare when a function's source is not to be had."""

from __future__ import annotations

from types import CodeType

from ropewalk.author.piece import Load, Piece


def read_bytecode(code: CodeType) -> Piece:
    """Instructions, constants and names; each name counts as one that is read."""
    names: dict[str, None] = {}
    text = _text(code, names)
    return Piece(text, tuple(Load((name,)) for name in names))


def _text(code: CodeType, names: dict[str, None]) -> str:
    names.update(dict.fromkeys([*code.co_freevars, *code.co_names]))
    constants = [_text(c, names) if isinstance(c, CodeType) else _constant(c) for c in code.co_consts]
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    parts = [code.co_name, code.co_code.hex(), *constants, code.co_names, code.co_varnames, code.co_freevars, shape]
    return "bytecode(" + ",".join(map(str, parts)) + ")"


def _constant(value: object) -> str:
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_constant, value))})"
    return f"{type(value).__name__}:{value!r}"
