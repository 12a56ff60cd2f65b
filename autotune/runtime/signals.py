"""Signals that ask a run to leave: handlers only note them, and whoever is at work asks where nothing is half done."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from autotune.errors import Interrupted
from autotune.runtime import launcher

LEAVING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
GRACE = 5.0
"""Seconds after which a process leaves in the middle of what it does, where nobody has asked: a long call of a library.
Outside of training nothing is lost by that, for files are written whole or not at all. Containers are given 10."""
PAUSE = 0.2
"""Seconds between two looks while something else is waited for."""


class _State:
    """What has come so far."""

    name: str | None = None
    answered = True
    """Whether somebody has asked since, and so leaves."""
    deferred = False
    """Whether work would be lost by leaving in the middle of it."""


_state = _State()


@contextmanager
def handle_signals() -> Iterator[None]:
    """Inside, a signal is noted; see `raise_if_stopped` and `stop_requested`. A second Ctrl-C or SIGTERM leaves at once.

    One that nobody asked for before the end is kept for the next run of a sweep.
    """
    before = {number: signal.signal(number, _on_signal) for number in LEAVING}
    alarm = signal.signal(signal.SIGALRM, _on_second_signal)
    if _state.answered:
        _state.name = None
    _state.deferred = False
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        for number, handler in before.items():
            # Who has come to ignore one meanwhile, as a process that must end with the others, goes on ignoring it.
            if signal.getsignal(number) is _on_signal:
                signal.signal(number, handler)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Inside, whoever is at work has all the time that it takes until it asks, and to save what was done then."""
    before, _state.deferred = _state.deferred, True
    try:
        yield
    finally:
        _state.deferred = before
        if not _state.answered:
            signal.setitimer(signal.ITIMER_REAL, GRACE)


def stop_requested() -> bool:
    """Whether a signal has come; who asks leaves."""
    if _state.name is None:
        return False
    _state.answered = True
    return True


def name() -> str | None:
    """Of the signal that has come."""
    return _state.name


def raise_if_stopped() -> None:
    """Raises Interrupted where a signal has come."""
    if stop_requested():
        raise Interrupted(str(_state.name))


def sleep(seconds: float) -> None:
    """Waits; raises Interrupted when a signal comes."""
    until = time.monotonic() + seconds
    raise_if_stopped()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(PAUSE, left))
        raise_if_stopped()


def _on_signal(number: int, _: FrameType | None) -> None:
    if _state.name is None:
        _state.name, _state.answered = signal.Signals(number).name, False
        if not _state.deferred:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
    elif number == signal.SIGINT or (number == signal.SIGTERM and launcher.world_size() == 1):
        # A launcher sends SIGTERM once more when the first of several processes has left; others may still be saving.
        os._exit(128 + number)


def _on_second_signal(*_: object) -> None:
    if not (_state.answered or _state.deferred):
        os.write(2, f"error: {Interrupted(str(_state.name))}\n".encode())
        os._exit(Interrupted.exit_code)
