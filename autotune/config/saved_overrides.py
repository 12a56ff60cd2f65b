"""Overrides after `predict` and `evaluate`: how data are read that are other ones than those of training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.config.compose import untyped
from autotune.config.enums import Format
from autotune.config.hydra_errors import unknown_key
from autotune.config.keys import keys
from autotune.config.load import parse_config, to_dict
from autotune.config.overrides import key_of
from autotune.config.schema import RunConfig
from autotune.errors import ConfigError, raise_all

TAKEN = ("dataset", "task", "trainer.micro_batch_tokens")
"""Sections and keys that matter when a saved model reads and predicts."""
NOT_FILES = (None, "auto", "hub")


@dataclass(frozen=True)
class SavedOverrides:
    """Overrides of a saved model's configuration."""

    words: tuple[str, ...]
    path: str | None
    """dataset.path, which takes the place of the call's file; None where it is not given."""
    form: str | None
    """dataset.format, or that of an option of dataset; None where the name of the file says it."""

    def changer(self, path: str | None) -> Callable[[RunConfig], RunConfig]:
        """What makes of the configuration of a saved model that which they ask for.

        Args:
            path: of the data that are read instead of the run's own; None: they are those of the configuration.
        """
        return lambda config: self._changed(config, path) if self.words else config

    def _changed(self, config: RunConfig, path: str | None) -> RunConfig:
        values = to_dict(config)
        given, chosen = untyped([f"task={config.task.name}", *self.words])
        if "dataset" in chosen:
            option = next(
                word.partition("=")[2] for word in reversed(self.words) if key_of(word) == "dataset"
            )
            # The option of a form says how a file is read; any other one is another data set.
            new = given["dataset"]
            values["dataset"] = (
                values["dataset"] | {"format": new["format"]} if option in set(Format) else new
            )
        for key in sorted(chosen - {"task", "dataset"}):
            _copy(key.split("."), given, values, whole=key in keys())
        if path is not None:
            values["dataset"]["path"] = path
        return parse_config(values)


def saved_overrides(words: Sequence[str], verb: str) -> SavedOverrides:
    """Reads the overrides of a call.

    Args:
        words: key=value.
        verb: of the call.

    Raises:
        ConfigError: there is no such key, or it cannot change what was trained; several are raised together.
    """
    raise_all([error for word in words if (error := _fault(word, verb))])
    of_data = [word for word in words if f"{key_of(word)}.".startswith("dataset.")]
    if not of_data:
        return SavedOverrides(tuple(words), None, None)
    values, chosen = untyped(of_data)
    path = values["dataset"]["path"] if "dataset.path" in chosen else None
    form = values["dataset"].get("format") if chosen & {"dataset", "dataset.format"} else None
    return SavedOverrides(tuple(words), path, None if form in NOT_FILES else form)


def _fault(word: str, verb: str) -> ConfigError | None:
    key = key_of(word)
    if key not in ("task", "task.name") and any(f"{key}.".startswith(f"{taken}.") for taken in TAKEN):
        return None
    if key in ("task", *keys()):
        return ConfigError(
            f"{verb} reads data and predicts; this key cannot change what was trained",
            where=word,
            found="keys that it takes: dataset.*, task.*, trainer.micro_batch_tokens",
            fix="leave it out",
        )
    return unknown_key(key, word, word.partition("=")[2], ("dataset",))


def _copy(path: Sequence[str], source: Any, target: dict[str, Any], *, whole: bool) -> None:
    """Sets what a path of nested dicts leads to, as it is in another; of a section, the keys that were given."""
    for part in path[:-1]:
        source = source[part]
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    given = source[path[-1]]
    if not whole and isinstance(given, Mapping):
        target[path[-1]] |= {key: value for key, value in given.items() if value is not None}
    else:
        target[path[-1]] = given
