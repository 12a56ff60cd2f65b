"""Opens the bundle of a run: its rows, its base model, and its features in the cache."""

from dataclasses import dataclass
from pathlib import Path

from autotune.data.bundled import read_rows
from autotune.data.cache_use import hold
from autotune.data.sources import Rows
from autotune.run import bundle
from autotune.runtime.files import disk_errors, link_or_copy


@dataclass(frozen=True)
class Bundle:
    """What a run reads from its bundle instead of from the data's source and the model's."""

    rows: Rows
    model: tuple[str, Path, str | None] | None
    """Name, folder and commit of the base model; None without a neural network."""


def open_bundle(file: str, cache: Path) -> Bundle:
    """Unpacks a bundle into the cache, or finds it there, and verifies it.

    Args:
        file: the bundle.
        cache: folder of the tables that runs share; it gets the bundle's features, too.

    Raises:
        ConfigError: there is no such bundle, or another version of autotune made it.
        DataError: it is damaged.
        DiskError: the system refused to read or write.
    """
    manifest, folder = bundle.read_manifest(file), bundle.unpack(file, cache)
    hold(folder)
    for table in sorted((folder / bundle.FEATURES).glob("*.arrow")):
        target = cache / table.name
        with disk_errors(target):
            if not target.exists():
                link_or_copy(table, target)
    model = manifest["model"]
    base = None if model is None else (model["name"], folder / bundle.MODEL, model["revision"])
    return Bundle(read_rows(folder / bundle.ROWS), base)


def bundled_rows(file: str, cache: Path) -> Rows:
    """Returns the rows of a bundle; unpacks it into a cache, or finds it there.

    Raises:
        AutotuneError: see `open_bundle`.
    """
    folder = bundle.unpack(file, cache)
    hold(folder)
    return read_rows(folder / bundle.ROWS)
