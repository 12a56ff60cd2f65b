"""The command lines of a search's trials, and whether each value that a search may try composes."""

import shlex
from collections.abc import Sequence
from typing import Any

from autotune.config.compose import Member, compose, groups
from autotune.config.enums import Resume, SpaceType, Visibility
from autotune.config.hydra_errors import unknown_key
from autotune.config.keys import keys
from autotune.config.load import NOT_IDENTITY
from autotune.config.overrides import key_of
from autotune.config.search import SpaceConfig
from autotune.errors import AutotuneError, ConfigError, format_override, raise_all

NOT_SEARCHED = ("search", "debug", "experiment", *NOT_IDENTITY)
"""Keys and groups that a space may not have: they do not shape a result, or change too much at once."""
OWN = ("search", "name", "runs", "resume")
"""Keys that the study has, and its trials do not."""


def override(key: str, value: Any) -> str:
    """Returns `key=value` for the command line of a child process."""
    return shlex.split(format_override(key, value))[0]


def trial_words(member: Member) -> list[str]:
    """Returns the flags and overrides that all trials of a search have."""
    kept = [word for word in member.words if word.startswith("-") or key_of(word).split(".")[0] not in OWN]
    return [*kept, "trainer.pause_at=1"]


def refuse_faults(member: Member) -> None:
    """Checks a search before its first trial: each key exists, and the ends of its range or its choices compose.

    Raises:
        ConfigError: something is wrong; several errors are raised together.
    """
    config = member.config
    assert config.search is not None, "the command requires it"
    errors: list[AutotuneError] = []
    if config.hub.visibility is not Visibility.none:
        errors.append(ConfigError("trials of a search are not pushed; push the best run when it is finished",
                                  where="hub", fix="hub=none"))  # fmt: skip
    if config.resume is Resume.never:
        errors.append(ConfigError("the same command always continues its study",
                                  where="resume=never", fix="name=ANOTHER, for a new study"))  # fmt: skip
    raise_all(errors)
    words = trial_words(member)
    raise_all([error for key, space in config.search.spaces.items() for error in _faults(key, space, words)])


def _faults(key: str, space: SpaceConfig, words: Sequence[str]) -> list[AutotuneError]:
    """Returns what is wrong with a space."""
    where = f"search.spaces.{key}"
    if {key, key.split(".")[0]} & set(NOT_SEARCHED):
        return [ConfigError("a search cannot try this key", where=where)]
    if key not in (*keys(), *groups()):
        return [unknown_key(key, where, None, groups())]
    if any(key_of(word) == key for word in words):
        return [ConfigError(f"{key} is set and searched", where=where, fix=f"leave out {key}=…")]
    cast = int if space.type is SpaceType.int else float
    ends = [cast(end) for end in (space.low, space.high) if end is not None]
    errors: dict[str, AutotuneError] = {}
    for value in space.choices or ends:
        word = override(key, value)
        try:
            compose([*words, word])
        except AutotuneError as error:
            first = error.errors[0]
            found = "\n".join(filter(None, (word, first.found)))
            errors[str(first)] = ConfigError(first.what, where=where, found=found, fix=first.fix)
    return list(errors.values())
