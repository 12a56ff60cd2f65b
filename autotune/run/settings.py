"""Refuses to use the folder of a run for a run with other settings."""

from pathlib import Path

from autotune.config.load import diff, load_values
from autotune.config.schema import RunConfig
from autotune.errors import ConfigError
from autotune.run.status import CONFIG


def refuse_other_settings(path: Path, config: RunConfig) -> None:
    """Checks that a run folder, whose name the user may have chosen, is new or holds a run with these settings.

    Raises:
        ConfigError: it holds a run with other settings.
    """
    saved_config = path / CONFIG
    changes = diff(load_values(saved_config), config) if saved_config.exists() else []
    if changes:
        raise ConfigError("the folder holds a run with other settings", where=str(saved_config),
                          found="\n".join(changes),
                          fix="name=ANOTHER, or resume=never, which sets the old folder aside")  # fmt: skip
