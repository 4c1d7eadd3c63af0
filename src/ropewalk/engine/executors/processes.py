"""Attempts in warm worker processes on this machine."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ropewalk.core.artifact import Failure
from ropewalk.core.errors import StoreError
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.executors.base import FULL, NOBODY, Done, Ended, Offer, Progress, Report, Returned
from ropewalk.engine.executors.begun import Begun
from ropewalk.engine.executors.channel import Channel
from ropewalk.engine.executors.child import name_of, place_of, work
from ropewalk.engine.executors.log import LOG_MAX_BYTES, hollow, keep_spool
from ropewalk.engine.executors.memory import LEFTOVER_SHARE, SAMPLE_S, out_of_memory, used_bytes
from ropewalk.engine.executors.nursery import Nursery
from ropewalk.engine.executors.pace import BATCH_S, Pace, batch, load_of
from ropewalk.engine.executors.worker import Worker
from ropewalk.engine.home import Home

STEAL_AFTER_S = 0.05  # a worker silent for so long is inside one order; those behind it can go elsewhere
GRACE_S = 5.0  # between the polite and the certain end of an attempt
WATCH_S = 0.01  # shorter attempts are not looked after, and none more often
LOOK_AT_LOGS_S = 0.1  # how often what is being logged is kept from filling the disk


class ProcessExecutor:
    """Runs attempts in `slots` worker processes, forked from a nursery."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], home: Home, slots: int) -> None:
        self.slots = slots
        self._home = home
        self._begun = Begun(2 * slots)  # one dies while another takes its place
        threads = max(1, len(os.sched_getaffinity(0)) // slots)
        self._nursery = Nursery(partial(work, functions=functions, home=home, begun=self._begun, threads=threads))
        self._workers: dict[str, Worker] = {}
        self._dying: dict[str, Worker] = {}  # their connection has closed; how they ended is not known yet
        self._started = 0
        self._pace = Pace()
        self._suspects: set[str] = set()  # nodes that took a worker down: given out one by one
        self._reports: list[Report] = []
        self._full: list[Worker] = []  # those with orders in their outbox
        self._by_file: dict[int, Worker] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._files = select.poll()
        for file in (self._nursery.control.fileno(), self._wake_read):
            self._files.register(file, select.POLLIN)
        self._oom_kills = _oom_kills()
        self._measured_at = 0.0
        self._logs_looked_at = 0.0
        self._watch_at = math.inf  # when attempts that take long are to be looked after
        for _ in range(slots):
            self._spawn()

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        best, least = None, BATCH_S * FULL
        for worker in self._workers.values():
            backlog = worker.backlog_s(self._pace) + taken.get(worker.name, 0.0) * BATCH_S
            if worker.ending is None and backlog < least:
                best, least = worker, backlog
        if best is None:
            return None
        mean_s, load = self._pace.mean_s(node, task), taken.get(best.name, 0.0)
        if node in self._suspects or mean_s > BATCH_S / 2:
            return Offer(best.name, 0 if best.queue or load else 1)
        share = math.ceil(remaining / (2 * len(self._workers)))
        return Offer(best.name, min(batch(mean_s, load), share), load_of(mean_s))

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        to = self._workers.get(worker)
        if to is None or self._is_bloated(to, orders):  # it died since it was offered, or has to
            self._reports += [Returned(job.node, order.item, order.token) for order in orders]
            return
        to.take(job, orders)
        self._full.append(to)
        self._watch_at = min(self._watch_at, time.monotonic() + WATCH_S)

    def _is_bloated(self, worker: Worker, orders: Sequence[Order]) -> bool:
        """Whether earlier tasks left so much in a worker that it would count against a limit; it is replaced then."""
        limit = min((order.memory_bytes for order in orders if order.memory_bytes), default=0)
        if not limit or worker.queue or not worker.ended:
            return False
        most = int(limit * LEFTOVER_SHARE)
        if used_bytes(self._begun.process(worker.place), most) <= most:
            return False
        self._kill(worker, Failure("lost", "its memory was needed"))
        return True

    def _send_orders(self) -> None:
        """Send what workers have room for; those that take no more now are asked again."""
        if self._full:
            self._full = [worker for worker in dict.fromkeys(self._full) if not worker.send_orders()]

    def _recall(self, worker: Worker) -> None:
        if not worker.recall():
            self._full.append(worker)

    def poll(self, timeout_s: float) -> list[Report]:
        until, woken = time.monotonic() + (0.0 if self._reports else timeout_s), False
        while True:
            self._send_orders()
            longest = WATCH_S if self._full else timeout_s
            woken |= self._wait(max(0.0, min(longest, min(until, self._watch_at) - time.monotonic())))
            now = time.monotonic()
            if now >= self._watch_at:
                self._watch()
                self._watch_at = max(self._next_deadline(), now + WATCH_S)
            if self._reports or woken or now >= until:
                break
        reports, self._reports = self._reports, []
        return reports

    def _wait(self, timeout_s: float) -> bool:
        """Take in what workers send in this time, until one has; whether somebody wants the waiting to end."""
        woken = False
        for file, _ in self._files.poll(timeout_s * 1000):
            if file in self._by_file:
                self._read(self._by_file[file])
            elif file == self._wake_read:
                os.read(self._wake_read, 4096)
                woken = True
            else:
                self._bury()
                woken = True  # there is room on a new worker
        return woken

    def _read(self, worker: Worker) -> None:
        """Take in everything that a worker has sent."""
        if self._drain(worker):
            self._workers.pop(worker.name)
            self._dying[worker.name] = worker

    def _take_in(self, worker: Worker, kind: str, node: str, item: int, *rest: Any) -> None:
        if kind == "progress":
            self._reports.append(Progress(node, item, *rest))
            return
        token = rest[0]
        found = worker.answered(item, token, begun=kind != "returned")
        if found is not None and found[1].gpus:
            worker.ending = Failure("lost", "its process gives its graphics processors back")
        if kind == "done":
            self._reports.append(Done(node, item, token, rest[1]))
            if found is not None:
                self._pace.learn(node, found[0].task, rest[1].usage.wall_s)
        elif kind == "returned":
            self._reports.append(Returned(node, item, token))
        else:
            failure = None if found is None else worker.failure_of(found[1])
            failure = failure or Failure("lost", "the worker process was told to end by SIGTERM, from outside")
            self._reports.append(Ended(node, item, token, failure))

    def _bury(self) -> None:
        """Answer for the orders of workers that have ended, and start others in their place."""
        try:
            exits = self._nursery.exits()
        except (EOFError, OSError):
            raise _nursery_gone() from None
        for name, status in exits:
            worker = self._workers.pop(name, None) or self._dying.pop(name, None)
            if worker is None:
                continue
            if not worker.channel.closed:
                self._drain(worker)
                self._hang_up(worker)
            self._answer_for(worker, status)
            with contextlib.suppress(OSError):
                self._home.spool(name).unlink()
            self._spawn()

    def _answer_for(self, worker: Worker, status: int) -> None:
        """Say of each order of a worker that has ended whether it was begun."""
        current = worker.current
        for index, (job, order) in enumerate(worker.queue):
            if index > current:
                self._reports.append(Returned(job.node, order.item, order.token))
                continue
            failure = Failure("lost", "it had ended, but its worker died before it could report that")
            if index == current:
                failure = worker.failure_of(order) or self._cause(status)
                keep_spool(self._home, worker.name, job, order)
                if worker.ending is None:
                    self._suspects.add(job.node)
            self._reports.append(Ended(job.node, order.item, order.token, failure))

    def _drain(self, worker: Worker) -> bool:
        """Take in everything that a worker has sent; whether that was all, since it has closed its end."""
        try:
            while worker.channel.waits():
                for message in worker.channel.receive():
                    self._take_in(worker, *message)
        except (EOFError, OSError):
            self._hang_up(worker)
            return True
        return False

    def _hang_up(self, worker: Worker) -> None:
        if not worker.channel.closed:
            self._files.unregister(worker.channel.fileno())
            del self._by_file[worker.channel.fileno()]
            worker.channel.close()

    def _cause(self, status: int) -> Failure:
        """Why a worker died by itself."""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            return Failure("lost", f"the worker process exited with code {code} in the middle of the task")
        name = signal.Signals(os.WTERMSIG(status)).name
        kills = _oom_kills()
        if name == "SIGKILL" and kills > self._oom_kills:
            self._oom_kills = kills
            return Failure("oom", "out of memory: the system killed the worker process")
        return Failure("lost", f"the worker process was killed by {name}, from outside or by a crash in native code")

    def _watch(self) -> None:
        """Enforce timeouts, make ends certain, and move orders away from behind a long one."""
        now = time.monotonic()
        idle = any(not w.queue for w in self._workers.values())
        for worker in list(self._workers.values()):
            if now >= worker.kill_at:
                worker.kill_at = math.inf
                self._nursery.kill(worker.name, signal.SIGKILL)
            job, since = worker.present
            if job is None or worker.ending is not None:
                continue
            order = worker.present_order
            if order is not None and (order.item, order.token) in worker.doomed:
                self._end(worker, Failure("cancelled", "cancelled", retryable=False))
            elif job.timeout_s is not None and now - since >= job.timeout_s:
                self._end(worker, Failure("timeout", f"timed out after {job.timeout_s:g} s"))
            elif idle and len(worker.queue) > 1 and not worker.recalled and now - since > STEAL_AFTER_S:
                worker.recalled = True
                self._recall(worker)
        if now - self._measured_at >= SAMPLE_S:
            self._limit_memory()
            self._measured_at = time.monotonic()
        if now - self._logs_looked_at > LOOK_AT_LOGS_S:
            self._logs_looked_at = now
            for worker in self._workers.values():
                hollow(self._home.spool(worker.name), LOG_MAX_BYTES)

    def _limit_memory(self) -> None:
        """End attempts that have reached more memory than they asked for."""
        for worker in self._workers.values():
            current = worker.current
            if worker.ending is not None or not 0 <= current < len(worker.queue):
                continue
            limit = worker.queue[current][1].memory_bytes
            if limit and (used := used_bytes(self._begun.process(worker.place), limit)) > limit:
                self._kill(worker, out_of_memory(limit, used))

    def _kill(self, worker: Worker, failure: Failure) -> None:
        """End a worker for certain, and everything that it started."""
        worker.end(failure)
        self._nursery.kill(worker.name, signal.SIGKILL)

    def _end(self, worker: Worker, failure: Failure) -> None:
        worker.end(failure)
        worker.kill_at = time.monotonic() + GRACE_S
        self._watch_at = min(self._watch_at, worker.kill_at)
        self._nursery.kill(worker.name, signal.SIGTERM)

    def _next_deadline(self) -> float:
        nearest = math.inf
        for worker in self._workers.values():
            nearest = min(nearest, worker.kill_at, 0.0 if worker.doomed else math.inf)
            job, since = worker.present
            if job is not None:
                nearest = min(nearest, self._logs_looked_at + LOOK_AT_LOGS_S)
            if job is not None and worker.ending is None:
                if job.timeout_s is not None:
                    nearest = min(nearest, since + job.timeout_s)
                if worker.queue[0][1].memory_bytes:
                    nearest = min(nearest, self._measured_at + SAMPLE_S)
                if len(worker.queue) > 1 and not worker.recalled:
                    nearest = min(nearest, since + 2 * STEAL_AFTER_S)
        return nearest

    def kill(self, node: str, item: int, token: int) -> None:
        self._send_orders()
        for worker in self._workers.values():
            for index, (job, order) in enumerate(worker.queue):
                if (job.node, order.item, order.token) != (node, item, token):
                    continue
                current = worker.current
                if index > current:  # or it begins at this moment
                    worker.doomed.add((item, token))
                    self._recall(worker)
                    self._watch_at = min(self._watch_at, time.monotonic() + WATCH_S)
                elif index == current and worker.ending is None:
                    self._end(worker, Failure("cancelled", "cancelled", retryable=False))
                return

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    def kill_all(self) -> None:
        """End everything that runs without grace."""
        for worker in self._workers.values():
            worker.kill_at = 0.0
        self._watch_at = 0.0

    def close(self) -> None:
        self._nursery.close()
        for worker in self._workers.values():
            worker.channel.close()
            with contextlib.suppress(OSError):
                self._home.spool(worker.name).unlink()
        self._workers.clear()
        for fd in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _spawn(self) -> None:
        self._started += 1
        used = {place_of(name) for name in (*self._workers, *self._dying)}
        place = next(n for n in range(2 * self.slots) if n not in used)
        self._begun.clear(place)
        name = name_of(place, self._started)
        try:
            channel = Channel(self._nursery.spawn(name))
        except OSError:
            raise _nursery_gone() from None
        worker = self._workers[name] = self._by_file[channel.fileno()] = Worker(name, channel, self._begun)
        self._files.register(worker.channel.fileno(), select.POLLIN)


def _nursery_gone() -> StoreError:
    return StoreError(
        "the process that keeps the workers was killed",
        code="P350",
        facts=["finished work is safe"],
        help=["ropewalk resume"],
    )


def _oom_kills() -> int:
    """How many processes the kernel has killed for memory since it started."""
    with contextlib.suppress(OSError, ValueError, StopIteration), open("/proc/vmstat") as file:
        return int(next(line for line in file if line.startswith("oom_kill ")).split()[1])
    return 0
