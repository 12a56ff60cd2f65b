"""Calls into libraries that read what people give: whatever these raise is told as a fault of what was read.

A damaged or hostile file makes parsers, model classes and code in Rust or C raise anything at all: TypeError,
AttributeError, SystemError, a plain Exception, even pyo3's PanicException, which is no Exception. Naming the kinds
at each call is a list that is never complete. So the call alone stands inside `library_errors`, and everything that comes out
of the library is translated, while an error that one of our own functions raised further down is left: it is a bug.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from autotune.errors import AutotuneError

OURS = str(Path(__file__).parents[1])
PANIC = "PanicException"
"""pyo3's name for a panic in Rust."""


@contextmanager
def library_errors(explain: Callable[[BaseException], AutotuneError]) -> Iterator[None]:
    """Inside stands a call into a library, and as little else as possible.

    Args:
        explain: makes the error that people see of what the library raised.

    Raises:
        AutotuneError: the library raised something.
    """
    try:
        yield
    except AutotuneError:
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or type(error).__name__ == PANIC) or _is_ours(
            error.__traceback__
        ):
            raise
        raise explain(error) from error


def message_of(error: BaseException, most: int = 300) -> str:
    """What a library said, on one line: the kind of error and the first line of its text."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:most].removesuffix(": ")


def _is_ours(trace: TracebackType | None) -> bool:
    """Whether the error was raised in a function of ours that the guarded block called; the block itself, which only
    calls the library, does not count."""
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    # The first is `library_errors` itself, the second the block.
    return len(frames) > 2 and frames[-1].startswith(OURS)
