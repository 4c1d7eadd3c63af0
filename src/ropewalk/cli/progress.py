"""What a person sees while a run goes on: a live block, or plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ropewalk.cli.board import Board
from ropewalk.cli.display import Display, stopping
from ropewalk.cli.history import Before, changes, run_before
from ropewalk.cli.plain import Plain
from ropewalk.cli.session import Session
from ropewalk.core.state import RunState
from ropewalk.engine.scheduler import Step
from ropewalk.store import runs
from ropewalk.store.runs import Run


class Progress:
    """A listener that shows a run. It never disturbs the run: what cannot be shown is left out.

    Attributes:
        run: the run, once it has begun.
        state, board: the run as it stands and its rows, once it has begun.
        problem: what went wrong with showing it.

    Args:
        run: the run, where it is known before it goes on; None: a new one.
    """

    def __init__(self, session: Session, run: Run | None = None) -> None:
        self.run = run
        self.state: RunState | None = None
        self.board: Board | None = None
        self.before = Before(session.client, None)
        self.problem: Exception | None = None
        self._session = session
        self._resumed = run is not None
        self._silent = False
        self._plain: Plain | None = None
        self._display: Display | None = None
        self._warned = False

    def __call__(self, step: Step) -> None:
        """Take in one step of the run."""
        if self._silent:
            return
        try:
            self._take(step)
        except BrokenPipeError:
            self._silent = True  # nobody reads any more, which is no reason to give up a run
        except Exception as error:  # noqa: BLE001  # reported when the run is over
            self.problem = error
            self._silent = True

    def close(self, state: str = "", duration_s: float = 0.0) -> None:
        """Take the live block away, or write the last line."""
        if self._display is not None:
            self._display.stop()
            self._display = None
        if self._plain is not None and state and not self._silent:
            self._quietly(partial(self._plain.finish, state, duration_s))

    def _quietly(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BrokenPipeError:
            self._silent = True

    def _take(self, step: Step) -> None:
        if self.board is None:
            self._begin(step)
        assert self.board is not None
        touched = self.board.take(step)
        if self._plain is not None:
            self._plain.tell(step, touched)
            self._stream.flush()
        if self.board.cancelled_by and not self._warned:
            self._warned = True
            if self._display is None:  # which says so itself
                self._session.note(stopping(self.board.cancelled_by))

    def _begin(self, step: Step) -> None:
        session = self._session
        self.board, self.state = Board(step.state), step.state
        run = self.run = self.run or runs.get(session.client.db, step.run)
        if session.verbosity < 0:
            return
        previous = run_before(session.client, run)
        self.before = Before(session.client, previous)
        if session.as_json or session.out.width is None:
            self._stream = session.err if session.as_json else session.out
            self._plain = Plain(run, self.board, self._stream.write, everything=session.verbosity > 0)
            return
        note = "resumed" if self._resumed else changes(session.client, run, step.state.graph, previous)
        head = f"{session.out.paint(run.pipeline, 'bold')}  run {run.number}  {run.name}"
        session.out.write(f"{head}     {note}" if note else head)
        session.out.flush()
        terminal = session.err if session.err.live else session.out
        if terminal.live:
            self._display = Display(self.board, terminal)
            self._display.start()
