"""A plug-in that counts the steps of a search's runs, lets something happen to some of them, and has a clock of its own.

COUNT: a file that gets a byte for each optimizer step. FAULTS: JSON, the events by words of the command line of a run, of
which those with a ! must be missing. ONCE: a file that says that an event which happens once has happened. TICK: seconds
between two looks at the clock of the search, which stands still without it and jumps far ahead once JUMP, a file, is there.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from autotune.runtime import child_process, signals

STEPS, STEP = "autotune.training.trainer:Trainer.optimizer_step", 3
"""What is called at each step, and the step at which something happens, from 1."""


class Clock:
    """Does not depend on how fast the machine is."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += float(os.environ.get("TICK", 0))
        return self.now + 1e12 * Path(os.environ["JUMP"]).exists()


def before(place: str, happens: Callable[..., None]) -> None:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = reduce(getattr, owners, import_module(module))
    function = getattr(owner, name)

    def watched(*arguments: Any, **named: Any) -> Any:
        happens(*arguments)
        return function(*arguments, **named)

    setattr(owner, name, watched)


def at_step(happens: Callable[[], None]) -> None:
    steps: list[None] = []

    def counted(_: object) -> None:
        steps.append(None)
        if len(steps) == STEP:
            happens()

    before(STEPS, counted)


def once(happens: Callable[[], None]) -> None:
    """And waits until the process has been asked to stop."""

    def waits() -> None:
        file = Path(os.environ["ONCE"])
        if not file.exists():
            file.touch()
            happens()
            while not signals.stop_requested():
                time.sleep(0.01)

    at_step(waits)


def out_of_memory(*_: object) -> None:
    """More than the process may have."""
    torch = import_module("torch")
    torch.empty(1 << 45, dtype=torch.uint8)


def damaged(_: object, __: object, folder: Any, *___: object) -> None:
    file = folder.model / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-200:] = bytes(200)
    file.write_bytes(bytes(content))


EVENTS: dict[str, Callable[[], None]] = {
    "out of memory": lambda: before("autotune.training.loader:BatchLoader.batch", out_of_memory),
    "killed": lambda: at_step(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "damaged": lambda: before("autotune.pipeline.finish:verify_round_trip", damaged),
    "no time left": lambda: once(Path(os.environ["JUMP"]).touch),
    "Ctrl-C": lambda: once(lambda: os.killpg(0, signal.SIGINT)),
    "search killed": lambda: once(lambda: os.kill(os.getsid(0), signal.SIGKILL)),
}


def count(_: object) -> None:
    with Path(os.environ["COUNT"]).open("a") as file:
        file.write(".")


if "auto" in sys.argv:
    import_module("autotune.auto.ledger").time = Clock()
if "train" in sys.argv:
    child_process.prepare()  # the proof is a fork, too, as everything is imported
    before(STEPS, count)
    for words, event in json.loads(os.environ["FAULTS"]).items():
        if all((word.strip("!") in sys.argv) != word.startswith("!") for word in words.split()):
            EVENTS[event]()
