"""What to say when a reference is used as if its value were known already."""

from __future__ import annotations

import ast
import keyword
from typing import NoReturn

from ropewalk.author.callsite import current_nodes, here
from ropewalk.core.errors import MisuseError


def misuse(label: str, source: str, kind: str) -> NoReturn:
    """Raise the error for a use that would need the value now, with the replacement.

    Args:
        label: the reference as a person would write it.
        source: the task that it waits for; empty: not known.
        kind: the use; a key of `_FIXES`.
    """
    construct, text = _construct(kind)
    moment = f"`{source}` has run" if source else "the pipeline runs"
    what = f", so {_WHAT[kind]}" if kind in _WHAT else ""
    names = {"text": text or label, "label": label, "name": _variable_like(label)}
    raise MisuseError(
        f"`{label}` is not known until {moment}{what}",
        where=here().where(),
        help=[line.format(**names) for line in _FIXES[construct]],
    )


def _construct(kind: str) -> tuple[str, str]:
    """What the author's line does with the reference, and the text of the expression."""
    if kind != "bool":
        return kind, ""
    nodes, parents = current_nodes()
    for node in reversed(nodes):
        for candidate in (node, parents.get(node)):
            found = _decision(candidate)
            if found:
                return found
    return kind, ""


def _decision(candidate: ast.AST | None) -> tuple[str, str] | None:
    """The construct that needs to know whether something is true, and the text of that or of its replacement."""
    if isinstance(candidate, ast.BoolOp):
        sign = " & " if isinstance(candidate.op, ast.And) else " | "
        return "and_or", sign.join(f"({_text(v)})" for v in candidate.values)
    if isinstance(candidate, ast.Compare) and len(candidate.ops) > 1:
        return "chain", _text(candidate)
    if isinstance(candidate, ast.UnaryOp) and isinstance(candidate.op, ast.Not):
        return "not", _text(candidate.operand)
    if isinstance(candidate, ast.While):
        return "while", _text(candidate.test)
    if isinstance(candidate, (ast.If, ast.IfExp, ast.Assert)):
        return "if", _text(candidate.test)
    return None


def _text(node: ast.expr) -> str:
    return _short(ast.unparse(node))


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _variable_like(label: str) -> str:
    word = label.replace(":", "_").rpartition(".")[2]
    return word if word.isidentifier() and not keyword.iskeyword(word) else "value"


_WHAT = {
    "call": "it cannot be called",
    "iter": "it cannot be iterated over",
    "assign": "it cannot be changed",
    "pickle": "it cannot be pickled",
    "mapped_item": "no entry can be taken from each of its results",
    "mapped_operator": "its items cannot be compared or computed with here",
    "operator": "this operator cannot be used on it",
    "text": "it cannot be put into a text",
    "part": "a part of it cannot be taken here",
}

_INSIDE = "do it inside a task, which gets the value: @task def use({name}): …"
_FIXES: dict[str, list[str]] = {
    "if": ["with when({text}): …   then   with otherwise(): …"],
    "while": ["decide with when({text}), or repeat inside a task"],
    "and_or": ["`and` and `or` need the value now; write {text}"],
    "not": ["`not` needs the value now; write ~({text})"],
    "chain": ["split the chained comparison and join the parts with &: (a <= x) & (x <= b), not {text}"],
    "bool": ["with when({text}): …   instead of `if`;   & | ~   instead of `and`, `or`, `not`"],
    "text": ["make the text inside a task that takes {label}"],
    "len": ["count inside a task, or map over the items: some_task(each({label}))"],
    "in": ["look inside a task that returns bool, and branch on it: with when(contains({label})): …"],
    "call": ["call it inside a task, which gets the value: @task def step(value): return value.{name}(…)"],
    "number": [_INSIDE],
    "assign": ["a result is never changed; make a task that returns the changed value"],
    "pickle": ["return it from the pipeline, or pass it to a task"],
    "operator": ["use one of >= > <= < == != & | ~ + - * /, or a task"],
    "iter": [
        "map over the items: some_task(each({label}))",
        "to unpack, annotate what the task returns: -> tuple[A, B] or a NamedTuple",
    ],
    "mapped_item": ["let the task return a NamedTuple or dataclass, whose fields can be taken: {label}.name"],
    "mapped_operator": ["{label} is a list of results; pass it whole to a task that compares them"],
    "slice": ["take the slice inside a task, or map over all items: some_task(each({label}))"],
    "part": ["take the part inside a task, or name the result of a task first"],
}  # fmt: skip
