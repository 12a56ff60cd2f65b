"""`autotune watch`: shows how a run or a sweep goes, from its files alone; nothing is written."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from autotune.errors import ConfigError, Interrupted
from autotune.reporting.watch import run_lines, sweep_lines
from autotune.run.live import LiveRun
from autotune.run.status import STATUS, is_run
from autotune.run.sweep_folder import MEMBERS, SweepFolder
from autotune.run.sweep_members import MemberState

GOING_ON = (MemberState.pending, MemberState.running)
FAILED, LEFT = 1, 130
"""Exit codes of a run that failed before status.json had one, and of Ctrl-C."""

View = Callable[[int, int], tuple[list[str], int | None]]
"""Takes width and height; returns the lines, and the exit code once what is watched has ended."""


def watch(path: Path, *, once: bool) -> int:
    """Shows a run until it ends; once, if standard output is not a terminal.

    Args:
        path: run folder, folder of a sweep, or a folder of runs, of which the newest is shown.
        once: whether to show it once.

    Returns:
        The exit code of the run; 0 while it goes on, and 130 after Ctrl-C.

    Raises:
        ConfigError: there is no run.
    """
    view = _view(path)
    try:
        if once or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
            lines, code = view(80, 1000)
            sys.stdout.write("\n".join(lines) + "\n")
            return code or 0
        return _follow(view)
    except KeyboardInterrupt:
        return LEFT


def _follow(view: View, seconds: float = 1.0) -> int:
    """Draws over what it has drawn before, so that the last picture stays on the terminal."""
    drawn = 0
    while True:
        size = shutil.get_terminal_size()
        # The last column and the last line stay free: what reaches them makes a terminal scroll.
        lines, code = view(size.columns - 1, size.lines - 1)
        back = f"\x1b[{drawn}A" if drawn else ""
        sys.stdout.write(f"{back}\r\x1b[J" + "\n".join(lines) + "\n")
        sys.stdout.flush()
        drawn = len(lines)
        if code is not None:
            return code
        time.sleep(seconds)


def _view(path: Path) -> View:
    """Returns the view of a run or a sweep, or of the newest run in a folder.

    Raises:
        ConfigError: there is none.
    """
    if (path / MEMBERS).is_file():
        return _sweep_view(path)
    if not (path / STATUS).is_file():
        newest = max(path.glob(f"*/{STATUS}"), key=lambda file: file.stat().st_mtime, default=None)
        if newest is not None:
            path = newest.parent
        elif not (path.is_dir() and any(path.iterdir()) and is_run(path)):
            raise ConfigError(
                "there is no run here",
                where=str(path),
                fix="autotune watch RUN, with a run folder or a folder of runs",
            )
    return _run_view(path)


def _run_view(path: Path) -> View:
    live = LiveRun(path)

    def show(width: int, height: int) -> tuple[list[str], int | None]:
        live.update()
        return run_lines(live, width, height), _exit_code(live.state, live.exit_code)

    return show


def _sweep_view(path: Path) -> View:
    sweep = SweepFolder(path)

    def show(width: int, height: int) -> tuple[list[str], int | None]:
        members = sweep.read()
        codes = [_exit_code(member.state, 0) for member in members]
        ended = [code for code in codes if code is not None]
        lines = sweep_lines(path.resolve().name, members, width, height)
        return lines, max(ended, default=0) if len(ended) == len(codes) else None

    return show


def _exit_code(state: MemberState, recorded: int) -> int | None:
    """Returns the exit code of a run; None while it goes on."""
    if state in GOING_ON:
        return None
    if state in (MemberState.interrupted, MemberState.killed):
        return recorded or Interrupted.exit_code
    return 0 if state is MemberState.finished else recorded or FAILED
