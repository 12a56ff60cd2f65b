"""Signals that ask a run to leave: acted on where nothing is half done."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from autotune import launch
from autotune.errors import Interrupted

LEAVING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)


class _Asked:
    """What has come so far."""

    name: str | None = None
    waiting = False
    """Whether somebody looks at `name` from time to time, so that nothing needs to be raised."""


_asked = _Asked()


@contextmanager
def heeded() -> Iterator[None]:
    """Inside, a signal ends the run with `Interrupted`; a second Ctrl-C or SIGTERM leaves at once."""
    before = {number: signal.signal(number, _heed) for number in LEAVING}
    _asked.name, _asked.waiting = None, False
    try:
        yield
    finally:
        for number, handler in before.items():
            # Who has come to ignore one meanwhile, as a process that must end with the others, goes on ignoring it.
            if signal.getsignal(number) is _heed:
                signal.signal(number, handler)
        _asked.name = None


@contextmanager
def deferred() -> Iterator[None]:
    """Inside, a signal is only noted: whoever is at work asks `leave` and ends what it is doing."""
    before, _asked.waiting = _asked.waiting, True
    try:
        yield
    finally:
        _asked.waiting = before


def leave() -> bool:
    """Whether a signal has come."""
    return _asked.name is not None


def name() -> str | None:
    """Of the signal that has come."""
    return _asked.name


def refuse_to_go_on() -> None:
    """Raises Interrupted where a signal has come."""
    if _asked.name is not None:
        raise Interrupted(_asked.name)


def _heed(number: int, _: FrameType | None) -> None:
    if _asked.name is not None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        # A launcher sends one more when the first of several processes has left; the others may still be saving.
        if number == signal.SIGTERM and launch.ranks() == 1:
            os._exit(128 + number)
        return
    _asked.name = signal.Signals(number).name
    if not _asked.waiting:
        raise Interrupted(_asked.name)
