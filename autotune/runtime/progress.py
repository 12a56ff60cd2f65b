"""Shows progress: a bar on a terminal and in a notebook, plain lines elsewhere."""

import logging
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from autotune.runtime import launcher
from autotune.runtime.language import Pieces, local, word

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES, MOST_BETWEEN_LINES, LINES_PER_DOUBLING = 30.0, 300.0, 20
"""Interval of plain lines; it grows with the time that has passed, so that a log of ten hours has about 150 of them. In a log
file, a bar would be one endless line."""
SECONDS_BETWEEN_DRAWINGS = 0.1
"""Interval of the bar, as tqdm has it; translating its texts takes longer than a step of a tiny model."""
RECENT = 50
"""Items whose mean time is the present speed."""
MIN_BAR, MIN_FOR_TITLE = 10, 50
"""Characters of the bar itself, and of a line that has room for the title."""

_bars: list[Any] = []
"""Bars on the screen."""


class Progress:
    """Shows how many of `total` items are done, under a title.

    Args:
        title: what is being done, in English.
        total: number of items.
        done: items that are done already.
        examples: examples per item.
        memory: returns the gigabytes in use; None: memory is not shown.
    """

    def __init__(
        self,
        title: str,
        total: int,
        done: int = 0,
        *,
        examples: int = 1,
        memory: Callable[[], float] | None = None,
    ) -> None:
        self.title, self.total, self.done = title, total, done
        self._done_before, self._examples, self._memory = done, examples, memory
        self._began = self._last_line = time.monotonic()
        self._recent = deque([self._began], maxlen=RECENT)
        self._bar = _open_bar(title, total, done) if _has_bar() and launcher.rank() == 0 else None

    def step(self, *values: str) -> None:
        """Counts one more item as done.

        Args:
            values: shown beside the count, the most important first: "loss 0.41". A narrow terminal shows fewer.
        """
        self.done += 1
        now = time.monotonic()
        self._recent.append(now)
        if self._bar is not None:
            if now - self._last_line >= SECONDS_BETWEEN_DRAWINGS:
                self._last_line = now
                texts = [local(Pieces(text)) for text in self._texts(values, now)]
                self._bar.bar_format = _bar_format(word(self.title), self.total, texts)
            self._bar.update()
            return
        passed = now - self._began
        if now - self._last_line >= min(
            MOST_BETWEEN_LINES, max(SECONDS_BETWEEN_LINES, passed / LINES_PER_DOUBLING)
        ):
            self._last_line = now
            parts = [part for text in self._texts(values, now) for part in (", ", text)]
            logger.info(Pieces(self.title, f" {self.done}/{self.total}", *parts))

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            _bars.remove(self._bar)
            self._bar = None

    def _texts(self, values: Sequence[str], now: float) -> Iterator[str]:
        """Yields what is shown beside the count, the most important first."""
        # Of all the time, not of the last items alone: it counts evaluations between the steps, too.
        left = (now - self._began) / (self.done - self._done_before) * (self.total - self.done)
        yield f"about {duration(left)} left"
        yield from values
        if (seconds := now - self._recent[0]) > 0:
            yield rate((len(self._recent) - 1) * self._examples / seconds)
        if self._memory is not None:
            yield f"{self._memory():.1f} GB"


@contextmanager
def above_bars() -> Iterator[None]:
    """Takes the bars off the screen while a line is printed there, which would else be appended to them."""
    if not _bars:
        yield
        return
    with _bars[-1].external_write_mode():
        yield


def duration(seconds: float) -> str:
    """Formats seconds for people: 8 s, 3 min 20 s, 2 h 5 min."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def rate(examples_per_second: float) -> str:
    """Formats a speed for people: 1,024 examples/s, 3.1 examples/s."""
    digits = 0 if examples_per_second >= 100 else 1
    return f"{examples_per_second:,.{digits}f} examples/s"


def _has_bar() -> bool:
    return _in_notebook() or (sys.stderr.isatty() and os.environ.get("TERM") != "dumb")


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _open_bar(title: str, total: int, done: int) -> Any:
    """Returns a bar of tqdm: of its own kind in a notebook, if that can show widgets."""
    if _in_notebook():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about missing ipywidgets; then the bar is text
            from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    start = _bar_format(word(title), total, [])
    bar = tqdm(total=total, initial=done, leave=False, dynamic_ncols=True, bar_format=start)
    _bars.append(bar)
    return bar


def _bar_format(title: str, total: int, texts: Sequence[str]) -> str:
    """Returns the line of a bar in the form that tqdm takes, with as many texts as the terminal has room for."""
    columns = _columns()
    head = f"{title} " if columns >= MIN_FOR_TITLE else ""
    room = columns - 1 - len(head) - len("100% ") - MIN_BAR - len(f" {total}/{total}")
    tail = ""
    for text in texts:
        if len(tail) + len(text) + 2 > room:
            break
        tail += f", {text}"
    literal = tail.replace("{", "{{").replace("}", "}}")
    return f"{head}{{percentage:3.0f}}% {{bar}} {{n_fmt}}/{{total_fmt}}{literal}"


def _columns() -> int:
    """Returns the width of the terminal that shows the bar; of a notebook, that of a plain terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
