"""A plug-in that lets something happen once, when a function of autotune is called for the n-th time.

FAULT=module:Class.function@n; ONCE=a file that says that it has happened. EVENT=SIGTERM, SIGINT SIGINT, …; full:FOLDER;
flip:FILE (a bit of it); stuck:SIGTERM (and the call does not return); del:SIGTERM (where Python ignores exceptions).
"""

import functools
import importlib
import os
import shutil
import signal
import time
from pathlib import Path

from autotune.runtime import signals


def happen(event: str) -> None:
    """A disk without a free byte, or signals to this process."""
    kind, _, folder = event.partition(":")
    if kind == "full":
        free = shutil.disk_usage(folder).free
        with Path(folder, "ballast").open("wb", buffering=0) as ballast:
            ballast.write(bytes(free))
        return
    if kind == "flip":
        content = bytearray(Path(folder).read_bytes())
        content[-1] ^= 1
        Path(folder).write_bytes(content)
        return
    if kind == "stuck":
        importlib.import_module("autotune.runtime.signals").GRACE = 0.2
        os.kill(os.getpid(), signal.Signals[folder])
        time.sleep(600)
    if kind == "del":
        Deleted(folder)
        return
    for name in event.split():
        os.kill(os.getpid(), signal.Signals[name])
        # Handlers run in the main thread, which this one may not be; two signals at once would be one.
        while not signals.stop_requested():
            time.sleep(0.01)


class Deleted:
    """Gets a signal while it is being deleted, as objects do that libraries leave behind."""

    def __init__(self, name: str) -> None:
        self.number = signal.Signals[name]

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        time.sleep(0.01)


def arm() -> None:
    """Puts itself before the function."""
    target, _, number = os.environ["FAULT"].partition("@")
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    function = getattr(owner, name)
    calls: list[int] = []

    @functools.wraps(function)
    def watched(*args, **kwargs):
        calls.append(1)
        done = Path(os.environ["ONCE"])
        if len(calls) == int(number or 1) and not done.exists():
            done.touch()
            happen(os.environ["EVENT"])
        return function(*args, **kwargs)

    setattr(owner, name, watched)


if "FAULT" in os.environ:
    arm()
