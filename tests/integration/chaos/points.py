"""Points at which a run can be struck: before every change of a file and around the steps of training.

Nothing of autotune knows of them. Changes of files are seen by an audit hook (PEP 578), the rest by wrapping
functions; a point is a name, in which numbers are blotted out, and how often that name was reached before.
"""

import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

CHANGES = {
    "os.rename": 2, "os.link": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1,
    "shutil.rmtree": 1,
}  # fmt: skip
"""Audit events by how many of their first arguments are paths; the last of these names the point."""

WRAPPED = {
    "micro-batch": "autotune.training.loader:BatchLoader.batch",
    "gradients are there": "autotune.training.trainer:Trainer.normalize_and_clip",
    "optimizer step": "autotune.training.trainer:Trainer.optimizer_step",
    "predicted rows": "autotune.evaluation.evaluator:Evaluator._predict_batch",
    "proof": "autotune.runtime.child_process:run",
    "fsync": "os:fsync",
}
"""Functions before which a run can be struck."""

TORN = {
    "line of history": ("autotune.run.folder:RunFolder.append_history", lambda folder, _: folder.history),
    "tensors": ("autotune.run.checkpoints:write_tensors", lambda path, *_: path),
}
"""Functions that write a file, after which half of what they wrote is missing, as when it never reached the disk."""


CHANCE = re.compile(r"[0-9a-f]{8,}|(?<=/tmp)\w{8}|(?<=\.)[a-z0-9_]{8}(?=/|$)|\d+")
"""Numbers, digests and the ends of temporary names."""


class Points:
    """Counts points, and strikes at one.

    Args:
        runs: folder below which changes of files count.
        trace: takes the points' names, one a line.
        at: name and number of the point to strike at.
        number: the signal.
        until: nothing is sent; the process waits there for this file.
    """

    def __init__(
        self,
        runs: Path,
        trace: Path | None,
        at: tuple[str, int] | None,
        number: int,
        until: Path | None = None,
    ) -> None:
        self.runs, self.at, self.number, self.until = str(runs.resolve()) + os.sep, at, number, until
        self.process = os.getpid()
        self.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if trace is not None else None
        self.counts: Counter[str] = Counter()

    def install(self) -> None:
        """Watches from now on."""
        for name, place in WRAPPED.items():
            _wrap(place, lambda function, name=name: self._before(name, function))
        for name, (place, file) in TORN.items():
            _wrap(place, lambda function, name=name, file=file: self._torn(name, function, file))
        sys.addaudithook(self._audit)

    def reached(self, name: str) -> bool:
        """Counts a point; whether it is the one to strike at."""
        if os.getpid() != self.process:
            return False
        name = CHANCE.sub("#", name)
        here = (name, self.counts[name])
        self.counts[name] += 1
        if self.trace is not None:
            os.write(self.trace, f"{name}\n".encode())
        return here == self.at

    def strike(self) -> None:
        """Sends the signal, or waits."""
        if self.until is None:
            os.kill(self.process, self.number)
        while self.until is not None and not self.until.exists():
            time.sleep(0.01)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            paths = [path] if isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR) else []
        else:
            paths = list(arguments[: CHANGES.get(event, 0)])
        if paths:
            path = os.path.abspath(os.fsdecode(paths[-1]))  # noqa: PTH100 - links stay what they are
            if path.startswith(self.runs) and self.reached(f"{event} {path.removeprefix(self.runs)}"):
                self.strike()

    def _before(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def before(*arguments: Any, **named: Any) -> Any:
            if self.reached(name):
                self.strike()
            return function(*arguments, **named)

        return before

    def _torn(self, name: str, function: Callable[..., Any], file: Callable[..., Path]) -> Callable[..., Any]:
        def torn(*arguments: Any, **named: Any) -> Any:
            path = file(*arguments)
            size = path.stat().st_size if path.exists() and name == "line of history" else 0
            result = function(*arguments, **named)
            if self.reached(f"half a {name}") and self.number == signal.SIGKILL:
                os.truncate(path, (size + path.stat().st_size) // 2)
                self.strike()
            return result

        return torn


def _wrap(place: str, wrapping: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Puts another function in a place that is written as for entry points."""
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *above, name = path.split(".")
    for part in above:
        owner = getattr(owner, part)
    old = getattr(owner, name)
    new = wrapping(old)
    setattr(owner, name, new)
    if not above:
        # Modules that have imported it by name.
        for other in list(sys.modules.values()):
            if getattr(other, "__name__", "").startswith("autotune") and getattr(other, name, None) is old:
                setattr(other, name, new)


MUTATIONS: dict[str, Callable[[], None]] = {
    "no hash check": lambda: _wrap("autotune.run.checkpoints:_corruption", lambda _: lambda *_: None),
    "no reseeding": lambda: _wrap("autotune.training.trainer:reseed", lambda _: lambda *_: None),
    "no rewinding of history": lambda: _wrap("os:truncate", lambda _: lambda *_: None),
}
"""What makes a run go on wrongly, so that green means something."""


def arm(
    runs: str,
    trace: str | None = None,
    at: tuple[str, int] | None = None,
    number: int = 9,
    mutation: str = "",
    rank: int = 0,
    until: str | None = None,
) -> None:
    """Called in the process of a run, before it begins; see `Points`. Of several processes one is struck."""
    if int(os.environ.get("RANK", "0")) != rank:
        return
    points = Points(
        Path(runs), Path(trace) if trace else None, (at[0], at[1]) if at else None, number,
        Path(until) if until else None,
    )  # fmt: skip
    points.install()
    if mutation:
        MUTATIONS[mutation]()
