"""Durations, sizes and cores as people write them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.errors import DefinitionError
from ropewalk.core.quantity import cores, seconds, show_duration, show_size, size_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (0, 0), (1.5, 1.5), ("250ms", 0.25), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800),
        ("1w", 604_800), ("1h 30m", 5400), ("0s", 0),
    ],
)  # fmt: skip
def test_a_duration_is_read(text: Any, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", [-1, True, None, "", "5", "5 minutes", "-5s", "1h30", "s", float("inf"), float("nan"), "1e3s"]
)
def test_what_is_no_duration_is_refused_by_name(text: Any) -> None:
    with pytest.raises(DefinitionError, match="`timeout` is not a duration"):
        seconds(text, "timeout")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (1, 1), ("512", 512), ("512B", 512), ("1k", 1000), ("1K", 1000), ("4Ki", 4096), ("4G", 4 * 10**9),
        ("4Gi", 4 * 2**30), ("4GiB", 4 * 2**30), ("1.5M", 1_500_000), ("2T", 2 * 10**12), (" 1Pi ", 2**50),
    ],
)  # fmt: skip
def test_a_size_is_read(text: Any, value: int) -> None:
    assert size_bytes(text) == value


@pytest.mark.parametrize("text", [0, -1, True, "", "10XB", "-1G", "G", "1gi", float("inf"), None])
def test_what_is_no_size_is_refused_by_name(text: Any) -> None:
    with pytest.raises(DefinitionError, match="`memory` is not a size"):
        size_bytes(text)


@pytest.mark.parametrize(("text", "value"), [(1, 1), (0.5, 0.5), ("2", 2), ("500m", 0.5), ("1.5", 1.5)])
def test_cores_are_read(text: Any, value: float) -> None:
    assert cores(text) == value


@pytest.mark.parametrize("text", [0, -1, True, "", "many", "500M", "0.0", float("nan")])
def test_what_are_no_cores_is_refused_by_name(text: Any) -> None:
    with pytest.raises(DefinitionError, match="`cpu` is not a number of cores"):
        cores(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00s"), (0.994, "0.99s"), (4.06, "4.1s"), (125, "2m 05s"), (3600, "1h 00m"), (11_400, "3h 10m")],
)
def test_a_duration_is_shown(value: float, text: str) -> None:
    assert show_duration(value) == text


@given(value=st.floats(0, 1e7))
def test_a_duration_never_shows_sixty_of_a_unit(value: float) -> None:
    shown = show_duration(value)

    assert not re.search(r"(?<![\d.])60s", shown)
    assert "60m" not in shown


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (1023, "1023 B"), (3174, "3.1 KiB"), (4 * 2**30, "4.0 GiB"), (2**50, "1024.0 TiB")]
)
def test_a_size_is_shown(value: float, text: str) -> None:
    assert show_size(value) == text
