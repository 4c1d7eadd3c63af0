"""`completion`: the script that makes a shell complete commands, runs and pipelines."""

from __future__ import annotations

from ropewalk.cli.declare import Choice, argument, command
from ropewalk.cli.session import Session


@command(
    examples=[
        'eval "$(ropewalk completion bash)"     # in ~/.bashrc',
        "ropewalk completion fish > ~/.config/fish/completions/ropewalk.fish",
    ],
    json=False,
)
@argument("shell", type=Choice(["bash", "zsh", "fish"]))
def completion(session: Session, shell: str) -> None:
    """Print the script that completes commands in a shell, the numbers and names of runs and pipelines included."""
    from click.shell_completion import get_completion_class

    from ropewalk.cli.root import cli

    kind = get_completion_class(shell)
    assert kind is not None
    session.out.write(kind(cli, {}, "ropewalk", "_ROPEWALK_COMPLETE").source())
