"""Why a node cannot run any more, after all that it waits for has ended."""

from __future__ import annotations

from ropewalk.core import expr as ex
from ropewalk.core.graph import Node
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED, SKIPPED, SUCCEEDED
from ropewalk.core.tolerance import ended_badly, enough_succeeded
from ropewalk.core.wiring import Wiring, pick_of


def obstacle(state: RunState, node: Node, wiring: Wiring) -> str:
    """Why a node whose barriers are settled must be skipped; empty: it may run."""
    rule = node.policy.run_if
    alone = not (wiring.aligned or wiring.picked)
    if alone and rule == "all_succeeded" and all(state.nodes[up].all_succeeded for up in wiring.barriers):
        return ""  # as a rule
    if ended := next((up for up in wiring.aligned if state.nodes[up].whole), ""):
        return f"needs {ended}"
    failed = [up for up in wiring.barriers if ended_badly(state.nodes[up])]
    failed += [up for up, item in wiring.picked if state.nodes[up].state(item) in (FAILED, CANCELLED)]
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
    for up, item in wiring.picked:
        if up in hard and state.nodes[up].state(item) is not SUCCEEDED:
            return f"needs {up}"
    for choice in (c for e in exprs for c in ex.choices(e)):
        if not _has_choice(state, wiring, choice):
            return f"needs {' or '.join(ex.show(o) for o in choice.options)}"
    return ""


def _has_choice(state: RunState, wiring: Wiring, choice: ex.FirstOf) -> bool:
    for option in choice.options:
        refs = list(ex.refs(option))
        if all(_is_there(state, wiring, ref) for ref in refs):
            return True
        if not any(_is_skipped(state, wiring, ref) for ref in refs):
            return False  # it failed, which no other branch makes good
    return False


def _is_there(state: RunState, wiring: Wiring, ref: ex.Ref) -> bool:
    run = state.nodes[ref.node]
    pick = pick_of(ref) if wiring.picked else None
    return run.state(pick[1]) is SUCCEEDED if pick in wiring.picked else enough_succeeded(run)


def _is_skipped(state: RunState, wiring: Wiring, ref: ex.Ref) -> bool:
    run = state.nodes[ref.node]
    pick = pick_of(ref) if wiring.picked else None
    return run.state(pick[1]) is SKIPPED if pick in wiring.picked else run.counts[SKIPPED] > 0
