"""What goes wrong at the test Hub when a test wants it to."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """One request that was answered, or not."""

    method: str
    path: str
    status: int
    """0: the connection was dropped."""
    received: int
    """Bytes of the body."""
    authorized: bool


@dataclass
class Fault:
    """One thing that goes wrong.

    Args:
        pattern: is searched in "METHOD /path".
        status: answered instead of doing the work; 0 drops the connection.
        headers: of that answer.
        message: the Hub's words.
        cut_after: drops the connection when so many bytes of the body have come.
        delay: seconds before the request is looked at.
        gate: the request is not looked at before it is set.
        after: the work is done, and only its answer is lost or replaced.
        times: so many requests are hit; None: all.
        skip: so many are spared first.
    """

    pattern: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "injected"
    cut_after: int | None = None
    delay: float = 0.0
    gate: threading.Event | None = None
    after: bool = False
    times: int | None = None
    skip: int = 0

    hits: int = 0


class Faults:
    """The faults that are set now."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, pattern: str, **how: object) -> Iterator[Fault]:
        """Sets a fault while the block runs."""
        fault = Fault(pattern, **how)  # type: ignore[arg-type]
        self.active.append(fault)
        try:
            yield fault
        finally:
            self.active.remove(fault)

    def of(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request; it counts it."""
        with self._lock:
            for fault in self.active:
                if not re.search(fault.pattern, f"{method} {path}"):
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif fault.times is None or fault.hits < fault.times:
                    fault.hits += 1
                    return fault
        return None
