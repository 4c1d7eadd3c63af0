"""References: what a task call returns while a graph is made. They stand for values that do not exist yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from ropewalk.author.callsite import CallSite, here
from ropewalk.author.constants import literal, plain
from ropewalk.author.hints import UNKNOWN, show_type
from ropewalk.author.misuse import misuse
from ropewalk.author.outputs import NoSuchPart, fixed_length, part
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, MisuseError, UnstorableError, did_you_mean

if TYPE_CHECKING:
    from ropewalk.author.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """What is known of a reference."""

    trace: Trace
    expr: ex.Expr
    label: str  # as a person would write it, e.g. "split.train"
    hint: Any = UNKNOWN  # the annotation of the value; of a mapped reference that of one item
    mapped: bool = False  # a list with one value for each item
    length: int | None = None  # of a mapped reference, where it is known
    picked: bool = False  # one item's result out of those of a mapped call
    node: str = ""  # the task call that it comes from; empty: an expression of several
    source: str = ""  # the task that declares `hint`
    declared: CallSite | None = None  # where


class Reference:
    """Stands for a result, or a part of one, that is not known until the pipeline runs.

    Attributes and items are references again, comparisons and arithmetic are expressions, and `after` and `>>` are
    control dependencies; a field that is itself called `after` is `ref["after"]`. Everything that would need the
    value now raises MisuseError.
    """

    __slots__ = ("_ropewalk",)
    __array_ufunc__ = None  # NumPy scalars leave `scalar <= ref` to us
    __hash__ = object.__hash__
    _ropewalk: Handle

    def __init__(self, handle: Handle) -> None:
        object.__setattr__(self, "_ropewalk", handle)

    def __repr__(self) -> str:
        return f"<ref {self._ropewalk.label}>"

    def __getattr__(self, name: str) -> Reference:
        if name.startswith("_"):
            raise AttributeError(f"a reference has no `{name}`: its value is not known before the pipeline runs")
        return _project(self, ("attr", name))

    def __getitem__(self, key: Any) -> Reference:
        key = plain(key)
        if type(key) not in (str, int):
            _refuse_item(self, key)
        return _project(self, ("item", key))

    def __iter__(self) -> Iterator[Reference]:
        handle = self._ropewalk
        count = fixed_length(handle.hint)
        if not count:
            _misuse(self, "iter")
        return iter([_project(self, ("item", index), unpacking=True) for index in range(count)])

    def after(self, *others: Any) -> Reference:
        """This reference; its task waits for the tasks of `others` to succeed, without taking their values."""
        handle = self._ropewalk
        if not handle.node:
            raise MisuseError(
                f"`{handle.label}` is not the result of one task, so it cannot wait for others",
                where=here().where(),
                help=["call .after(...) on the result of a task"],
            )
        handle.trace.add_after(handle.node, others)
        return self

    def __rshift__(self, other: Any) -> Any:
        for reference in _each_reference(other):
            reference.after(self)
        return other

    def __rrshift__(self, other: Any) -> Reference:
        return self.after(*_each_reference(other))

    def __ge__(self, other: Any) -> Reference:
        return _operate("ge", self, other)

    def __gt__(self, other: Any) -> Reference:
        return _operate("gt", self, other)

    def __le__(self, other: Any) -> Reference:
        return _operate("le", self, other)

    def __lt__(self, other: Any) -> Reference:
        return _operate("lt", self, other)

    def __eq__(self, other: object) -> Reference:  # type: ignore[override]  # an expression, not an answer
        return _operate("eq", self, other)

    def __ne__(self, other: object) -> Reference:  # type: ignore[override]  # an expression, not an answer
        return _operate("ne", self, other)

    def __and__(self, other: Any) -> Reference:
        return _operate("and", self, other)

    def __rand__(self, other: Any) -> Reference:
        return _operate("and", other, self)

    def __or__(self, other: Any) -> Reference:
        return _operate("or", self, other)

    def __ror__(self, other: Any) -> Reference:
        return _operate("or", other, self)

    def __invert__(self) -> Reference:
        return _operate("not", self)

    def __neg__(self) -> Reference:
        return _operate("neg", self)

    def __add__(self, other: Any) -> Reference:
        return _operate("add", self, other)

    def __radd__(self, other: Any) -> Reference:
        return _operate("add", other, self)

    def __sub__(self, other: Any) -> Reference:
        return _operate("sub", self, other)

    def __rsub__(self, other: Any) -> Reference:
        return _operate("sub", other, self)

    def __mul__(self, other: Any) -> Reference:
        return _operate("mul", self, other)

    def __rmul__(self, other: Any) -> Reference:
        return _operate("mul", other, self)

    def __truediv__(self, other: Any) -> Reference:
        return _operate("div", self, other)

    def __rtruediv__(self, other: Any) -> Reference:
        return _operate("div", other, self)

    def __copy__(self) -> Reference:
        return self

    def __deepcopy__(self, memo: Any) -> Reference:
        return self


def _define_misuses() -> None:
    """Give Reference the special methods that would need the value now."""
    kinds = {
        "bool": ["bool"], "text": ["str", "format"], "len": ["len"], "in": ["contains"], "call": ["call"],
        "number": ["float", "int", "complex", "index", "round", "trunc", "floor", "ceil"],
        "assign": ["setattr", "delattr", "setitem", "delitem"],
        "pickle": ["reduce", "reduce_ex"],
        "operator": [r + n for n in ("floordiv", "mod", "pow", "matmul", "lshift", "xor") for r in ("", "r")]
        + ["abs", "pos", "divmod", "rdivmod"],
        "iter": ["reversed"],
    }  # fmt: skip
    for kind, names in kinds.items():
        for name in names:
            setattr(Reference, f"__{name}__", _misuser(kind))


def _misuser(kind: str) -> Callable[..., Any]:
    def refuse(self: Reference, *_: Any, **__: Any) -> NoReturn:
        _misuse(self, kind)

    return refuse


_define_misuses()


def is_reference(value: Any) -> bool:
    return type(value) is Reference


def handle_of(reference: Reference) -> Handle:
    return reference._ropewalk


def _misuse(reference: Reference, kind: str) -> NoReturn:
    misuse(reference._ropewalk.label, reference._ropewalk.source, kind)


def _each_reference(value: Any) -> list[Reference]:
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    for item in found:
        if not is_reference(item):
            raise DefinitionError(
                f"`>>` joins results of tasks, not a `{show_type(type(item))}`", code="P203", where=here().where(),
                help=["put results of task calls on both sides, or lists of them"],
            )  # fmt: skip
    return found


def _project(reference: Reference, step: ex.Step, *, unpacking: bool = False) -> Reference:
    handle = reference._ropewalk
    picks = handle.mapped and step[0] == "item" and isinstance(step[1], int) and not unpacking
    try:
        step, hint = (step, handle.hint) if picks else part(handle.hint, step)
    except NoSuchPart as problem:
        raise _no_such_part(handle, step, problem.known) from None
    if handle.mapped and step[0] == "item" and not picks:
        _misuse(reference, "mapped_item")
    expr = _extend(handle.expr, step)
    if expr is None:
        _misuse(reference, "part")
    label = handle.label + ex.show_path((step,))
    if picks:  # one result out of the list
        return Reference(replace(handle, expr=expr, label=label, mapped=False, length=None, picked=True))
    return Reference(replace(handle, expr=expr, hint=hint, label=label))


def _extend(expr: ex.Expr, step: ex.Step) -> ex.Expr | None:
    """The expression for a part of an expression's value; None when there is none."""
    if isinstance(expr, (ex.Ref, ex.Slot, ex.Part)):
        return ex.part(expr, (step,))
    if isinstance(expr, ex.FirstOf):
        options = [_extend(option, step) for option in expr.options]
        return None if any(o is None for o in options) else ex.FirstOf(tuple(o for o in options if o is not None))
    return None


