"""Shows progress: a bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time

from tqdm import tqdm

from autotune.runtime import launcher
from autotune.runtime.language import word

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0
"""Interval of plain lines; in a log file, a bar would be one endless line."""


class Progress:
    """Shows how many of `total` items are done, under a title."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self.title, self.total, self.done, self._done_before = title, total, done, done
        self.began = self.last_line = time.monotonic()
        self.bar = (
            tqdm(total=total, initial=done, desc=word(title), leave=False, dynamic_ncols=True)
            if (sys.stderr.isatty() or "ipykernel" in sys.modules) and launcher.rank() == 0
            else None
        )

    def step(self, **values: float) -> None:
        """Counts one more item as done, and shows values (loss, learning rate) beside the count."""
        self.done += 1
        shown = {name: f"{value:.4g}" for name, value in values.items()}
        if self.bar is not None:
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update()
            return
        now = time.monotonic()
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            left = (now - self.began) / (self.done - self._done_before) * (self.total - self.done)
            suffix = "".join(f", {name} {value}" for name, value in shown.items())
            logger.info(
                "%s %d/%d%s, about %s left", self.title, self.done, self.total, suffix, duration(left)
            )

    def close(self) -> None:
        """Removes the bar."""
        if self.bar is not None:
            self.bar.close()


def duration(seconds: float) -> str:
    """Formats seconds for people: 8 s, 3 min 20 s, 2 h 5 min."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"
