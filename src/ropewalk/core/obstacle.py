"""Why a node cannot run any more, after all that it waits for has ended."""

from __future__ import annotations

from ropewalk.core import expr as ex
from ropewalk.core.graph import Node
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import SKIPPED
from ropewalk.core.tolerance import ended_badly, enough_succeeded
from ropewalk.core.wiring import Wiring


def obstacle(state: RunState, node: Node, wiring: Wiring) -> str:
    """Why a node whose barriers are settled must be skipped; empty: it may run."""
    if ended := next((up for up in wiring.aligned if state.nodes[up].whole), ""):
        return f"needs {ended}"
    failed = [up for up in wiring.barriers if ended_badly(state.nodes[up])]
    rule = node.policy.run_if
    if rule in ("all_done", "always"):
        return ""
    if rule == "any_failed":
        return "" if failed else "nothing before it failed"
    if rule == "none_failed":
        return f"needs {failed[0]}" if failed else ""
    return _unmet(state, node, wiring)


def _unmet(state: RunState, node: Node, wiring: Wiring) -> str:
    exprs = [*node.bindings.values(), *((node.when,) if node.when is not None else ())]
    hard = [ref.node for e in exprs for ref in ex.hard_refs(e)] + list(node.after)
    for up in hard:
        if up in wiring.barriers and not enough_succeeded(state.nodes[up]):
            return f"needs {up}"
    for choice in (c for e in exprs for c in ex.choices(e)):
        if not _has_choice(state, choice):
            return f"needs {' or '.join(ex.show(o) for o in choice.options)}"
    return ""


def _has_choice(state: RunState, choice: ex.FirstOf) -> bool:
    for option in choice.options:
        runs = [state.nodes[ref.node] for ref in ex.refs(option)]
        if all(map(enough_succeeded, runs)):
            return True
        if not any(r.counts[SKIPPED] for r in runs):
            return False  # it failed, which no other branch makes good
    return False
