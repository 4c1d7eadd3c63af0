"""JSON without blanks, for texts that machines read."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any


def _make() -> Callable[[Any], str]:
    """`JSONEncoder.encode` sets the encoder in C up anew at each call, which takes longer than a short text does."""
    plain = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    encode = make(None, plain.default, encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda data: "".join(encode(data, 0))


compact = _make()
