"""What every command works with: the two streams, the wish for JSON, and the project's client."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ropewalk.cli.console import Terminal, open_terminal
from ropewalk.cli.numbers import finite

if TYPE_CHECKING:
    from ropewalk.engine.client import Client

_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(slots=True)
class Session:
    """One invocation of the command line.

    Attributes:
        out: for data.
        err: for progress and problems.
        as_json: nothing but JSON goes to `out`.
        verbosity: -1 with `-q`, 1 with `-v`.
    """

    out: Terminal
    err: Terminal
    as_json: bool = False
    verbosity: int = 0
    _client: Client | None = None

    @property
    def client(self) -> Client:
        """The project of the current folder; nothing is made on disk until the store is needed."""
        if self._client is None:
            from ropewalk.engine.client import Client

            self._client = Client()
        return self._client

    @property
    def has_store(self) -> bool:
        """Whether anything was ever run here; commands that only look must not make a store."""
        return self.client.home.database.exists()

    def emit(self, data: object) -> None:
        """Write JSON to stdout."""
        text = json.dumps(finite(data), indent=2, ensure_ascii=not self.out.unicode, default=str)
        self._write(text)

    def emit_line(self, data: object) -> None:
        """Write one line of newline-delimited JSON to stdout."""
        self._write(json.dumps(finite(data), ensure_ascii=not self.out.unicode, default=str))

    def _write(self, text: str) -> None:
        # Outside of strings JSON is ASCII, so an escape in a string is all that this can be.
        self.out.stream.write(_UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", text) + "\n")

    def note(self, text: str) -> None:
        """Tell a person something that is not data; silent with `-q`."""
        if self.verbosity >= 0:
            self.err.write(text)

    def close(self) -> None:
        """Give the store back, and hand over what is still buffered."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self.out.flush()
        self.err.flush()


def open_session(arguments: Sequence[str]) -> Session:
    """The session of a command line, of which `--color` and `--json` are read before it is parsed: for its errors."""
    own = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    choice = "auto"
    for index, argument in enumerate(own):
        name, equals, value = argument.partition("=")
        if name == "--color":
            choice = value if equals else next(iter(own[index + 1 :]), "auto")
    return Session(
        open_terminal(sys.stdout, choice, os.environ),
        open_terminal(sys.stderr, choice, os.environ),
        as_json="--json" in own,
    )
