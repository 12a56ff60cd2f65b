"""Fine-tunes language models for text classification, named entity recognition and summarization.

The Python API is loaded when it is first used: `train`, `check` and `load` (see `autotune.api`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotune.api import check, load, train

__all__ = ["check", "load", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autotune import api

    return getattr(api, name)
