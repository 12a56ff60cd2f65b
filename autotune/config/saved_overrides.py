"""Overrides of `predict` and `evaluate`: how to read data other than those of training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.config.compose import compose_untyped
from autotune.config.enums import Format
from autotune.config.hydra_errors import unknown_key
from autotune.config.keys import keys
from autotune.config.load import parse_config, to_dict
from autotune.config.overrides import key_of
from autotune.config.schema import RunConfig
from autotune.errors import ConfigError, raise_all

ALLOWED_KEYS = ("dataset", "task", "trainer.micro_batch_tokens")
"""Sections and keys that may change for a saved model: those that affect reading and predicting."""
NOT_FILE_FORMATS = (None, "auto", "hub")


@dataclass(frozen=True)
class SavedOverrides:
    """Overrides of a saved model's configuration."""

    words: tuple[str, ...]
    path: str | None
    """dataset.path, which is read instead of the file of the command; None if not set."""
    form: str | None
    """dataset.format, or the format of the option of dataset; None if the name of the file determines it."""

    def changer(self, path: str | None) -> Callable[[RunConfig], RunConfig]:
        """Returns the function that applies the overrides to the configuration of a saved model.

        Args:
            path: data to read instead of those of the run; None: dataset.path of the configuration.
        """
        return lambda config: self._apply(config, path) if self.words else config

    def _apply(self, config: RunConfig, path: str | None) -> RunConfig:
        values = to_dict(config)
        composed, chosen = compose_untyped([f"task={config.task.name}", *self.words])
        if "dataset" in chosen:
            option = next(
                word.partition("=")[2] for word in reversed(self.words) if key_of(word) == "dataset"
            )
            # An option named like a format only says how to read a file; any other option is another data set.
            dataset = composed["dataset"]
            values["dataset"] = (
                values["dataset"] | {"format": dataset["format"]} if option in set(Format) else dataset
            )
        if any(key.split(".")[0] == "dataset" for key in chosen):
            values["bundle"] = None  # which holds the rows as they were read in training
        for key in sorted(chosen - {"task", "dataset"}):
            _copy_value(key.split("."), composed, values, replace=key in keys())
        if path is not None:
            values["dataset"]["path"] = path
        return parse_config(values)


def saved_overrides(words: Sequence[str], verb: str) -> SavedOverrides:
    """Reads the overrides of a command.

    Args:
        words: key=value.
        verb: name of the command.

    Raises:
        ConfigError: a key is unknown or cannot change after training; several errors are raised together.
    """
    raise_all([error for word in words if (error := _error_of(word, verb))])
    of_data = [word for word in words if f"{key_of(word)}.".startswith("dataset.")]
    if not of_data:
        return SavedOverrides(tuple(words), None, None)
    values, chosen = compose_untyped(of_data)
    path = values["dataset"]["path"] if "dataset.path" in chosen else None
    form = values["dataset"].get("format") if chosen & {"dataset", "dataset.format"} else None
    return SavedOverrides(tuple(words), path, None if form in NOT_FILE_FORMATS else form)


def _error_of(word: str, verb: str) -> ConfigError | None:
    key = key_of(word)
    if key not in ("task", "task.name") and any(f"{key}.".startswith(f"{name}.") for name in ALLOWED_KEYS):
        return None
    if key in ("task", *keys()):
        return ConfigError(
            f"{verb} reads data and predicts; this key cannot change what was trained",
            where=word,
            found="keys that it takes: dataset.*, task.*, trainer.micro_batch_tokens",
            fix="leave it out",
        )
    return unknown_key(key, word, word.partition("=")[2], ("dataset",))


def _copy_value(path: Sequence[str], source: Any, target: dict[str, Any], *, replace: bool) -> None:
    """Copies the value at a path from one nested dict to another; of a section only the keys that are set."""
    for part in path[:-1]:
        source = source[part]
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    source_value = source[path[-1]]
    if not replace and isinstance(source_value, Mapping):
        target[path[-1]] |= {key: value for key, value in source_value.items() if value is not None}
    else:
        target[path[-1]] = source_value
