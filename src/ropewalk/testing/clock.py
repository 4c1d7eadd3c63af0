"""Virtual time: a clock that moves only when everybody waits, and a stage on which several actors share it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random


@dataclass(eq=False)
class Actor:
    """Somebody who acts in a thread of its own, when it is its turn."""

    name: str
    wakes_at: float
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: bool = False


class Stage:
    """Lets actors act one at a time, in the order of virtual time; who of several is first, chance says.

    Equal generators and actors give equal plays, whatever the machine does.
    """

    def __init__(self, rng: Random, now: float = 1_000_000.0) -> None:
        self.now = now
        self.turns = 0
        self.errors: list[str] = []  # tracebacks of actors that failed
        self._rng = rng
        self._actors: list[Actor] = []
        self._back = threading.Semaphore(0)
        self._acting: Actor | None = None

    @property
    def acting(self) -> str:
        """The name of who acts now; empty: nobody."""
        return self._acting.name if self._acting is not None else ""

    def clock(self) -> float:
        """The virtual time."""
        return self.now

    def add(self, name: str, act: Callable[[], None], at: float = 0.0) -> None:
        """Have `act` begin `at` seconds from now."""
        actor = Actor(name, self.now + at)

        def body() -> None:
            actor.turn.acquire()
            try:
                act()
            except Exception:  # noqa: BLE001  # told when the play is over
                self.errors.append(f"{name}: {traceback.format_exc()}")
            finally:
                actor.ended = True
                self._back.release()

        threading.Thread(target=body, name=name, daemon=True).start()
        self._actors.append(actor)

    def wait(self, seconds: float = 0.0) -> None:
        """Called by an actor: let others act, and go on when so much time has passed."""
        actor = self._acting
        if actor is None:
            self.now += seconds
            return
        actor.wakes_at = self.now + seconds
        self._back.release()
        actor.turn.acquire()

    def play(self, most_turns: int) -> bool:
        """Let everybody act until all have ended; False: they have not after so many turns."""
        while waiting := [actor for actor in self._actors if not actor.ended]:
            if self.turns >= most_turns:
                return False
            self.turns += 1
            first = min(actor.wakes_at for actor in waiting)
            self.now = max(self.now, first)
            actor = self._rng.choice([actor for actor in waiting if actor.wakes_at <= self.now])
            self._acting = actor
            actor.turn.release()
            self._back.acquire()
            self._acting = None
        return True
