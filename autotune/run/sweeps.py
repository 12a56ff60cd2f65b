"""The runs of a sweep, and whether figures compare: those of its runs, and of a run with itself.

They compare where the same rows are scored.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.config.load import changed_at, to_dict
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.errors import listing
from autotune.run.status import read_status

logger = logging.getLogger(__name__)

SCORED = ("test", "validation", "train")
"""The first of these that a run has is its result."""


def warn_of_other_rows(configs: Sequence[RunConfig], read: Sequence[Mapping[str, str]] | None = None) -> None:
    """Says which runs of a sweep are scored on other rows than the rest, for their figures do not compare.

    Args:
        configs: of the runs.
        read: fingerprint of each split, by run, empty where the data could not be read. None: what the run folders say.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for config, rows in zip(configs, read or map(_rows, configs), strict=True):
        if split := next((split for split in SCORED if split in rows), None):
            names.setdefault((split, rows[split]), []).append(str(config.name))
    if len(names) < 2:
        return
    keys = sorted({change.partition(": ")[0] for config in configs[1:]
                   for change in changed_at("dataset", to_dict(configs[0]), config)})  # fmt: skip
    logger.warning("the runs of this sweep are scored on different rows, so their figures do not compare%s:",
                   f" ({listing(keys)})" if keys else "")  # fmt: skip
    for (split, fingerprint), runs in names.items():
        logger.warning("  %s %s: %s", split, fingerprint, listing(runs))


def warn_of_changed_rows(run: str, fingerprint: str) -> None:
    """Says that a run's own data are no longer those that it learned from, so that scored rows may be among these.

    Args:
        run: folder of the run, or what else holds a saved model.
        fingerprint: of the rows as they are read now.
    """
    learned = _record(Path(run).expanduser()).get("fingerprint", fingerprint)
    if learned != fingerprint:
        logger.warning("the data have changed since this run was trained (fingerprint %s, now %s), so rows that are scored "
                       "may be among those that were learned; score a file of its own with --data FILE",
                       learned, fingerprint)  # fmt: skip


def dataset_of(run: str, config: RunConfig) -> DatasetConfig:
    """A run's own data: a relative path starts where the run was begun, if nothing is there at the working folder.

    Args:
        run: folder of the run, or what else holds a saved model.
        config: of the run.
    """
    path = Path(config.dataset.path).expanduser()
    there = Path(read_status(Path(run).expanduser()).get("folder", ""), path)
    if path.exists() or not there.exists():
        return config.dataset
    return replace(config.dataset, path=str(there))


def _rows(config: RunConfig) -> Mapping[str, str]:
    """The fingerprint of each split of a run, as its folder has it."""
    rows: Mapping[str, str] = _record(Path(config.runs).expanduser() / str(config.name)).get(
        "fingerprints", {}
    )
    return rows


def _record(run: Path) -> dict[str, Any]:
    """What a run has written about its data; nothing where it has not."""
    file = run / "data.json"
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record
