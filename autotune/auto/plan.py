"""Everything that is decided before the first trial: auto.yaml, from which a search is resumed and replayed."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from autotune import __version__
from autotune.auto.record import read_settings
from autotune.auto.schemas import SETTINGS
from autotune.auto.trial import Trial
from autotune.config.auto import AutoConfig
from autotune.config.load import plain
from autotune.errors import ConfigError
from autotune.runtime.records import damaged

FIX = "start again with another name=: autotune auto DATA name=ANOTHER"


@dataclass(frozen=True)
class Plan:
    """What a search does."""

    config: AutoConfig
    words: tuple[str, ...]
    """Overrides that all runs have: task and data."""
    folds: int | None
    """Folds that choose; None: one validation split."""
    trials: tuple[Trial, ...]
    """Cheap ones first, then in the order of their promise."""
    replayed: str | None = None
    """Folder of the search whose decisions are made again; None: the clock or the number of trials decides."""

    @property
    def judged(self) -> int | None:
        """Number of folds that judge, if time is short; None: all."""
        return next((trial.folds for trial in self.trials if trial.folds), None)

    def as_dict(self) -> dict[str, Any]:
        """Returns the content of auto.yaml."""
        values: dict[str, Any] = plain({"version": __version__, **asdict(self)})
        return values


def read_plan(folder: Path) -> Plan:
    """Reads the plan of a search.

    Raises:
        ConfigError: the folder has none, or it is damaged.
    """
    try:
        values = read_settings(folder)
    except FileNotFoundError as error:
        raise ConfigError(
            "autotune auto has not made this folder", where=str(folder), found="no auto.yaml"
        ) from error
    try:
        return TypeAdapter(Plan).validate_python(
            {key: value for key, value in values.items() if key != "version"}
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged(folder / SETTINGS, f"{where}: {first['msg']}", FIX, ConfigError) from error


def folder_name(config: AutoConfig, words: Sequence[str], fingerprint: str) -> str:
    """Returns the name of a search's folder: the user's, or one with a hash of what shapes the search.

    Args:
        config: settings.
        words: overrides that all runs have.
        fingerprint: of the rows.
    """
    if config.name is not None:
        return config.name
    shaping: Mapping[str, Any] = {
        key: value for key, value in asdict(config).items() if key not in ("name", "runs")
    }
    text = json.dumps([plain(shaping), list(words), fingerprint], sort_keys=True)
    data = re.sub(r"[^\w.]+", "_", Path(config.data).stem).strip("._")[:40] or "data"
    return f"auto-{data}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
