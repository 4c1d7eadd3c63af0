"""`undo`: a run that fails or is cancelled takes the effects of what had finished back, in reverse order, durably."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk import Cache, Retry, cross, each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.core.decide import Decider, Open, Run
from ropewalk.core.errors import DefinitionError, UsageError
from ropewalk.core.graph import Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.core.policy import Policy
from ropewalk.core.settle import lost_events
from ropewalk.core.state import RunState, fold
from ropewalk.core.taskstate import READY
from ropewalk.store import deadletters, runs
from ropewalk.testing.invariants import problems
from tests.core.builders import IF, LOST, OUTPUTS, WRONG
from tests.core.builders import task as spec
from tests.engine.live import Live, Watch, both_executors, lines, note, tell


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


def refund(order: int, ledger: str, result: str) -> None:
    note(ledger, f"refund {order} {result}")


@task(undo=refund)
def pay(order: int, ledger: str) -> str:
    note(ledger, f"pay {order}")
    return f"receipt {order}"


def free(ledger: str, result: str) -> None:
    note(ledger, f"free {result}")
    if Path(ledger + ".stuck").exists():
        raise OSError("the office is closed")


@task(undo=free)
def book(receipt: str, ledger: str) -> str:
    note(ledger, f"book {receipt}")
    return f"seat for {receipt}"


@task
def check(seats: list[str], ledger: str) -> str:
    note(ledger, "check")
    if not Path(ledger + ".fine").exists():
        raise ValueError("nobody is home")
    return "fine"


@pipeline
def trip(ledger: str, orders: int = 1):
    paid = pay(each(list(range(orders))), ledger)
    return check(book(each(paid), ledger), ledger)


@pipeline
def single(ledger: str):
    return check([book(pay(7, ledger), ledger)], ledger)


def undone(live: Live) -> list[str]:
    return [line for line in live.done() if line.startswith(("refund", "free"))]


def check_store(live: Live) -> None:
    with live.client() as client:
        for run in runs.all_runs(client.db):
            assert problems(client.db, run.number) == []


@both_executors
def test_effects_of_a_failed_run_are_undone_in_reverse_order(live: Live, executor: str) -> None:
    result = live.run(single, executor, ledger=live.ledger)

    assert result.state == "failed"
    assert live.done() == ["pay 7", "book receipt 7", "check", "free seat for receipt 7", "refund 7 receipt 7"]
    assert result.nodes["book/undo"] == result.nodes["pay/undo"] == {"succeeded": 1}
    check_store(live)


def test_a_run_that_succeeds_undoes_nothing(live: Live) -> None:
    Path(live.ledger + ".fine").write_text("")

    result = live.run(trip, "inline", ledger=live.ledger, orders=3)

    assert result.state == "succeeded"
    assert undone(live) == []


def test_the_items_of_a_map_are_undone_one_by_one_the_last_first(live: Live) -> None:
    watch = Watch()

    live.run(trip, ledger=live.ledger, orders=4, listener=watch)

    ended = [(e.node, e.item) for e in watch.of(ev.Succeeded) if e.node in ("pay", "book")]
    taken_back = [e.node for e in watch.of(ev.Succeeded) if e.node.endswith("/undo")]
    assert len(ended) == 8
    assert taken_back == [f"{name}/{item}/undo" for name, item in reversed(ended)]
    assert sorted(undone(live)) == sorted(
        [f"free seat for receipt {n}" for n in range(4)] + [f"refund {n} receipt {n}" for n in range(4)]
    )


def test_a_run_that_was_resumed_does_again_what_was_undone(live: Live) -> None:
    live.run(trip, "inline", ledger=live.ledger, orders=2)
    Path(live.ledger).unlink()
    Path(live.ledger + ".fine").write_text("")

    result = live.resume(trip, "inline", ledger=live.ledger, orders=2)

    assert (result.state, result.output) == ("succeeded", "fine")
    assert sorted(live.done()) == ["book receipt 0", "book receipt 1", "check", "pay 0", "pay 1"]
    assert "pay/0/undo" not in result.nodes
    check_store(live)


def test_what_fails_again_is_undone_again(live: Live) -> None:
    live.run(single, "inline", ledger=live.ledger)
    first = live.done()
    Path(live.ledger).unlink()

    result = live.resume(single, "inline", ledger=live.ledger)

    assert result.state == "failed"
    assert live.done() == first


def test_an_undo_that_fails_keeps_its_effect_and_does_not_hold_the_others_up(live: Live) -> None:
    Path(live.ledger + ".stuck").write_text("")
    result = live.run(single, "inline", ledger=live.ledger)
    Path(live.ledger + ".stuck").unlink()
    Path(live.ledger).unlink()
    Path(live.ledger + ".fine").write_text("")

    resumed = live.resume(single, "inline", ledger=live.ledger)

    assert result.state == "failed"
    assert result.failures["book/undo"].message == "OSError: the office is closed"
    assert result.nodes["pay/undo"] == {"succeeded": 1}
    assert live.done() == ["pay 7", "book receipt 7", "check"]  # what was paid again is booked again
    assert resumed.state == "succeeded"


def test_an_effect_that_could_not_be_undone_is_not_made_twice_and_undone_when_the_run_fails_again(live: Live) -> None:
    @pipeline
    def apart(ledger: str):
        return check([book("x", ledger), pay(1, ledger)], ledger)

    Path(live.ledger + ".stuck").write_text("")
    live.run(apart, "inline", ledger=live.ledger)
    Path(live.ledger + ".stuck").unlink()
    Path(live.ledger).unlink()

    live.resume(apart, "inline", ledger=live.ledger)

    assert live.done() == ["pay 1", "check", "refund 1 receipt 1", "free seat for x"]


def test_a_failed_undo_is_no_dead_letter(live: Live) -> None:
    Path(live.ledger + ".stuck").write_text("")

    live.run(single, "inline", ledger=live.ledger)

    with live.client() as client:
        assert [letter.node for letter in deadletters.listing(client.db)] == ["check"]


def test_fail_fast_undoes_too(live: Live) -> None:
    @pipeline(on_failure="fail_fast", order="fifo")
    def hasty(ledger: str):
        paid = pay(1, ledger)
        check([paid], ledger)
        return book(book(paid, ledger), ledger)

    result = live.run(hasty, "inline", ledger=live.ledger)

    assert result.state == "failed"
    assert undone(live)[-1] == "refund 1 receipt 1"
    assert len(undone(live)) == len([line for line in live.done() if line.startswith(("pay", "book"))])


@task
def hang(seats: list[str], ledger: str) -> str:
    tell(1)
    Path(ledger + ".fifo").read_text()
    return "never"


@pipeline
def hanging(ledger: str):
    return hang([book(pay(7, ledger), ledger)], ledger)


def test_a_cancelled_run_is_undone_and_is_cancelled(live: Live) -> None:
    import os

    os.mkfifo(live.ledger + ".fifo")

    def cancel(_: int) -> None:
        with live.client() as other:
            other.cancel(runs.find(other.db, "last"), "me")

    result = live.run(hanging, ledger=live.ledger, listener=Watch(cancel))

    assert result.state == "cancelled"
    assert undone(live) == ["free seat for receipt 7", "refund 7 receipt 7"]
    check_store(live)


# a kill in the middle

KILLED = """
import os, signal, sys
from pathlib import Path
from ropewalk import pipeline, task
from tests.engine.live import note

