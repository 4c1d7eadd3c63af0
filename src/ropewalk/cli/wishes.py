"""Options of `run`, `plan` and `graph`: which pipeline is meant, with which parameters, and how it is run."""

from __future__ import annotations

from typing import TypedDict, TypeVar

from ropewalk.cli.complete import complete_target
from ropewalk.cli.declare import Choice, Function, Number, argument, option

F = TypeVar("F", bound=Function)


class How(TypedDict):
    """What `takes_options` gives, besides `force`."""

    executor: str
    workers: int | None
    seed: int
    no_cache: bool


LEFTOVERS = {"ignore_unknown_options": True, "allow_extra_args": True}  # parameters of the pipeline are options, too
LARGEST_SEED = 2**63 - 1


def takes_pipeline(function: F) -> F:
    """Give a command `words` (the target, and parameters written as options) and `params` (from `-p`)."""
    words = argument("words", nargs=-1, metavar="[TARGET] [--PARAMETER VALUE]...", shell_complete=complete_target)
    params = option(
        "-p", "--param", "params", multiple=True, metavar="NAME=VALUE",
        help="A parameter of the pipeline, or TASK.PARAMETER.",
    )  # fmt: skip
    return words(params(function))


def takes_options(function: F) -> F:
    """Give a command what says how a run is made: `executor`, `workers`, `seed`, `no_cache`, `force`."""
    for decorate in (
        option("--force", multiple=True, metavar="TASK", help="Execute this task, whatever is known."),
        option("--no-cache", is_flag=True, help="Execute everything, whatever is known."),
        option("--seed", type=Number(0, LARGEST_SEED), default=0, help="Runs with different seeds share no results."),
    ):
        function = decorate(function)
    return takes_workers(function)


def takes_workers(function: F) -> F:
    """Give a command what says where tasks are run: `executor` and `workers`."""
    workers = option(
        "--workers", type=Number(1, 1000), help="Number of worker processes; one for each CPU if not given."
    )
    executor = option("--executor", type=Choice(["processes", "inline"]), default="processes", help="Where tasks run.")
    return executor(workers(function))
