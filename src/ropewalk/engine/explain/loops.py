"""How loops ended."""

from __future__ import annotations

from ropewalk.core.special import Loop
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import SUCCEEDED
from ropewalk.engine.inputs import Load, Resolver
from ropewalk.store.runs import Run


def until_held(state: RunState, about: Run, load: Load, node_id: str, item: int = 0) -> bool | None:
    """Whether the condition of a loop that has ended held after its last turn; None: it has none, or it is not known.

    A loop that took fewer turns than it may ended because it held; after the last one nobody asked.
    """
    run = state.nodes[node_id]
    special, parts = run.node.special, run.parts.get(item)
    if not isinstance(special, Loop) or parts is None or parts.until is None or run.state(item) is not SUCCEEDED:
        return None
    if parts.turn < special.at_most:
        return True
    try:
        resolver = Resolver(state, about.params, load)
        return bool(resolver.value(resolver.source(parts.until)))
    except Exception:  # noqa: BLE001  # the condition may raise, or its value be gone: nobody asked for it in the run
        return None
