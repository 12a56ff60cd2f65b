"""The tests on another kind of machine: AUTOTUNE_TEST_MATRIX_UNIT=1 claims matrix units for bf16 that may not be there.

Precision auto is then chosen as on a CPU with AMX, and autocast computes in bf16 without them, more slowly. Every
test must pass with it and without it. Processes that neither pytest nor `tests.support.forks` started do not know of it.
"""

import os


def pretend() -> None:
    """To be called after `torch` may be imported, once in a process."""
    if not os.environ.get("AUTOTUNE_TEST_MATRIX_UNIT"):
        return
    import torch

    found = dict(torch.cpu.get_capabilities())
    torch.cpu.get_capabilities = lambda: found | {"amx_bf16": True, "amx_tile": True}