def _no_such_part(handle: Handle, step: ex.Step, known: tuple[str, ...]) -> DefinitionError:
    shown = ex.show_path((step,))
    facts = [f"`{handle.label}` is a {show_type(handle.hint)}"]
    if handle.declared is not None:
        facts[0] += f" (declared at {handle.declared})"
    if known:
        facts.append(f"it has {', '.join(known)}")
    guess = did_you_mean(str(step[1]), known)
    if guess:
        fix = f"did you mean `.{guess}`?"
    elif show_type(handle.hint).startswith("dict") and step[0] == "attr":
        fix = f'an entry of a dict is `["{step[1]}"]`'
    else:
        fix = "change the return annotation of the task if it really has that part"
    return DefinitionError(
        f"`{handle.label}` has no `{shown}`", code="P206", where=here().where(), facts=facts, help=[fix]
    )


def _operate(name: str, *operands: Any) -> Reference:
    references = [o for o in operands if is_reference(o)]
    handle = references[0]._ropewalk
    for reference in references:
        if reference._ropewalk.mapped:
            _misuse(reference, "mapped_operator")
        if reference._ropewalk.trace is not handle.trace:
            raise foreign(reference)
    expr = ex.Op(name, tuple(_operand(o, handle) for o in operands))
    hint = bool if name in ("ge", "gt", "le", "lt", "eq", "ne", "and", "or", "not") else UNKNOWN
    return Reference(Handle(handle.trace, expr, _label(name, operands), hint, source=handle.source))


def _operand(value: Any, handle: Handle) -> ex.Expr:
    if is_reference(value):
        expr: ex.Expr = value._ropewalk.expr
        return expr
    try:
        return literal(value)
    except UnstorableError:
        raise DefinitionError(
            f"`{handle.label}` can be compared and computed with plain values, not with a `{show_type(type(value))}`",
            code="P204", where=here().where(), help=["do it inside a task"],
        ) from None  # fmt: skip


def _label(name: str, operands: tuple[Any, ...]) -> str:
    texts = []
    for operand in operands:
        compound = is_reference(operand) and isinstance(operand._ropewalk.expr, ex.Op)
        text = operand._ropewalk.label if is_reference(operand) else repr(plain(operand))
        texts.append(f"({text})" if compound else text)
    sign = ex.OPERATORS[name][0]
    return f" {sign} ".join(texts) if len(texts) == 2 else sign + texts[0]


def foreign(reference: Reference) -> DefinitionError:
    """The error for a reference that is used outside the pipeline that made it."""
    handle = reference._ropewalk
    return DefinitionError(
        f"`{handle.label}` is a reference of another build of pipeline `{handle.trace.name}`",
        code="P218",
        where=here().where(),
        facts=["a reference means something only inside the pipeline call that made it"],
        help=["call the task again in this pipeline, or pass a value in as a parameter"],
    )


def _refuse_item(reference: Reference, key: Any) -> NoReturn:
    if is_reference(key) or isinstance(key, slice):
        _misuse(reference, "slice")
    raise DefinitionError(
        f"an item of `{reference._ropewalk.label}` is named by a text or a whole number, not by {key!r}",
        code="P206", where=here().where(), help=["take the item inside a task"],
    )  # fmt: skip
