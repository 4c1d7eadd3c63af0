"""What a stream can show (colour, Unicode, how many columns), and text made safe for it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_SGR = re.compile(r"\x1b\[[0-9;]*m")
# A colour sequence, or a character that moves the cursor, rings, hides text or turns its direction round.
_HARMFUL = re.compile(
    r"\x1b\[([0-9;]*)m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LEAST_CELLS = 8
_HIDDEN = frozenset({"5", "6", "8"})  # colour sequences that make text blink or disappear
_ASCII = str.maketrans({
    "✓": "+", "✗": "x", "▸": ">", "●": "*", "○": "o", "·": "-", "–": "-", "−": "-", "×": "x", "→": "->", "…": "~",
    "█": "#", "░": ".", "│": "|", "─": "-", "├": "+", "╮": "+", "╯": "+", "╰": "+", "┤": "+", "┼": "+", "└": "`",
    "┬": "+", "┴": "+", "’": "'", "⚠": "!",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terminal:
    """One of the two streams, as far as showing things goes.

    Attributes:
        color: colour sequences may be written.
        unicode: characters beyond ASCII may be written.
        width: columns of the window; None: not a terminal, so nothing is shortened.
        live: the cursor may be moved.
    """

    stream: TextIO
    color: bool = False
    unicode: bool = True
    width: int | None = None
    live: bool = False

    def paint(self, text: str, style: str) -> str:
        """The text in a style, where there is colour."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color and text else text

    def safe(self, text: str) -> str:
        """The text as it may be written: nothing in it acts on the terminal but colours, where they are wanted."""
        if not text.isascii() or not text.isprintable():
            text = _HARMFUL.sub(self._disarm, text)
            if not self.unicode:
                text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode()
        return text + "\x1b[0m" if text.rfind("\x1b[") != text.rfind("\x1b[0m") else text

    def write(self, text: str = "") -> None:
        """Write a line, or several."""
        self.stream.write("\n".join(map(self.safe, text.split("\n"))) + "\n")

    def flush(self) -> None:
        self.stream.flush()

    def _disarm(self, match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[0] if self.color and not _HIDDEN & set(match[1].split(";")[:1]) else ""
        return match[0].encode("unicode_escape").decode()


def open_terminal(stream: TextIO, choice: str, environment: Mapping[str, str]) -> Terminal:
    """What a stream can show.

    Args:
        choice: `always`, `never` or `auto`, as given with `--color`.
        environment: NO_COLOR, FORCE_COLOR and their kind, TERM, COLUMNS and the locale are respected.
    """
    interactive = stream.isatty()
    dumb = environment.get("TERM") == "dumb"
    unicode = _is_unicode(stream, environment)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    color = _wants_color(choice, environment, interactive and not dumb)
    return Terminal(
        stream, color, unicode, _columns(stream, environment) if interactive else None, interactive and not dumb
    )


def _wants_color(choice: str, environment: Mapping[str, str], able: bool) -> bool:
    if choice in ("always", "never"):
        return choice == "always"
    if environment.get("FORCE_COLOR", "0") not in ("", "0") or environment.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return able and not environment.get("NO_COLOR") and environment.get("CLICOLOR") != "0"


def _is_unicode(stream: TextIO, environment: Mapping[str, str]) -> bool:
    if (getattr(stream, "encoding", None) or "").lower().replace("-", "") != "utf8":
        return False
    # Python reads a C locale as UTF-8, and says so in LC_CTYPE to the programs that it starts.
    coerced = environment.get("LC_CTYPE") in (None, "", "C.UTF-8")
    locale = environment.get("LC_ALL") or ("" if coerced else environment["LC_CTYPE"]) or environment.get("LANG", "")
    return locale not in ("C", "POSIX")


def _columns(stream: TextIO, environment: Mapping[str, str]) -> int:
    given = environment.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def cells(text: str) -> int:
    """How many columns a text takes."""
    if "\x1b" in text:
        text = _SGR.sub("", text)
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int) -> str:
    """The text, shortened to `width` columns; colours are dropped when it has to be."""
    if cells(text) <= width:
        return text
    kept, used = [], 0
    for character in _SGR.sub("", text):
        used += cells(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…" if width > 0 else ""


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text, filled up with spaces to `width` columns; `right` puts them in front."""
    space = " " * (width - cells(text))
    return space + text if right else text + space


def table(
    rows: Sequence[Sequence[str]], *, width: int | None = None, right: Iterable[int] = (), gap: int = 2
) -> list[str]:
    """Rows with their columns aligned; where `width` is not enough the widest columns give way, to 8 cells at least."""
    if not rows:
        return []
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        least = sum(min(w, _LEAST_CELLS) for w in widths)
        widths = _narrowed(widths, max(width - gap * (len(widths) - 1), least))
    on_the_right = frozenset(right)
    lines = []
    for row in rows:
        parts = [pad(fit(c, w), w, right=i in on_the_right) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append((" " * gap).join(parts).rstrip())
    return lines


def _narrowed(widths: list[int], total: int) -> list[int]:
    widths = list(widths)
    while (excess := sum(widths) - total) > 0:
        widest, second = sorted([0, *widths])[:-3:-1]
        widths[widths.index(widest)] -= max(1, min(excess, widest - second))
    return widths
