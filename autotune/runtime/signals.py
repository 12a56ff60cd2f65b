"""Signals that stop a run: handlers only record them, and the code checks for them where nothing is half done."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from autotune.errors import Interrupted
from autotune.runtime import launcher

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
GRACE = 5.0
"""Seconds after which a process exits in the middle of its work if nothing has checked for the signal, as in a long
call of a library. Outside of training nothing is lost, because files are written whole or not at all. Containers are
killed after 10."""
PAUSE = 0.2
"""Seconds between two checks for a signal while waiting for something else."""


class _State:
    """The signal received so far."""

    name: str | None = None
    answered = True
    """Whether the code has checked since the signal, and so stops."""
    deferred = False
    """Whether exiting in the middle of the work would lose some of it."""
    several = False
    """Whether several processes save together, so that none may exit before the others."""


_state = _State()


@contextmanager
def handle_signals(*, several: bool = False) -> Iterator[None]:
    """Records signals inside the context; see `raise_if_stopped` and `stop_requested`. A second Ctrl-C or SIGTERM exits
    immediately; of several processes, only a second Ctrl-C.

    A signal that nothing has checked for before the end is kept for the next run of a sweep. Outside of the main thread,
    where Python sets no handlers, it does nothing.

    Args:
        several: whether this process waits for others that save, as a launcher does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _on_signal) for number in STOP_SIGNALS}
    alarm = signal.signal(signal.SIGALRM, _on_alarm)
    if _state.answered:
        _state.name = None
    _state.deferred, _state.several = False, several or launcher.world_size() > 1
    # Those that arrived while this process was started by `autotune.runtime.workers`.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        for number, handler in before.items():
            # Only where it is still ours: a rank that must exit with the others ignores SIGTERM, and must continue to.
            if signal.getsignal(number) is _on_signal:
                signal.signal(number, handler)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Suspends GRACE inside the context: the code has all the time it needs until it checks, and then to save its work."""
    before, _state.deferred = _state.deferred, True
    try:
        yield
    finally:
        _state.deferred = before
        if not _state.answered:
            signal.setitimer(signal.ITIMER_REAL, GRACE)


def stop_requested() -> bool:
    """Whether a signal has arrived; the caller must then stop."""
    if _state.name is None:
        return False
    _state.answered = True
    return True


def name() -> str | None:
    """Returns the name of the signal that has arrived; None if there was none."""
    return _state.name


def raise_if_stopped() -> None:
    """Raises Interrupted if a signal has arrived."""
    if stop_requested():
        raise Interrupted(str(_state.name))


def sleep(seconds: float) -> None:
    """Waits; raises Interrupted if a signal arrives."""
    deadline = time.monotonic() + seconds
    raise_if_stopped()
    # In short pauses: the handler only records the signal, so `time.sleep` sleeps on.
    while (remaining := deadline - time.monotonic()) > 0:
        time.sleep(min(PAUSE, remaining))
        raise_if_stopped()


@contextmanager
def blocked() -> Iterator[None]:
    """Keeps stop signals waiting inside the context; processes that are started there keep them waiting until they handle
    them (`handle_signals`)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_signal(number: int, _: FrameType | None) -> None:
    if _state.name is None:
        _state.name, _state.answered = signal.Signals(number).name, False
        if not _state.deferred:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
    elif number == signal.SIGINT or (number == signal.SIGTERM and not _state.several):
        # A launcher sends SIGTERM once more when the first of several processes has exited; others may still be saving.
        os._exit(128 + number)


def _on_alarm(*_: object) -> None:
    """Exits after GRACE. Only `os.write` and `os._exit`: the handler may interrupt any code, also that of the streams."""
    if not (_state.answered or _state.deferred):
        os.write(2, f"error: {Interrupted(str(_state.name))}\n".encode())
        os._exit(Interrupted.exit_code)
