"""Imports of large libraries, made cheaper."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Inside, the garbage collector rests; what is there at the end is never looked at again.

    Nearly all that an import makes stays, and the collector would go through all of it again and again: a sixth of the
    CPU time of importing torch and a model of transformers.
    """
    resting = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if not resting:
            gc.enable()
