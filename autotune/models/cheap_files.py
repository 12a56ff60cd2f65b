"""Finds the files of a saved model that has no neural network. Imports neither torch nor, for a folder, transformers."""

from functools import partial
from pathlib import Path

from autotune.errors import ModelError
from autotune.models.files import COPY_AGAIN
from autotune.models.record import RECORD
from autotune.runtime.records import Record, read_record

HUB_PREFIX = "hub:"
FILES = ("model.safetensors", "vocabulary.json", "settings.json")
"""Files of such a model besides autotune.json; none has all of them."""


class _Kind(Record):
    """The part of autotune.json that tells the kinds of model apart."""

    baseline: str | None = None


def locate_cheap(model: str | Path) -> Path | None:
    """Returns the folder of a saved model if it has no neural network, else None.

    Args:
        model: folder, or hub:ORG/NAME[@REVISION], whose files are then downloaded.

    Raises:
        ModelError: the Hub refuses.
    """
    name = str(model)
    if not name.startswith(HUB_PREFIX):
        return Path(model) if _is_cheap(Path(model) / RECORD) else None
    from transformers.utils.hub import cached_file

    from autotune.models.repository import locate, translate_errors

    with translate_errors(name):
        path, revision = locate(name, None)
        fetch = partial(cached_file, path, revision=revision, _raise_exceptions_for_missing_entries=False)
        record = fetch(RECORD)
        if record is None or not _is_cheap(Path(record)):
            return None
        for file in FILES:
            fetch(file)
    return Path(record).parent


def _is_cheap(file: Path) -> bool:
    try:
        record = read_record(file, _Kind, fix=COPY_AGAIN, nan=True, twice=True) or {}
    except ModelError:
        return False  # what reads neural networks says what is wrong
    return record.get("baseline") is not None
