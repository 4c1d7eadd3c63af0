"""The live block: what runs and what failed, at most as high as the window, redrawn at most ten times a second."""

from __future__ import annotations

import threading
import time
from itertools import islice

from ropewalk.cli.board import Board
from ropewalk.cli.console import Terminal, cells
from ropewalk.cli.lateness import late_notes
from ropewalk.cli.numbers import show_count, show_took
from ropewalk.cli.owners import MOST_FAILED, arranged
from ropewalk.cli.rows import lay_out, line_of
from ropewalk.core.taskstate import FAILED, RUNNING

FIRST_S = 0.3  # a run that is over sooner needs no block, and does not pay for loading what draws it
EVERY_S = 0.1
STOPPING = "stopping: what is under way may clean up; Ctrl-C again ends it at once"
OWN = ("fail_fast", "the deadline of ")  # what is written of a cancel that the run itself has caused begins so


def stopping(cancelled_by: str) -> str:
    """What a person reads while a run stops."""
    return f"{STOPPING} ({cancelled_by})" if cancelled_by.startswith(OWN) else STOPPING


class Display:
    """Draws a board in a thread of its own, until `stop`, which takes the block away again."""

    def __init__(self, board: Board, terminal: Terminal) -> None:
        self._board = board
        self._terminal = terminal
        self._since = time.monotonic()
        self._name_cells = max(map(cells, board.tops), default=0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="display", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def stop(self) -> None:
        """Take the block away; nothing is drawn after this."""
        self._over.set()
        self._thread.join()

    def _draw(self) -> None:
        if self._over.wait(FIRST_S):
            return
        from rich.console import Console, Group
        from rich.live import Live
        from rich.text import Text

        console = Console(file=self._terminal.stream, force_terminal=True, highlight=False, soft_wrap=True)
        with Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as live:
            while not self._over.wait(EVERY_S):
                lines = self.lines(console.height)
                live.update(
                    Group(*(Text.from_ansi(self._terminal.safe(line), no_wrap=True) for line in lines)), refresh=True
                )

    def lines(self, height: int) -> list[str]:
        """What is shown in a window that is `height` lines high: all rows, or those that matter most."""
        board, room = self._board, max(1, height - 2)
        active, rows = list(board.active), board.rows
        tops = list(board.tops)
        if len(tops) > room:
            tops = list(islice((node for node in active if not rows[node].owner), room))
        inner = [node for node in active if rows[node].owner]
        running = [node for node in inner if not rows[node].run.settled]
        failed = [node for node in inner if rows[node].run.settled and not rows[node].grows]
        inner = [*failed[:MOST_FAILED], *running][: max(0, room - len(tops))]
        chosen = arranged([*tops, *inner], board.owner_of)
        shown = [line_of(rows[node], _nothing, depth, label) for node, depth, label in chosen]
        self._name_cells = max([self._name_cells, *(cells(line.name) + 2 * line.depth for line in shown)])
        return [*lay_out(shown, self._terminal, name_cells=self._name_cells), self._summary()]

    def _summary(self) -> str:
        board = self._board
        running, failed = board.count_active(RUNNING), board.count_active(FAILED)
        parts = [f"{len(board.settled):,} of {show_count(len(board.tops), 'task')} done"]
        parts += [f"{running:,} running"] if running else []
        parts += [self._terminal.paint(f"{failed:,} failed", "red")] if failed else []
        parts.append(show_took(time.monotonic() - self._since))
        late = [self._terminal.paint(text, "yellow") for text in late_notes(board.state)][:1]
        return "  " + " · ".join([*parts, *late, *([stopping(board.cancelled_by)] if board.cancelled_by else [])])


def _nothing(_node: str) -> dict[str, float]:
    return {}