def take_back(x, ledger, result):
    note(ledger, f"undo {x}")
    if x == 1 and not Path(ledger + ".killed").exists():
        Path(ledger + ".killed").write_text("")
        os.kill(os.getpid(), signal.SIGKILL)

@task(undo=take_back)
def do(x: int, ledger: str, before: int = 0) -> int:
    note(ledger, f"do {x}")
    return x

@task
def fail(x: int, ledger: str) -> int:
    if Path(ledger + ".fine").exists():
        return x
    raise ValueError("no")

@pipeline
def chain(ledger: str):
    return fail(do(2, ledger, do(1, ledger, do(0, ledger))), ledger)

if __name__ == "__main__":
    from ropewalk.author.pipeline import trace
    from ropewalk.engine.client import Client, Options
    from ropewalk.store import runs
    with Client(sys.argv[1]) as client:
        work, options = trace(chain, {"ledger": sys.argv[2]}), Options("inline")
        if sys.argv[3] == "run":
            result = client.run(work, options)
        else:
            result = client.resume(runs.find(client.db, "last"), work, options)
        print(result.state)
"""


def killable(live: Live, what: str) -> subprocess.CompletedProcess[str]:
    script = live.folder / "killed.py"
    script.write_text(KILLED)
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, str(script), str(live.home), live.ledger, what],
        env={"PYTHONPATH": f"{root}:{root}/src", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_scheduler_that_is_killed_while_it_undoes_goes_on_undoing_when_it_is_resumed(live: Live) -> None:
    killed = killable(live, "run")
    Path(live.ledger + ".fine").write_text("")

    finished = killable(live, "resume")
    again = killable(live, "resume")

    assert killed.returncode == -9
    assert (finished.stdout, finished.stderr) == ("failed\n", "")
    assert again.stdout == "succeeded\n"
    assert live.done() == [
        "do 0", "do 1", "do 2", "undo 2", "undo 1", "undo 1", "undo 0", "do 0", "do 1", "do 2",
    ]  # fmt: skip
    check_store(live)


def test_a_run_that_was_killed_is_undone_when_it_is_cancelled_with_its_pipeline_only(live: Live) -> None:
    killed = killable(live, "run")

    with live.client() as client:
        run = runs.find(client.db, "last")
        with pytest.raises(UsageError, match="has effects to take back") as caught:
            client.cancel(run, "me")
        cancelled = client.cancel(run, "me", lambda: trace(own_chain(), {"ledger": live.ledger}))

    assert killed.returncode == -9
    assert caught.value.code == "P305"
    assert cancelled
    assert lines(live.ledger)[-2:] == ["own 1", "own 0"]


def own_chain():
    """The pipeline of the script, with an undo that is defined here."""

    def take_back(x, ledger, result):
        note(ledger, f"own {x}")

    @task(undo=take_back)
    def do(x: int, ledger: str, before: int = 0) -> int:
        return x

    @task
    def fail(x: int, ledger: str) -> int:
        return x

    @pipeline
    def chain(ledger: str):
        return fail(do(2, ledger, do(1, ledger, do(0, ledger))), ledger)

    return chain


@pytest.mark.parametrize("retry", [Retry(0), Retry(not_on=["lost"])])
def test_an_undo_whose_worker_dies_is_begun_again_whatever_the_policy_says(live: Live, retry: Retry) -> None:
    def take_back(ledger: str) -> None:
        note(ledger, "undo")
        if len(lines(ledger)) < 2:
            import os

            os.kill(os.getpid(), 9)

    @task(undo=take_back, retry=retry)
    def do(ledger: str) -> int:
        return 1

    @task
    def fail(x: int) -> int:
        raise ValueError("no")

    @pipeline
    def fragile(ledger: str):
        return fail(do(ledger))

    result = live.run(fragile, ledger=live.ledger, workers=1)

    assert live.done() == ["undo", "undo"]
    assert result.nodes["do/undo"] == {"succeeded": 1}


# what is refused when the task is made


def plain(x: int, size: int) -> int:
    return x + size


def back(result: int) -> None: ...


def back_of_x(x: int) -> None: ...


def misspelt(sze: int) -> None: ...


def misspelt_result(resul: int) -> None: ...


def foreign(nothing_like_it: int) -> None: ...


def greedy(**rest: int) -> None: ...


def with_undo(undo, **options):
    return task(undo=undo, **options)(plain)


def test_an_undo_may_take_inputs_and_the_result_or_nothing() -> None:
    def from_all(size: int, result: int) -> None: ...

    def from_nothing() -> None: ...

    assert with_undo(from_all).undo is not None
    assert with_undo(from_nothing).undo is not None
    assert with_undo(task(back)).undo.fn is back
    assert not with_undo(from_all).policy.cache.enabled


@pytest.mark.parametrize(
    ("undo", "message", "help_line"),
    [
        (misspelt, "takes `sze`", "did you mean `size`?"),
        (misspelt_result, "takes `resul`", "did you mean `result`?"),
        (foreign, "takes `nothing_like_it`", ""),
        (greedy, "must name what it takes", "def greedy(x, result)"),
        (3, "cannot be a task", "write a function"),
    ],
)
def test_an_undo_that_takes_something_else_is_refused(undo: object, message: str, help_line: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        with_undo(undo)

    assert caught.value.code in ("P248", "P202")
    assert help_line in " ".join(caught.value.help)
    assert caught.value.where is not None


def test_an_input_named_result_is_ambiguous() -> None:
    def odd(result: int) -> int:
        return result

    with pytest.raises(DefinitionError, match="may be its input or what it returned"):
        task(undo=back)(odd)


@pytest.mark.parametrize("cache", [True, Cache(ttl="1d")])
def test_what_can_be_undone_is_not_reused(cache: Cache | bool) -> None:
    with pytest.raises(DefinitionError, match="cannot be reused"):
        with_undo(back, cache=cache)
    with pytest.raises(DefinitionError, match="cannot be reused"):
        pay.options(cache=cache)
    assert not with_undo(back, cache=False).policy.cache.enabled


def test_an_undo_can_be_given_for_one_call() -> None:
    made = check.options(undo=back)

    assert check.undo is None
    assert made.undo is not None
    assert not made.policy.cache.enabled


def test_the_undo_of_a_cross_product_takes_no_part_of_it() -> None:
    def product_of(undo):
        made = with_undo(undo)

        @pipeline
        def product():
            return made(**cross(x=[1, 2], size=[3, 4]))

        return product

    with pytest.raises(DefinitionError, match="cannot be given `x`, which `cross` combines") as caught:
        product_of(back_of_x).graph()

    assert caught.value.code == "P248"
    assert product_of(back).graph().nodes["plain"].policy.undo == "back"


def test_two_functions_of_the_same_name_cannot_be_undos_of_one_pipeline() -> None:
    def namesake():
        def back(x: int) -> None: ...

        return back

    one, other = with_undo(back, name="one"), with_undo(namesake(), name="other")

    @pipeline
    def both():
        return one(1, 2), other(1, 2)

    with pytest.raises(DefinitionError, match="two tasks are named `back`"):
        both.graph()


def test_the_graph_knows_the_undo_and_a_change_of_it_is_a_change_of_the_graph() -> None:
    made = trip.graph(ledger="x")

    assert made.nodes["pay"].policy.undo == "refund"
    assert made.tasks["refund"].inputs[0][0] == "order"
    assert "refund" in trace(trip, {"ledger": "x"}).functions
    assert Graph.from_json(made.to_json()).digest == made.digest


# whatever fails, in whatever order


UNDOABLE = Policy(undo="back")


def random_tasks(rng: Random) -> Graph:
    """Random tasks, some of which have effects, and one that needs them all."""
    names = [f"n{k}" for k in range(rng.randrange(1, 7))]
    nodes = {}
    for k, name in enumerate(names):
        needs = rng.sample(names[:k], min(k, rng.randrange(3)))
        mapping = MapSpec("zip", ("i0",)) if rng.random() < 0.4 else None
        policy = UNDOABLE if rng.random() < 0.7 else Policy()
        nodes[name] = Node(name, "do", {"i0": IF}, policy, mapping, after=tuple(needs))
    nodes["end"] = Node("end", "do", after=tuple(names))
    return make_graph("test", {"do": spec(), "back": TaskSpec("back", "m:back", (("result", ""),))}, nodes)


class Played:
    """A run of them in which the last one fails at the latest, with crashes and now and then a cancel."""

    def __init__(self, seed: int, decider_type: type[Decider] = Decider) -> None:
        self.rng = Random(seed)
        self.type = decider_type
        self.graph = random_tasks(self.rng)
        self.state = RunState(self.graph)
        self.log: list[ev.Event] = []
        self.token = 0
        self.begin()
        while not self.state.finished:
            self.step()
        self.obey()

    def begin(self) -> None:
        self.queue: list[tuple[str, int]] = []
        self.decider = self.type(self.state)
        for event in lost_events(self.state, LOST, 0.0):
            self.decider.feed(event)
        self.decider.recover()

    def obey(self) -> None:
        while self.decider.events or self.decider.commands:
            events, commands = self.decider.take()
            self.log += events
            for command in commands:
                if isinstance(command, Open):
                    self.decider.feed(ev.Opened(command.node, self.rng.randrange(4)))
                elif isinstance(command, Run):
                    self.queue += [(command.node, item) for item in command.items]

    def step(self) -> None:
        self.obey()
        chance = self.rng.random()
        if self.state.finished:
            return
        if chance < 0.1:
            self.state = fold(self.graph, self.log)  # what was written is all there is
            self.begin()
        elif chance < 0.12:
            self.decider.feed(ev.CancelRequested("me"))
        else:
            self.run(*self.queue.pop(self.rng.randrange(len(self.queue))))

    def run(self, node_id: str, item: int) -> None:
        if self.state.nodes[node_id].state(item) is not READY:
            return
        self.token += 1
        self.decider.feed(ev.Started(node_id, (item,), self.token, "w"))
        if self.rng.random() < 0.1:
            self.obey()
            self.state = fold(self.graph, self.log)
            self.begin()
        elif node_id == "end" or self.rng.random() < 0.1:
            self.decider.feed(ev.AttemptFailed(node_id, item, self.token, WRONG))
        else:
            self.decider.feed(ev.Succeeded(node_id, item, self.token, "", OUTPUTS))


def check_undone(played: Played) -> int:
    """That exactly the effects that were made were taken back, the last first; how many there were."""
    nodes, log = played.graph.nodes, played.log
    effects = [(e.node, e.item) for e in log if isinstance(e, ev.Succeeded) and e.node in nodes]
    effects = [(name, item) for name, item in effects if nodes[name].policy.undo]
    wanted = [f"{n}/undo" if nodes[n].map is None else f"{n}/{i}/undo" for n, i in reversed(effects)]
    begun = [e.node for e in log if isinstance(e, ev.Started) and e.node not in nodes]
    failed = [e for e in log if isinstance(e, ev.AttemptFailed) and e.retry_at is None]
    ended = [e.node for e in log if (isinstance(e, ev.Succeeded) or e in failed) and e.node not in nodes]
    assert played.state.finished in ("failed", "cancelled")
    assert list(dict.fromkeys(begun)) == wanted
    assert ended == wanted
    return len(wanted)


@given(st.integers(0, 2**32))
def test_effects_are_undone_exactly_once_and_in_reverse_order_whatever_fails_or_crashes(seed: int) -> None:
    check_undone(Played(seed))


def test_the_check_notices_effects_that_are_undone_in_the_order_they_were_made() -> None:
    class Forward(Decider):
        def _take_in(self, event: ev.Event) -> None:
            if isinstance(event, ev.Undoing):
                event = ev.Undoing(tuple(reversed(event.effects)))
            super()._take_in(event)

    played = [Played(seed, Forward) for seed in range(30)]

    with pytest.raises(AssertionError):
        sum(check_undone(one) for one in played)
    assert sum(check_undone(Played(seed)) for seed in range(30)) > 30
