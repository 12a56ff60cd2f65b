"""What the user sees of an exception, and the exit code that it means."""

import sys
import traceback
from contextlib import suppress
from contextvars import ContextVar

from autotune import registry
from autotune.cli.plugin_errors import plugin_error
from autotune.errors import AutotuneError, DiskError, listing
from autotune.runtime import launcher
from autotune.runtime.language import local, shown, word
from autotune.runtime.os_errors import is_refusal, system_error

BUG, INTERRUPTED = 70, 130

tracebacks: ContextVar[bool] = ContextVar("tracebacks", default=False)
"""Whether errors of users show a traceback, too (--debug)."""


def show_error(error: Exception | KeyboardInterrupt | SystemExit) -> int:
    """Prints an exception in words, a bug of ours with its traceback; returns the exit code.

    Args:
        error: SystemExit if code of a run, such as a plug-in or a library, has asked to leave the interpreter.
    """
    if isinstance(error, KeyboardInterrupt):
        report(word("interrupted") + "\n")
        return INTERRUPTED
    known = error if isinstance(error, AutotuneError) else _translated(error)
    if known is not None:
        return _refused(known, error)
    report("".join(traceback.format_exception(error)))
    given = f", or in the plug-in {listing(registry.plugins)}" if registry.plugins else ""
    report(local(f"this is a bug in autotune{given}: please report it with the lines above") + "\n")
    return BUG


def report(text: str) -> None:
    """Writes to standard error; where that takes nothing, to standard output."""
    sys.stderr.write(text)
    if getattr(sys.stderr, "lost", False):
        with suppress(DiskError, BrokenPipeError):
            sys.stdout.write(text)
            sys.stdout.flush()


def _translated(error: BaseException) -> AutotuneError | None:
    """The same as an error for people; None for a bug of ours."""
    if isinstance(error, OSError) and is_refusal(error):
        return system_error(error, doing="read or write", elsewhere="a path of your own")
    return plugin_error(error)


def _refused(error: AutotuneError, raised: BaseException) -> int:
    if tracebacks.get():
        report("".join(traceback.format_exception(raised)))
    if launcher.rank():
        return error.exit_code  # what all processes end with is told by the first
    for one in error.errors:
        report(f"{word('error')}: {shown(one.what, one.where, one.found, one.fix)}\n")
    return error.exit_code
