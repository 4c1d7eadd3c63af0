"""Bugs planted in the core, each of which the properties must find: a property that never fails proves nothing."""

from __future__ import annotations

from collections.abc import Iterable
from unittest.mock import patch

import pytest

from ropewalk.core import events, state
from ropewalk.core import expr as ex
from ropewalk.core.decide import Decider, Wiring
from ropewalk.core.events import Event
from ropewalk.core.graph import Node
from ropewalk.core.noderun import NodeRun
from ropewalk.core.obstacle import obstacle
from ropewalk.core.state import RunState
from tests.core.play import Forgetful, Play, many_lives

SEEDS = range(600)


class TakesLateReports(RunState):
    def _check(self, node: str, item: int, token: int) -> None:
        self.nodes[node].tokens[item] = token


class DoesNotCountRetries(RunState):
    def _attempt_failed(self, e: events.AttemptFailed) -> None:
        super()._attempt_failed(e)
        self.nodes[e.node].retries.pop(e.item, None)


class KeepsCountOfRetriesWhenReopened(RunState):
    def _reopened(self, e: events.Reopened) -> None:
        before = {node_id: dict(run.retries) for node_id, run in self.nodes.items()}
        super()._reopened(e)
        for node_id, run in self.nodes.items():
            run.retries.update(before[node_id])


class KeepsFailuresOfMapsWhenReopened(RunState):
    def _reopened(self, e: events.Reopened) -> None:
        with patch.object(state, "_restart", lambda *_: None):
            super()._reopened(e)


class ForgetsWhoRuns(RunState):
    def _started(self, e: events.Started) -> None:
        super()._started(e)
        if len(e.items) > 1:
            self.nodes[e.node].tokens.pop(e.items[-1])


class RunsBeforeTheLastInput(Decider):
    def __init__(self, state: RunState) -> None:
        super().__init__(state)
        self.pending = {node_id: max(0, count - (count > 1)) for node_id, count in self.pending.items()}


class RunsWithoutLostInputs(Decider):
    def runnable(self, node_id: str, item: int) -> bool:
        return True


class ForgetsObstacles(Decider):
    def _ask_again(self, run: NodeRun, item: int) -> None:
        with patch.object(self, "_obstacle", lambda *_: ""):
            super()._ask_again(run, item)


class ForgetsToSettle(Decider):
    def _settle(self, event: Event, run: NodeRun, was_settled: bool) -> None:
        if not isinstance(event, events.Skipped) or event.items is not None:
            super()._settle(event, run, was_settled)


class ForgetsRetries(Decider):
    def _follow_failure(self, event: events.AttemptFailed) -> None:
        if event.retry_at is None:
            super()._follow_failure(event)


class ForgetsThoseThatFollowItemByItem(Decider):
    def _tell_aligned(self, node_id: str, items: Iterable[int]) -> None:
        super()._tell_aligned(node_id, list(items)[:-1])


class AsksOnlyOnce(Decider):
    class Sticky(set[str]):
        def discard(self, _: str) -> None: ...

    def __init__(self, state: RunState) -> None:
        super().__init__(state)
        self._asked = self.Sticky()


class SkipsWhatRuns(Decider):
    def _go_on(self, run: NodeRun, wiring: Wiring) -> None:
        if reason := self._obstacle(self.state, run.node, wiring):
            self.state.nodes[run.node.id].tokens.clear()
            self._derived.append(events.Skipped(run.node.id, tuple(range(run.length)), reason))
        else:
            super()._go_on(run, wiring)


class IgnoresCancelBetweenAttempts(Decider):
    def _ask_again(self, run: NodeRun, item: int) -> None:
        asked, self.state.cancel_requested = self.state.cancel_requested, False
        super()._ask_again(run, item)
        self.state.cancel_requested = asked


def any_succeeded(state: RunState, choice: ex.FirstOf) -> bool:
    runs = [state.nodes[ref.node] for option in choice.options for ref in ex.refs(option)]
    return any(run.all_succeeded for run in runs)


class ReadsFailureOfABranchAsSkip(Decider):
    @staticmethod
    def _obstacle(state: RunState, node: Node, wiring: Wiring) -> str:
        with patch("ropewalk.core.obstacle._has_choice", any_succeeded):
            return obstacle(state, node, wiring)


class TakesAnyFailedForAlways(Decider):
    @staticmethod
    def _obstacle(state: RunState, node: Node, wiring: Wiring) -> str:
        return "" if node.policy.run_if == "any_failed" else obstacle(state, node, wiring)


class FinishesEarly(Decider):
    def _finish(self) -> None:
        left, self._unsettled = self._unsettled, self._unsettled - (self._unsettled == 1 and len(self.state.nodes) > 4)
        super()._finish()
        self._unsettled = left


class KeepsWhateverSucceeded(Play):
    def reopen(self, fate: object) -> None:
        with patch("tests.core.play.stale", lambda _, changed: tuple(changed)):
            super().reopen(fate)


PLANTED = [
    TakesLateReports, DoesNotCountRetries, KeepsCountOfRetriesWhenReopened, KeepsFailuresOfMapsWhenReopened,
    ForgetsWhoRuns, RunsBeforeTheLastInput, RunsWithoutLostInputs, ForgetsObstacles, ForgetsToSettle, ForgetsRetries,
    ForgetsThoseThatFollowItemByItem, AsksOnlyOnce, SkipsWhatRuns, IgnoresCancelBetweenAttempts,
    ReadsFailureOfABranchAsSkip, TakesAnyFailedForAlways, FinishesEarly, KeepsWhateverSucceeded,
]  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
def test_the_properties_find(bug: type) -> None:
    class Buggy(bug if issubclass(bug, Play) else Forgetful):
        decider_type = bug if issubclass(bug, Decider) else Decider
        state_type = bug if issubclass(bug, RunState) else RunState

    for seed in SEEDS:
        try:
            many_lives(seed, Buggy)
        except Exception:  # noqa: BLE001  # whatever it breaks, it is found
            return
    pytest.fail(f"{bug.__name__} goes unnoticed in {len(SEEDS)} runs")
