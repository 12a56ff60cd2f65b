"""What a person sees while a run trains: a bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

from autotune.runtime import launcher
from autotune.runtime.language import word

logger = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 30.0
"""In a log file a bar would be one endless line, so a plain line is written this often."""


class Progress:
    """Counts `total` pieces of work under a title."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self.title, self.total, self.done, self._before = title, total, done, done
        self.began = self.said = time.monotonic()
        self.bar = (
            tqdm(total=total, initial=done, desc=word(title), leave=False, dynamic_ncols=True)
            if sys.stderr.isatty() and launcher.rank() == 0
            else None
        )

    def step(self, **values: float) -> None:
        """One more is done; values (loss, learning rate) are shown beside."""
        self.done += 1
        shown = {name: f"{value:.4g}" for name, value in values.items()}
        if self.bar is not None:
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update()
            return
        now = time.monotonic()
        if now - self.said >= SECONDS_BETWEEN_LINES:
            self.said = now
            left = (now - self.began) / (self.done - self._before) * (self.total - self.done)
            rest = "".join(f", {name} {value}" for name, value in shown.items())
            logger.info("%s %d/%d%s, about %s left", self.title, self.done, self.total, rest, duration(left))

    def close(self) -> None:
        """Removes the bar."""
        if self.bar is not None:
            self.bar.close()


def watched(title: str, items: Sequence[T]) -> Iterator[T]:
    """Items, one by one, with progress shown."""
    progress = Progress(title, len(items))
    for item in items:
        yield item
        progress.step()
    progress.close()


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
