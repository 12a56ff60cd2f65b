"""Runs a command in a fresh process, on Linux without importing the libraries again.

`prepare` forks a server process after the imports and before any work: no model, no data, no threads of torch, no GPU.
It shares the memory of the imports with this process, waits, and forks a child for each command.
"""

import json
import os
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from autotune.errors import Interrupted
from autotune.runtime import launcher, signals
from autotune.runtime.files import scratch

WAIT = 0.02
"""Seconds between two looks of the server at its child."""


@dataclass(frozen=True)
class ProcessResult:
    """The end of a command."""

    returncode: int
    output: str
    """Standard output and standard error."""


_server: tuple[BinaryIO, BinaryIO] | None = None
"""Pipes to and from the process that `prepare` has forked: requests and replies."""


def prepare() -> None:
    """Forks the server, only on Linux; elsewhere each command imports again. Call it between imports and work."""
    global _server
    if sys.platform != "linux" or _server is not None:
        return
    (request_read, request_write), (reply_read, reply_write) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(request_write)
        os.close(reply_read)
        _serve(os.fdopen(request_read, "rb"), os.fdopen(reply_write, "wb", buffering=0))
    # Without open copies of its ends here, the server sees the end of the pipe when this process dies.
    os.close(request_read)
    os.close(reply_write)
    # Unbuffered: `select` does not see what a buffer holds.
    _server = os.fdopen(request_write, "wb", buffering=0), os.fdopen(reply_read, "rb", buffering=0)


@dataclass(frozen=True)
class Child:
    """A command that was started in a fresh process."""

    pid: int
    poll: Callable[[], int | None]
    """Waits briefly; returns the exit code, or None while the process runs. Not to be called after the end."""

    def send_signal(self, number: int) -> None:
        """Sends the process a signal, unless it has just ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def run(arguments: Sequence[str]) -> ProcessResult:
    """Runs `autotune` with these arguments in a fresh process, without the launcher's environment variables.

    Raises:
        Interrupted: a signal has arrived; the process was asked to stop.
    """
    with scratch() as folder:
        output_file = Path(folder, "said.txt")
        child = start(arguments, output_file)
        while (returncode := child.poll()) is None:
            _stop_if_requested(child)
        # Ctrl-C reaches the child as well, which may then have ended before the check above.
        signals.raise_if_stopped()
        return ProcessResult(returncode, output_file.read_text(encoding="utf-8", errors="replace"))


def start(arguments: Sequence[str], output_file: Path) -> Child:
    """Starts `autotune` as `run` does; one at a time.

    Args:
        arguments: words after `autotune`.
        output_file: receives standard output and standard error.
    """
    child = _start_forked(arguments, output_file) if _server is not None else None
    if child is not None:
        return child
    with output_file.open("wb") as output:
        command = [sys.executable, "-P", "-m", "autotune", *arguments]
        environment = launcher.without_launcher_env(os.environ) | {"PYTHONIOENCODING": "utf-8"}
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    return Child(process.pid, lambda: _poll(process))


def _start_forked(arguments: Sequence[str], output_file: Path) -> Child | None:
    """Lets the server fork a child; returns None if the server is gone."""
    assert _server is not None, "called only when there is one"
    requests, replies = _server
    try:
        requests.write(json.dumps([list(arguments), str(output_file)]).encode() + b"\n")
    except BrokenPipeError:
        return None
    pid = replies.readline()
    return Child(int(pid), lambda: _poll_forked(replies)) if pid else None


def _poll_forked(replies: BinaryIO) -> int | None:
    """Does what `_poll` does; a child whose server was killed counts as killed."""
    if not select.select([replies], [], [], signals.PAUSE)[0]:
        return None
    reply = replies.readline()
    return int(reply) if reply else -signal.SIGKILL


def _poll(process: "subprocess.Popen[bytes]") -> int | None:
    """Waits briefly; returns the exit code, or None while the process still runs."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(signals.PAUSE)
    return None


def _stop_if_requested(child: Child) -> None:
    """Interrupts a process and raises Interrupted if a signal has arrived."""
    try:
        signals.raise_if_stopped()
    except Interrupted:
        child.send_signal(signal.SIGINT)
        raise


def _serve(requests: BinaryIO, replies: BinaryIO) -> NoReturn:
    """Forks a child for each request, until the first process closes the pipe or dies; then its child is stopped."""
    # Ctrl-C reaches the whole process group; the server must outlive it to report how the child ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in requests:
        arguments, output_file = json.loads(line)
        child = os.fork()
        if child == 0:
            _exec_cli(arguments, output_file)
        replies.write(b"%d\n" % child)
        status = _wait(child, requests)
        with suppress(BrokenPipeError):
            replies.write(b"%d\n" % os.waitstatus_to_exitcode(status))
    # Not sys.exit: the exit handlers belong to the first process.
    os._exit(0)


def _wait(child: int, requests: BinaryIO) -> int:
    """Waits for the child, which is asked to stop if the first process dies: nobody else would end it.

    Returns:
        Its status, as `os.waitpid` gives it.
    """
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        # While a child runs there are no requests: the pipe becomes readable only at its end.
        if select.select([requests], [], [], WAIT)[0]:
            os.kill(child, signal.SIGUSR1)  # not SIGTERM, of which a second one exits at once
            return os.waitpid(child, 0)[1]


def _exec_cli(arguments: list[str], output_file: str) -> NoReturn:
    """Does what `python -P -m autotune` does, in this process."""
    returncode = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Where autotune has started this process as one of several, they wait until it handles them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOP_SIGNALS)
        output = os.open(output_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(output, number)
            # The streams of the first process may be closed, or have another encoding.
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        environment = launcher.without_launcher_env(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = arguments
        runpy.run_module("autotune", run_name="__main__")
    except SystemExit as exit_:
        returncode = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:  # whatever happens: the code after this belongs to the first process
            os._exit(returncode)
