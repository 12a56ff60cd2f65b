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


class _Asked:
    """What has come so far."""

    name: str | None = None
    answered = True
    """Whether somebody has asked since, and so leaves."""
    deferred = False
    """Whether work would be lost by leaving in the middle of it."""


_asked = _Asked()


@contextmanager
def heeded() -> Iterator[None]:
    """Inside, a signal is noted; see `refuse_to_go_on` and `leave`. A second Ctrl-C or SIGTERM leaves at once.

    One that nobody asked for before the end is kept for the next run of a sweep.
    """
    before = {number: signal.signal(number, _note) for number in LEAVING}
    alarm = signal.signal(signal.SIGALRM, _leave_in_the_middle)
    if _asked.answered:
        _asked.name = None
    _asked.deferred = False
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        for number, handler in before.items():
            # Who has come to ignore one meanwhile, as a process that must end with the others, goes on ignoring it.
            if signal.getsignal(number) is _note:
                signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Inside, whoever is at work has all the time that it takes until it asks, and to save what was done then."""
    before, _asked.deferred = _asked.deferred, True
    try:
        yield
    finally:
        _asked.deferred = before
        if not _asked.answered:
            signal.setitimer(signal.ITIMER_REAL, GRACE)


def leave() -> bool:
    """Whether a signal has come; who asks leaves."""
    if _asked.name is None:
        return False
    _asked.answered = True
    return True


def name() -> str | None:
    """Of the signal that has come."""
    return _asked.name


def refuse_to_go_on() -> None:
    """Raises Interrupted where a signal has come."""
    if leave():
        raise Interrupted(str(_asked.name))


def sleep(seconds: float) -> None:
    """Waits; raises Interrupted when a signal comes."""
    until = time.monotonic() + seconds
    refuse_to_go_on()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(PAUSE, left))
        refuse_to_go_on()


def _note(number: int, _: FrameType | None) -> None:
    if _asked.name is None:
        _asked.name, _asked.answered = signal.Signals(number).name, False
        if not _asked.deferred:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
    elif number == signal.SIGINT or (number == signal.SIGTERM and launcher.ranks() == 1):
        # A launcher sends SIGTERM once more when the first of several processes has left; others may still be saving.
        os._exit(128 + number)


def _leave_in_the_middle(*_: object) -> None:
    if not (_asked.answered or _asked.deferred):
        os.write(2, f"error: {Interrupted(str(_asked.name))}\n".encode())
        os._exit(Interrupted.exit_code)
