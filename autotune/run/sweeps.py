"""Warns where scores cannot be compared, between the runs of a sweep or with a run's own training.

Scores are comparable if they were computed on the same rows.
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
"""Splits in order of preference; the scores on the first one that a run has are its result."""


def warn_of_other_rows(
    configs: Sequence[RunConfig], fingerprints: Sequence[Mapping[str, str]] | None = None
) -> None:
    """Logs which runs of a sweep were scored on different rows, as their scores are not comparable.

    Args:
        configs: configurations of the runs.
        fingerprints: for each run the fingerprint of each split, empty if the data could not be read. None: read from
            the run folders.
    """
    by_fold: dict[str | None, list[tuple[RunConfig, Mapping[str, str]]]] = {}
    for config, splits in zip(configs, fingerprints or map(_split_fingerprints, configs), strict=True):
        by_fold.setdefault(config.dataset.fold, []).append((config, splits))
    for runs in by_fold.values():  # folds have different rows, and are not compared
        _warn_of_other_rows(runs)


def _warn_of_other_rows(runs: Sequence[tuple[RunConfig, Mapping[str, str]]]) -> None:
    configs = [config for config, _ in runs]
    names: dict[tuple[str, str], list[str]] = {}
    for config, splits in runs:
        if split := next((split for split in SCORED if split in splits), None):
            names.setdefault((split, splits[split]), []).append(str(config.name))
    if len(names) < 2:
        return
    keys = sorted({change.partition(": ")[0] for config in configs[1:]
                   for change in changed_at("dataset", to_dict(configs[0]), config)})  # fmt: skip
    logger.warning("the runs of this sweep are scored on different rows, so their scores cannot be compared%s:",
                   f" ({listing(keys)})" if keys else "")  # fmt: skip
    for (split, fingerprint), of_rows in names.items():
        logger.warning("  %s %s: %s", split, fingerprint, listing(of_rows))


def warn_of_changed_rows(run: str, fingerprint: str) -> None:
    """Warns if a run's data have changed since it was trained, because rows to score may then be training rows.

    Args:
        run: folder of the run, or another name of a saved model.
        fingerprint: fingerprint of the rows as they are read now.
    """
    trained_on = _data_record(Path(run).expanduser()).get("fingerprint", fingerprint)
    if trained_on != fingerprint:
        logger.warning("the data have changed since this run was trained (fingerprint %s, now %s), so scored rows "
                       "may be training rows; score a separate file with --data FILE",
                       trained_on, fingerprint)  # fmt: skip


def dataset_of(run: str, config: RunConfig) -> DatasetConfig:
    """Returns a run's data set; relative paths that do not exist here are resolved where the run was started.

    Args:
        run: folder of the run, or another name of a saved model.
        config: configuration of the run.
    """

    def located(path: str) -> str:
        original = path_of(run, path)
        return str(original) if original.is_absolute() else path

    dataset, fixes = config.dataset, config.dataset.label_fixes
    return replace(dataset, path=located(dataset.path), label_fixes=None if fixes is None else located(fixes))


def path_of(run: str, path: str) -> Path:
    """Returns a path of a run's configuration; a relative one that does not exist here, where the run was started.

    Args:
        run: folder of the run, or another name of a saved model.
        path: as the configuration has it.
    """
    here = Path(path).expanduser()
    original = Path(read_status(Path(run).expanduser()).get("folder", ""), here)
    return original if original.exists() and not here.exists() else here


def _split_fingerprints(config: RunConfig) -> Mapping[str, str]:
    """Returns the fingerprint of each split of a run, from its folder."""
    record = _data_record(Path(config.runs).expanduser() / str(config.name))
    fingerprints: Mapping[str, str] = record.get("fingerprints", {})
    return fingerprints


def _data_record(run: Path) -> dict[str, Any]:
    """Returns the content of a run's data.json; an empty dict if there is no such file."""
    file = run / "data.json"
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record
