"""Those who share the stage with schedulers: a person who answers, others who interfere, and a vandal."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from ropewalk.core.errors import RopewalkError
from ropewalk.engine.client import Client
from ropewalk.store import approvals

if TYPE_CHECKING:
    from ropewalk.testing.simulator import World

VERDICTS = ("approved", "approved", "rejected", "")  # the last: nobody answers, and the question expires


def answer(world: World) -> None:
    """Answer what runs ask, always the same to the same question."""
    while any(not scene.ended for scene in world.scenes.values()):
        world.stage.wait(world.rng.uniform(1, 15))
        with Client(world.home, world.stage.clock) as client:
            for question in approvals.listing(client.db):
                fate = Random(f"{world.report.seed} {question.node} {question.item}")  # noqa: S311  # to be had again
                if verdict := fate.choice(VERDICTS):
                    world.note(f"run {question.run} is answered {verdict} at {question.node}[{question.item}]")
                    with suppress(RopewalkError):  # it has just expired
                        approvals.answer(client.db, question, verdict, "person", "", world.stage.now)


def interfere(world: World) -> None:
    """Now and then cancel a run, or let it pause, be its scheduler there or not."""
    for _ in range(world.rng.choice((0, 0, 1, 3))):
        world.stage.wait(world.rng.expovariate(0.1))
        scene = world.rng.choice(list(world.scenes.values()))
        with Client(world.home, world.stage.clock) as client:
            run = scene.find(client)
            if run is None or scene.ended:
                continue
            with suppress(RopewalkError):
                if world.rng.random() < 0.5:
                    world.report.cancels += 1
                    world.note(f"run {scene.number} is to be cancelled")
                    client.cancel(run, "person")
                else:
                    world.report.pauses += 1
                    world.note(f"run {scene.number} is to pause")
                    client.pause(run, "person")


def spoil(world: World) -> None:
    """Now and then a blob vanishes, or changes."""
    for _ in range(world.rng.choice((0, 1, 4))):
        world.stage.wait(world.rng.expovariate(0.1))
        blobs = sorted(p for p in (world.home / "blobs").glob("[0-9a-f][0-9a-f]/*") if p.is_file())
        if not blobs:
            continue
        blob = world.rng.choice(blobs)
        world.report.lost_blobs += 1
        world.note(f"blob {blob.name[:8]} is spoilt")
        if world.rng.random() < 0.5:
            blob.unlink()
        else:
            blob.chmod(0o600)
            blob.write_bytes(blob.read_bytes()[::-1] + b"?")
