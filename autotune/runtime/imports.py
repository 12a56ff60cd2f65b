"""Makes imports of large libraries cheaper."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Disables the garbage collector inside the context, and excludes the objects made there from later collections.

    Nearly all objects that an import makes are kept, and the collector would traverse them repeatedly: a sixth of the
    CPU time of importing torch and a model of transformers.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
