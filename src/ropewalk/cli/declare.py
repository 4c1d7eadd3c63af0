"""How commands are declared: the one file that knows click's decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import click  # noqa: TID253  # this file is only loaded once a command is, and every command needs it

from ropewalk.cli.session import Session, open_session

Function: TypeAlias = Callable[..., int | None]
Choice, argument, option = click.Choice, click.argument, click.option
Number = click.IntRange
Context: TypeAlias = click.Context

SETTINGS = {"help_option_names": ["-h", "--help"]}
_COLOR = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    expose_value=False,  # `open_session` has read it off the command line already
    help="Colour, whatever the terminal.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Nothing but JSON on stdout.")


def command(*, examples: Sequence[str], json: bool = True, **settings: Any) -> Callable[[Function], click.Command]:
    """Make a function a command; it is called with the session, then its options, and returns the exit code.

    Args:
        examples: two command lines, with or without a comment behind them.
        json: give it `--json`.
        settings: for click.
    """

    def declare(function: Function) -> click.Command:
        settings.setdefault("context_settings", {}).update(SETTINGS)
        decorated = _with_session(function)
        for decorator in (_COLOR, *([_JSON] if json else [])):
            decorated = decorator(decorated)
        made: click.Command = click.command(cls=click.Command, help=help_text(function, examples), **settings)(
            decorated
        )
        return made

    return declare


def help_text(function: Callable[..., Any], examples: Sequence[str]) -> str:
    """A docstring with examples below it; the mark keeps click from filling their lines."""
    lines = "\n".join(f"  {example}" for example in examples)
    return f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\nExamples:\n{lines}"


class DefaultGroup(click.Group):
    """A group of which one command is meant when none is named: `artifacts last` is `artifacts list last`."""

    default = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in SETTINGS["help_option_names"]):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def group(*commands: click.Command, examples: Sequence[str]) -> Callable[[Callable[[], None]], click.Group]:
    """Make a function, of which only the docstring counts, a group; its first command is the one by default."""

    def declare(function: Callable[[], None]) -> click.Group:
        made = DefaultGroup(
            function.__name__,
            commands={str(c.name): c for c in commands},
            help=help_text(function, examples),
            context_settings=SETTINGS,
        )
        made.default = str(commands[0].name)
        return made

    return declare


def session_of(context: click.Context) -> Session:
    """The session of a command that is being run or completed."""
    found: Session | None = context.find_object(Session)
    if found is None:
        found = context.find_root().obj = open_session([])
    return found


def verbosity(function: Function) -> Function:
    """Give a command `-q` and `-v`."""

    @functools.wraps(function)
    def wrapper(session: Session, *, quiet: bool, verbose: bool, **given: Any) -> int | None:
        session.verbosity = verbose - quiet
        return function(session, **given)

    silent = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
    return silent(click.option("-v", "--verbose", is_flag=True, help="Say more.")(wrapper))


def _with_session(function: Function) -> Function:
    @functools.wraps(function)
    def wrapper(*args: Any, **given: Any) -> int | None:
        session = session_of(click.get_current_context())
        session.as_json = given.pop("as_json", False)
        return function(session, *args, **given)

    return wrapper
