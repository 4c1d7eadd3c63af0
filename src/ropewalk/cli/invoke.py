"""One invocation: parse, run, and turn whatever happens into an exit code."""

from __future__ import annotations

import errno
import os
import re

from ropewalk.cli.errors import report_bug, show_error
from ropewalk.cli.main import closed_pipe
from ropewalk.cli.session import Session, open_session
from ropewalk.core.errors import RopewalkError, StoreError, UsageError, did_you_mean

INTERRUPTED = 130
_COMPLETE = "_ROPEWALK_COMPLETE"


def invoke(arguments: list[str]) -> int:
    """Run the command that the arguments name; its exit code.

    0: done. 1: a run or a task failed, or the request was refused. 2: the command line or the definition is wrong.
    70: a mistake in Ropewalk. 130: interrupted. 141: nobody reads the output any more.
    """
    session = open_session(arguments)
    try:
        code = _dispatch(arguments, session)
        session.close()
        return code
    except BrokenPipeError:
        return closed_pipe()


def _dispatch(arguments: list[str], session: Session) -> int:
    import click

    from ropewalk.cli.root import cli

    if _COMPLETE in os.environ:
        cli.main(arguments, prog_name="ropewalk", complete_var=_COMPLETE)
    try:
        with cli.make_context("ropewalk", list(arguments), obj=session) as context:
            code = cli.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as problem:
        return _refuse(_usage_error(problem), session)
    except RopewalkError as error:
        return _refuse(error, session)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise BrokenPipeError from error
        return _refuse(_system_error(error), session) if error.filename else report_bug(error, arguments, session)
    except Exception as error:  # noqa: BLE001  # whatever it is, a person gets a line and not our frames
        return report_bug(error, arguments, session)


def _refuse(error: RopewalkError, session: Session) -> int:
    show_error(error, session)
    return error.exit_code


def _system_error(error: OSError) -> StoreError:
    return StoreError(
        f"`{os.fspath(error.filename)!s}`: {error.strerror or error}",
        code="P520" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "P530",
        help=["check that it exists, its permissions, and the space on its disk"],
    )


def _usage_error(problem: object) -> UsageError:
    """What click says about a command line, as one of our errors."""
    import click

    assert isinstance(problem, click.ClickException)
    context = getattr(problem, "ctx", None)
    path = context.command_path if context is not None else "ropewalk"
    guess = _suggestion(problem, context)
    title = problem.message if getattr(problem, "message", "") else problem.format_message()
    if isinstance(problem, (click.BadParameter, click.MissingParameter)):
        title = problem.format_message()
    return UsageError(
        re.sub(r"'([^']*)'", r"`\1`", title[:1].lower() + title[1:].rstrip(".")),
        help=[*([f"did you mean `{guess}`?"] if guess else []), f"{path} --help"],
    )


def _suggestion(problem: object, context: object) -> str | None:
    import click

    if isinstance(problem, click.NoSuchOption) and isinstance(context, click.Context):
        known = [name for p in context.command.params for name in p.opts if name.startswith("--")]
        return did_you_mean(problem.option_name, known)
    return None
