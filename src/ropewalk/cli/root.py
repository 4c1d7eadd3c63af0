"""The root of the commands: a table of names, each loaded when it is called."""

from __future__ import annotations

import importlib
from typing import Any

import click  # noqa: TID253  # `main` answers what needs to be quick before it loads this file

from ropewalk import __version__
from ropewalk.cli.declare import SETTINGS, help_text
from ropewalk.core.errors import UsageError, did_you_mean

# In the order of a day's work: name → module below `ropewalk.cli`, and what the list of commands says.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("project", "Write a small pipeline that runs at once."),
    "run": ("run", "Run a pipeline."),
    "plan": ("explain", "Say what a run would do, and why; nothing is run."),
    "graph": ("graph", "Draw a pipeline."),
    "resume": ("run", "Continue a run that was paused, interrupted, cancelled or failed."),
    "retry": ("run", "Run again what failed, keeping what succeeded."),
    "dlq": ("dlq", "List what has failed for good, and try it again."),
    "cancel": ("run", "Ask a run to stop."),
    "pause": ("run", "Ask a run to rest."),
    "approvals": ("approvals", "List the questions that runs ask persons."),
    "approve": ("approvals", "Approve what a run asks, and go on with it."),
    "reject": ("approvals", "Reject what a run asks."),
    "runs": ("runs", "List runs, newest first."),
    "show": ("show", "Show a run, or one task of it."),
    "logs": ("logs", "Print what tasks printed."),
    "artifacts": ("artifacts", "List, show and export what tasks made."),
    "metrics": ("metrics", "Compare what tasks measured."),
    "guards": ("guards", "List rate limits and circuit breakers, and close a breaker."),
    "models": ("models", "List and show registered models."),
    "pools": ("pools", "List, set and remove pools that tasks of all runs compete for."),
    "why": ("explain", "Say why a task ran, was reused, waited or failed."),
    "diff": ("explain", "Compare two runs."),
    "lineage": ("explain", "Say what an artifact was made from."),
    "debug": ("debug", "Stop at the error of a failed task, with the same inputs."),
    "replay": ("debug", "Run a past run again, and compare the results."),
    "gc": ("project", "Forget old runs, and remove files that nothing refers to."),
    "doctor": ("project", "Check that everything is as it should be."),
    "completion": ("completion", "Print the script that completes commands in a shell."),
}


class LazyGroup(click.Group):
    """A group that knows the names of its commands, and loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ropewalk.cli.{COMMANDS[cmd_name][0]}")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            guess = did_you_mean(args[0], COMMANDS)
            raise UsageError(
                f"there is no command `{args[0][:80]}`",
                help=[
                    *([f"did you mean: ropewalk {guess}"] if guess else []),
                    "ropewalk --help     lists all commands",
                ],
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found: list[Any] = [
            CompletionItem(name, help=summary) for name, (_, summary) in COMMANDS.items() if name.startswith(incomplete)
        ]
        return found or click.Command.shell_complete(self, ctx, incomplete)


def _root() -> None:
    """Run machine-learning pipelines that explain themselves before they run, and survive anything after.

    Exit codes: 0 done, 1 a run or task failed or the request was refused, 2 the command line or the pipeline is
    written wrongly, 70 a mistake in Ropewalk, 130 interrupted.
    """


@click.pass_context
def _without_command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli = LazyGroup(
    "ropewalk",
    callback=_without_command,
    invoke_without_command=True,
    help=help_text(_root, ["ropewalk init && ropewalk run", "ropewalk plan -p train.c=0.1"]),
    context_settings=SETTINGS,
    params=[
        click.Option(["--color"], type=click.Choice(["auto", "always", "never"]), expose_value=False, help="Colour."),
    ],
)
cli = click.version_option(__version__, "-V", "--version", prog_name="ropewalk", message="%(prog)s %(version)s")(cli)
