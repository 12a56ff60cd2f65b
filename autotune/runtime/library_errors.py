"""Translates the errors of libraries that read the user's files into errors about the file.

A damaged or hostile file can make parsers, model classes and code in Rust or C raise anything: TypeError,
AttributeError, SystemError, a plain Exception, even pyo3's PanicException, which is not an Exception. A list of types at
each call would never be complete. So only the call is placed inside `library_errors`, and every error of the library is
translated. An error raised by one of our own functions further down is not: it is a bug.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from autotune.errors import AutotuneError

PACKAGE = str(Path(__file__).parents[1])
PANIC = "PanicException"
"""Name of pyo3's exception for a panic in Rust."""


@contextmanager
def library_errors(explain: Callable[[BaseException], AutotuneError]) -> Iterator[None]:
    """Translates errors of a call into a library; the context should contain little else.

    Args:
        explain: returns the error for the user for one that the library raised.

    Raises:
        AutotuneError: the library raised an error.
    """
    try:
        yield
    except AutotuneError:
        raise
    except BaseException as error:
        # The other BaseExceptions are KeyboardInterrupt, SystemExit and the like, which must pass.
        is_error = isinstance(error, Exception) or type(error).__name__ == PANIC
        if not is_error or _is_ours(error.__traceback__):
            raise
        raise explain(error) from error


def message_of(error: BaseException, max_length: int = 300) -> str:
    """Returns an error of a library on one line: its type and the first line of its text."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:max_length].removesuffix(": ")


def _is_ours(trace: TracebackType | None) -> bool:
    """Whether the error was raised in a function of this package that the block called; the block itself, which only
    calls the library, does not count."""
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    # The first is `library_errors` itself, the second the block.
    return len(frames) > 2 and frames[-1].startswith(PACKAGE)
