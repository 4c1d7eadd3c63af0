"""Events are written as JSON and read back unchanged, by this version and by later ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef, Failure, Usage
from ropewalk.core.errors import VersionError
from ropewalk.core.graph import Body, MapSpec, Node
from ropewalk.core.special import Approval, Each, Loop, Reduce, Wait
from tests.core.builders import task

TEXT = st.text(max_size=20)
COUNT = st.integers(0, 2**40)
MOMENT = st.floats(0, 1e10).map(lambda x: round(x, 6))
ITEMS = st.lists(COUNT, max_size=5).map(tuple)
INLINE = st.one_of(
    st.tuples(st.just("json"), st.one_of(st.none(), TEXT.map(str.encode))),
    st.tuples(st.sampled_from(["pickle", "arrow"]), st.one_of(st.none(), st.binary(max_size=30))),
)


@st.composite
def refs(draw: st.DrawFn) -> ArtifactRef:
    format_, inline = draw(INLINE)
    children = tuple(draw(st.lists(TEXT, max_size=3)))
    length = draw(st.one_of(st.none(), COUNT))
    return ArtifactRef(draw(TEXT), draw(COUNT), format_, draw(TEXT), draw(TEXT), inline, children, length)


OUTPUTS = st.dictionaries(TEXT, refs(), max_size=3)
METRICS = st.dictionaries(TEXT, st.floats(allow_nan=False), max_size=3)
USAGE = st.builds(Usage, MOMENT, MOMENT, COUNT, MOMENT)
FAILURE = st.builds(
    Failure, TEXT, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT, TEXT, COUNT, TEXT, TEXT,
    st.lists(TEXT, max_size=3).map(tuple), st.lists(TEXT, max_size=3).map(tuple), st.booleans(), TEXT,
)  # fmt: skip
LATER = st.one_of(st.none(), MOMENT)
PATH = st.lists(st.tuples(st.sampled_from(["attr", "item"]), st.one_of(TEXT, COUNT)), max_size=2).map(tuple)
LEAVES = st.one_of(
    st.builds(ex.constant, st.one_of(st.none(), COUNT, TEXT)), st.builds(ex.Ref, TEXT, PATH), st.builds(ex.Param, TEXT),
    st.builds(ex.Slot, TEXT), st.builds(ex.Held, refs()),
)  # fmt: skip
EXPRS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(ex.Op, st.just("ge"), st.tuples(inner, inner)),
        st.builds(ex.Build, st.just("list"), st.just(()), st.lists(inner, max_size=2).map(tuple)),
        st.builds(ex.FirstOf, st.tuples(inner, inner)),
        st.builds(ex.Part, inner, PATH),
    ),
    max_leaves=4,
)
SPECIALS = st.sampled_from([None, Wait(5, timeout_s=60), Approval("go?", "boss", 9.0), Each(), Loop(3), Reduce(2)])
NODES = st.builds(
    Node, TEXT, TEXT, st.dictionaries(TEXT, EXPRS, max_size=2),
    map=st.sampled_from([None, MapSpec("zip", ("x",))]), when=st.one_of(st.none(), EXPRS),
    after=st.lists(TEXT, max_size=2).map(tuple), special=SPECIALS, turn=st.sampled_from([(), (1, 2)]),
    file=TEXT, line=COUNT,
)  # fmt: skip
BODIES = st.builds(
    Body, st.lists(NODES, max_size=2).map(lambda nodes: {n.id: n for n in nodes}), EXPRS,
    st.lists(TEXT, max_size=2).map(tuple), st.one_of(st.none(), EXPRS), st.sampled_from([{}, {"do": task()}]),
)  # fmt: skip

EVENTS = {
    ev.Opened: st.builds(ev.Opened, TEXT, COUNT),
    ev.Started: st.builds(ev.Started, TEXT, ITEMS, COUNT, TEXT, MOMENT),
    ev.Succeeded: st.builds(ev.Succeeded, TEXT, COUNT, COUNT, TEXT, OUTPUTS, USAGE, METRICS),
    ev.Reused: st.builds(ev.Reused, TEXT, COUNT, TEXT, OUTPUTS, COUNT, MOMENT, METRICS),
    ev.AttemptFailed: st.builds(ev.AttemptFailed, TEXT, COUNT, COUNT, FAILURE, LATER, st.booleans(), USAGE),
    ev.Skipped: st.builds(ev.Skipped, TEXT, st.one_of(st.none(), ITEMS), TEXT),
    ev.Cancelled: st.builds(ev.Cancelled, TEXT, st.one_of(st.none(), ITEMS)),
    ev.CancelRequested: st.builds(ev.CancelRequested, TEXT),
    ev.ResultLost: st.builds(ev.ResultLost, TEXT, COUNT, TEXT),
    ev.Reopened: st.builds(
        ev.Reopened,
        TEXT,
        st.lists(TEXT, max_size=4).map(tuple),
        st.one_of(st.none(), st.dictionaries(TEXT, st.lists(COUNT, max_size=3), max_size=2)),
    ),
    ev.RunFinished: st.builds(ev.RunFinished, TEXT),
    ev.PauseRequested: st.builds(ev.PauseRequested, TEXT),
    ev.Rested: st.builds(ev.Rested, TEXT),
    ev.Woken: st.builds(ev.Woken),
    ev.Expanded: st.builds(
        ev.Expanded, TEXT, COUNT, COUNT, st.dictionaries(TEXT, EXPRS, max_size=2), st.one_of(st.none(), BODIES)
    ),
    ev.Gathered: st.builds(ev.Gathered, TEXT, COUNT, OUTPUTS),
    ev.Asked: st.builds(ev.Asked, TEXT, COUNT, MOMENT, LATER, TEXT, TEXT, TEXT),
    ev.Answered: st.builds(ev.Answered, TEXT, COUNT, TEXT, TEXT, TEXT, MOMENT),
    ev.DeadlineMissed: st.builds(ev.DeadlineMissed, TEXT, MOMENT),
    ev.Undoing: st.builds(ev.Undoing, st.lists(st.tuples(TEXT, COUNT), max_size=3).map(tuple)),
}


def test_every_kind_of_event_is_generated_here() -> None:
    assert set(EVENTS) == set(ev.Event.__args__)


@given(batch=st.lists(st.one_of(*EVENTS.values()), max_size=6))
def test_events_are_read_back_as_they_were_written(batch: list[ev.Event]) -> None:
    assert ev.load(ev.dump(batch)) == batch


@given(batch=st.lists(st.one_of(*EVENTS.values()), max_size=4))
def test_a_field_that_a_later_version_adds_at_the_end_does_no_harm(batch: list[ev.Event]) -> None:
    longer = json.dumps([[*data, "added later"] for data in json.loads(ev.dump(batch))])

    assert ev.load(longer) == batch


@given(batch=st.lists(st.one_of(*EVENTS.values()), max_size=4))
def test_equal_events_have_equal_text(batch: list[ev.Event]) -> None:
    assert ev.dump(batch) == ev.dump(ev.load(ev.dump(batch)))


def test_an_event_of_a_kind_that_is_not_known_says_which_version_to_install() -> None:
    with pytest.raises(VersionError, match="`paused_until` was written by a newer version") as caught:
        ev.load('[["opened","a",1],["paused_until","a",7]]')

    assert caught.value.help == ("pip install --upgrade ropewalk",)


def test_a_log_of_the_first_version_can_be_read() -> None:
    """Old runs stay readable: these lines must never be changed."""
    old = """[["opened","train",2],["started","train",[0,1],4294967297,"w1"],
        ["succeeded","train",0,4294967297,"key",{"result":{"d":"6b","s":1,"f":"json","t":"int","v":"1"}},[0.5,0.4,9,7.0],{}],
        ["failed","train",1,4294967297,{"kind":"exception","message":"no"},null,true,[0.0,0.0,0,0.0]],
        ["reused","eval",0,"key",{"result":{"d":"6b","s":1,"f":"json","t":"int","v":"1"}},3,0.25,{}],
        ["skipped","report",null,"needs train"],["cancel_requested","me"],["cancelled","late",[3]],
        ["result_lost","train",0,"6b"],["reopened","digest",["train"]],["finished","failed"]]"""

    events = ev.load(old)

    assert [type(e).__name__ for e in events] == [
        "Opened", "Started", "Succeeded", "AttemptFailed", "Reused", "Skipped", "CancelRequested", "Cancelled",
        "ResultLost", "Reopened", "RunFinished",
    ]  # fmt: skip
    assert events[3] == ev.AttemptFailed("train", 1, 4294967297, Failure("exception", "no"), None)
