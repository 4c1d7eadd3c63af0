"""Packing events of neighbouring items loses nothing, and takes few bytes."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Outputs, Usage
from ropewalk.core.errors import StoreError, VersionError
from ropewalk.store import stretch
from ropewalk.store.stretch import Stretch, Success, pack, split, unpack_all


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key(item: int) -> str:
    return digest(f"key {item}".encode())


def small(content: bytes, preview: str = "") -> ArtifactRef:
    return ArtifactRef(digest(content), len(content), "json", "int", preview, content)


def succeeded(item: int, **more: Any) -> ev.Succeeded:
    content = b"%d" % (item * item)
    outputs = {"result": small(content, content.decode())}
    given = {"node": "m", "item": item, "token": 1, "key": key(item), "outputs": outputs, **more}
    return ev.Succeeded(**given)


texts = st.text(st.characters(), max_size=8)  # surrogates, too: whatever Python can have in a text
numbers = st.floats(allow_nan=False) | st.floats(0, 10).map(lambda number: round(number, 6))
inlines = st.none() | st.binary(max_size=20) | texts.map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def refs(draw: st.DrawFn) -> ArtifactRef:
    inline = draw(inlines)
    follows = inline is not None and draw(st.booleans())
    preview = inline.decode(errors="replace") if inline is not None and draw(st.booleans()) else draw(texts)
    return ArtifactRef(
        digest(inline) if inline is not None and follows else draw(st.sampled_from(["ab" * 32, "not hex", ""])),
        len(inline) if inline is not None and follows else draw(st.integers(0, 2**70)),
        draw(st.sampled_from(["json", "arrow", "π"])),
        draw(texts),
        preview,
        inline,
        tuple(draw(st.lists(texts, max_size=2))),
        draw(st.none() | st.integers(0, 2**70)),
    )


@st.composite
def successes(draw: st.DrawFn) -> list[Success]:
    first, count = draw(st.integers(0, 2**31)), draw(st.integers(1, 12))
    names = draw(st.lists(texts, max_size=3, unique=True))
    reused, node, source = draw(st.booleans()), draw(texts), draw(st.integers(1, 2**40))
    found: list[Success] = []
    for item in range(first, first + count):
        outputs: Outputs = {name: draw(refs()) for name in names}
        if reused:
            found.append(ev.Reused(node, item, key(item), outputs, source, draw(numbers)))
            continue
        wall_s, cpu_s, started_at = draw(numbers), draw(numbers), draw(numbers)
        usage = Usage(wall_s, cpu_s, draw(st.integers(0, 2**70)), started_at)
        found.append(ev.Succeeded(node, item, draw(st.integers(0, 2**50)), key(item), outputs, usage))
    return found


def rounded(event: Success) -> Success:
    """The log has microseconds."""
    if isinstance(event, ev.Reused):
        return event
    used = event.usage
    usage = Usage(round(used.wall_s, 6), round(used.cpu_s, 6), used.peak_bytes, round(used.started_at, 6))
    return replace(event, usage=usage)


@given(successes(), st.integers(0, 2**31))
def test_what_is_unpacked_is_what_the_log_said_before(events: list[Success], index: int) -> None:
    packed = Stretch(pack(events, index))

    assert packed.events() == [rounded(event) for event in events]
    assert (packed.index, packed.first, packed.count) == (index, events[0].item, len(events))
    assert packed.keys == [event.key for event in events]
    assert dict(packed.digests()) == {
        name: [event.outputs[name].digest for event in events] for name in events[0].outputs
    }


@pytest.mark.parametrize("odd", [math.inf, -math.inf, 1e300, -0.5, 1 / 3])
def test_any_number_of_seconds_comes_back(odd: float) -> None:
    events = [ev.Reused("m", item, key(item), {}, 1, odd * (item + 1)) for item in range(4)]

    assert Stretch(pack(events, 0)).events() == events


def test_what_is_not_a_number_comes_back() -> None:
    events = [ev.Reused("m", item, key(item), {}, 1, seconds) for item, seconds in enumerate((1.0, math.nan, 2.0))]

    saved = [event.saved_s for event in Stretch(pack(events, 0)).events() if isinstance(event, ev.Reused)]

    assert (saved[0], saved[2]) == (1.0, 2.0)
    assert math.isnan(saved[1])


def test_a_small_result_takes_little_more_than_its_key() -> None:
    events = [
        succeeded(item, usage=Usage(0.00001 * (item % 7), 0.00001 * (item % 5), 50_000_000, 1.7e9 + item * 0.00005))
        for item in range(500)
    ]

    assert len(pack(events, 0)) / len(events) < 32 + 16


def test_stretches_that_follow_each_other_are_told_apart() -> None:
    first, second = [succeeded(item) for item in range(4)], [succeeded(item) for item in range(7, 9)]

    both = pack(first, 3) + pack(second, 9)

    assert [(one.index, one.events()) for one in unpack_all(both)] == [(3, first), (9, second)]
    assert list(unpack_all(None)) == []


def test_only_neighbours_of_a_kind_are_a_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "SHORTEST", 2)
    apart: list[ev.Event] = [
        succeeded(0),
        succeeded(2),
        succeeded(3, node="other"),
        succeeded(4, metrics={"auc": 0.5}),
        succeeded(5, key="no key"),
        succeeded(6, outputs={"left": small(b"1"), "right": small(b"2")}),
        ev.Reused("m", 7, key(7), succeeded(7).outputs, 1),
        ev.Reused("m", 8, key(8), succeeded(8).outputs, 2),
        ev.Started("m", (9,), 1, "w"),
    ]
    together: list[ev.Event] = [succeeded(0), succeeded(1, token=2)]

    assert split([*apart, *together, ev.RunFinished("succeeded")]) == (
        [*apart, ev.RunFinished("succeeded")],
        [range(9, 11)],
    )


def test_few_are_no_stretch_and_very_many_are_several() -> None:
    few = [succeeded(item) for item in range(stretch.SHORTEST - 1)]
    many = [succeeded(item) for item in range(2 * stretch.LONGEST + 1)]

    assert split(few) == (few, [])
    assert split(many) == (many[-1:], [range(1024), range(1024, 2048)])


def test_a_stretch_of_a_later_version_is_not_guessed_at() -> None:
    data = bytearray(pack([succeeded(0)], 0))
    data[0] += 1

    with pytest.raises(VersionError, match="newer version"):
        Stretch(bytes(data))


def test_a_stretch_that_was_damaged_is_said_to_be() -> None:
    whole = pack([succeeded(item) for item in range(4)], 0)

    for at in range(1, len(whole)):
        with pytest.raises(StoreError, match="damaged"):
            Stretch(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(StoreError, match="damaged"):
            Stretch(whole[:at])


@pytest.mark.parametrize("size", [1, 21, 22, 60, 5000])
def test_bytes_that_were_wiped_are_said_to_be_damaged(size: int) -> None:
    """The checksum of nothing is zero, too."""
    with pytest.raises(StoreError, match="damaged"):
        Stretch(bytes(size))
