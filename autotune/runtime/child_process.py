"""Runs a verb in a process that knows nothing of this one, without waiting for imports where that can be had.

`prepare` forks a process when everything has been imported and nothing has been done yet: no model, no data, no
threads of torch, no GPU. It shares its memory with this one, waits, and forks a child for each verb.
"""

import json
import os
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from autotune.errors import Interrupted
from autotune.runtime import launcher, signals
from autotune.runtime.files import scratch


@dataclass(frozen=True)
class ProcessResult:
    """How a verb ended."""

    code: int
    said: str
    """What it printed."""


_waiting: tuple[BinaryIO, BinaryIO] | None = None
"""Orders to the process that `prepare` has forked, and its answers."""


def prepare() -> None:
    """To be called between imports and work. Elsewhere than on Linux it does nothing, and imports are waited for."""
    global _waiting
    if sys.platform != "linux" or _waiting is not None:
        return
    (hear, tell), (receive, answer) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(tell)
        os.close(receive)
        _serve(os.fdopen(hear, "rb"), os.fdopen(answer, "wb", buffering=0))
    os.close(hear)
    os.close(answer)
    # Unbuffered: `select` does not see what a buffer holds.
    _waiting = os.fdopen(tell, "wb", buffering=0), os.fdopen(receive, "rb", buffering=0)


def run(words: Sequence[str]) -> ProcessResult:
    """`autotune` with these words, in a fresh process that is none of a launcher's.

    Raises:
        Interrupted: a signal has come; the process was asked to end.
    """
    with scratch() as folder:
        said = Path(folder, "said.txt")
        code = _asked(words, said) if _waiting is not None else None
        if code is None:
            with said.open("wb") as output:
                command = [sys.executable, "-P", "-m", "autotune", *words]
                environment = launcher.without_launcher_env(os.environ) | {"PYTHONIOENCODING": "utf-8"}
                process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
                while (code := _ended(process)) is None:
                    _end_if_asked(process.pid)
        # Ctrl-C has reached it as well.
        signals.raise_if_stopped()
        return ProcessResult(code, said.read_text(encoding="utf-8", errors="replace"))


def _asked(words: Sequence[str], said: Path) -> int | None:
    """The exit code of a forked child; None where the process that forks is gone."""
    assert _waiting is not None, "asked only when there is one"
    orders, answers = _waiting
    try:
        orders.write(json.dumps([list(words), str(said)]).encode() + b"\n")
    except BrokenPipeError:
        return None
    child = answers.readline()
    while child and not select.select([answers], [], [], signals.PAUSE)[0]:
        _end_if_asked(int(child))
    answer = answers.readline()
    return int(answer) if answer else None


def _ended(process: "subprocess.Popen[bytes]") -> int | None:
    """Its exit code; None while it is still at work."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(signals.PAUSE)
    return None


def _end_if_asked(child: int) -> None:
    """Ends a process, and raises Interrupted, where a signal has come."""
    try:
        signals.raise_if_stopped()
    except Interrupted:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT)
        raise


def _serve(orders: BinaryIO, answers: BinaryIO) -> NoReturn:
    """Forks a child for each order, until the first process closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in orders:
        words, said = json.loads(line)
        child = os.fork()
        if child == 0:
            _exec_cli(words, said)
        answers.write(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        answers.write(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _exec_cli(words: list[str], said: str) -> NoReturn:
    """`python -P -m autotune`, in this process."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(output, number)
            # Those of the first process may be closed, or in another encoding.
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        alone = launcher.without_launcher_env(os.environ)
        os.environ.clear()
        os.environ.update(alone)
        sys.argv[1:] = words
        runpy.run_module("autotune", run_name="__main__")
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
