"""JSON without blanks is what the standard library writes."""

from __future__ import annotations

import json
from json import encoder

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.compact import _make, compact

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(trees)
def test_it_is_the_text_of_the_standard_library(data: object) -> None:
    assert compact(data) == json.dumps(data, separators=(",", ":"))


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        compact({1, 2})


def test_it_needs_no_encoder_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "c_make_encoder", None)

    assert _make()({"a": [1, 2.5, None], "b": "ü"}) == '{"a":[1,2.5,null],"b":"\\u00fc"}'
