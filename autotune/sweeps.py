"""Whether figures compare: runs of a sweep, and a run with itself, are scored on the same rows."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autotune.config import RunConfig
from autotune.errors import listing
from autotune.resolve import changed_at, plain

logger = logging.getLogger(__name__)

SCORED = ("test", "validation", "train")
"""The first of these that a run has is its result."""


def warn_of_other_rows(configs: Sequence[RunConfig]) -> None:
    """Says which runs of a sweep were scored on other rows than the rest, for their figures do not compare.

    Args:
        configs: of runs that have ended; those whose data were never read are left out.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for config in configs:
        scored = _scored(config)
        if scored is not None:
            names.setdefault(scored, []).append(str(config.name))
    if len(names) < 2:
        return
    keys = sorted({change.partition(": ")[0] for config in configs[1:]
                   for change in changed_at("dataset", plain(configs[0]), config)})  # fmt: skip
    logger.warning("the runs of this sweep were scored on different rows, so their figures do not compare%s:",
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


def _scored(config: RunConfig) -> tuple[str, str] | None:
    """The split that a run is scored on, and the fingerprint of its rows."""
    rows = _record(Path(config.runs).expanduser() / str(config.name)).get("fingerprints", {})
    return next(((split, rows[split]) for split in SCORED if split in rows), None)


def _record(run: Path) -> dict[str, Any]:
    """What a run has written about its data; nothing where it has not."""
    file = run / "data.json"
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record
