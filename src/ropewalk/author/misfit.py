"""Whether an argument fits the annotation of its parameter, and what to say when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ropewalk.author.callsite import here
from ropewalk.author.constants import parameter_of, plain
from ropewalk.author.each import Each
from ropewalk.author.express import is_live
from ropewalk.author.hints import UNKNOWN, bare, show_type, signature_text
from ropewalk.author.refs import Handle, handle_of, is_reference
from ropewalk.author.types import accepts, fits, is_listable, item_of
from ropewalk.core.errors import DefinitionError

if TYPE_CHECKING:
    from ropewalk.author.bind import Callee


def check_type(callee: Callee, name: str, value: Any) -> None:
    """Compare one argument with the annotation of its parameter.

    Raises:
        DefinitionError: it certainly does not fit.
    """
    wanted = bare(_wanted(callee, name))
    if wanted is UNKNOWN:
        return
    if isinstance(value, Each):
        _check_items(callee, name, value, wanted)
    elif is_reference(value):
        handle = handle_of(value)
        if not fits(_type_of(handle), wanted):
            raise _misfit(callee, name, wanted, _described(handle), handle)
    elif isinstance(value, (list, tuple)) and is_live(value):
        _check_container(callee, name, value, wanted)
    elif not is_live(value) or parameter_of(value):
        _check_constant(callee, name, plain(value), wanted)


def _wanted(callee: Callee, name: str) -> Any:
    if name in callee.signature.parameters:
        return callee.hints.get(name, UNKNOWN)
    rest = [p.name for p in callee.signature.parameters.values() if p.kind is p.VAR_KEYWORD]
    return callee.hints.get(rest[0], UNKNOWN) if rest else UNKNOWN


def _type_of(handle: Handle) -> Any:
    if not handle.mapped:
        return handle.hint
    return list if handle.hint is UNKNOWN else list[handle.hint]  # type: ignore[name-defined]  # built at run time


def _check_items(callee: Callee, name: str, value: Each, wanted: Any) -> None:
    if is_reference(value.items):
        handle = handle_of(value.items)
        if not fits(value.item_hint, wanted):
            raise _misfit(
                callee, name, wanted, f"the items of `{handle.label}` are `{show_type(value.item_hint)}`", handle
            )
        return
    for item in value.items:
        if is_reference(item):
            if not fits(_type_of(handle_of(item)), wanted):
                raise _misfit(callee, name, wanted, _described(handle_of(item)), handle_of(item))
        elif not is_live(item):
            _check_constant(callee, name, plain(item), wanted)


def _check_container(callee: Callee, name: str, value: Any, wanted: Any) -> None:
    if not fits(type(value), wanted, exact=True):
        raise _misfit(callee, name, wanted, f"it is given a `{type(value).__name__}`", None)
    item_hint = item_of(wanted)
    for item in value:
        if is_reference(item) and not fits(_type_of(handle_of(item)), item_hint):
            raise _misfit(callee, name, wanted, _described(handle_of(item)), handle_of(item))


def _check_constant(callee: Callee, name: str, value: Any, wanted: Any) -> None:
    if accepts(value, wanted):
        return
    parameter = callee.signature.parameters.get(name)
    if value is None and parameter is not None and parameter.default is None:
        return
    text = repr(value)
    shown = text if len(text) <= 40 else text[:39] + "…"
    raise _misfit(callee, name, wanted, f"it is given `{shown}` ({type(value).__qualname__})", None)


def _described(handle: Handle) -> str:
    if handle.mapped:
        return f"`{handle.label}` is a list, with one `{show_type(handle.hint)}` for each item"
    if handle.label == handle.source:
        return f"`{handle.label}` returns `{show_type(handle.hint)}`"
    return f"`{handle.label}` is a `{show_type(handle.hint)}`"


def _misfit(callee: Callee, name: str, wanted: Any, given: str, handle: Handle | None) -> DefinitionError:
    shown = show_type(wanted)
    article = "an" if shown[:1].lower() in "aeiou" else "a"
    only = name if name in callee.signature.parameters else ""
    facts = [f"`{signature_text(callee.name, callee.fn, only)}` is declared at {callee.declared}"]
    if handle is not None and handle.declared is not None and handle.source != callee.name:
        facts.insert(0, f"`{handle.source}` is declared at {handle.declared}")
    return DefinitionError(
        f"`{callee.name}` needs {article} `{shown}` for `{name}`, but {given}",
        code="P201",
        where=here().where(),
        facts=facts,
        help=_help(name, wanted, handle),
    )


def _help(name: str, wanted: Any, handle: Handle | None) -> list[str]:
    shown = show_type(wanted)
    if handle is not None and not handle.source and is_listable(handle.hint) and fits(item_of(handle.hint), wanted):
        return ["for one loop for each item: loop(…, each(…), …)"]
    if handle is None or not handle.source:
        return [f"pass a value of type {shown}, or change the annotation of `{name}`"]
    if handle.mapped and fits(handle.hint, wanted):
        return [f"for one call for each item: {name}=each({handle.label})", f"for all at once: {name}: list[{shown}]"]
    return [
        f"return {shown} from `{handle.source}`, or change the annotation of `{name}`",
        f"to accept anything for now: {name}: Any",
    ]
