"""Translates Hydra's errors: keeps what they say about keys and options, and adds the nearest name."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from autotune.config.compression import suffix_of
from autotune.config.keys import keys, tasks_with
from autotune.config.overrides import key_of
from autotune.config.proposals import key_of_other_tasks, proposal, valid_override
from autotune.errors import (
    AutotuneError,
    ConfigError,
    Findings,
    format_override,
    listing,
    nearest,
    shell_words,
)
from autotune.runtime.library_errors import message_of

UNKNOWN_KEY = re.compile(r"Key '[^']*' (?:is not in struct|not in '\w*')\s+full_key: (\S+)")
AMBIGUOUS = re.compile(r"Ambiguous value for argument '(.*)'")
NULL_SECTION = re.compile(r"^$|NoneType")
"""Messages of OmegaConf if a key is set in a section that is null: an assertion without a message, or with this one."""
NOT_OPTIONAL = re.compile(r"^field '.*' is not Optional$", re.MULTILINE)
REDUNDANT_LINE = re.compile(
    r"(object_type|reference_type|full_key|To append|See http|Error merging|Could not override)"
)
"""Lines of Hydra's and OmegaConf's messages that only repeat `where`, or say nothing useful."""


def translate_hydra_error(error: BaseException, words: Sequence[str], groups: Sequence[str]) -> AutotuneError:
    """Returns the ConfigError for any error of Hydra, OmegaConf or the YAML reader.

    Args:
        error: the error of the library.
        words: the command line, as typed.
        groups: names of the config groups.
    """
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    arguments = [word for word in words if not word.startswith("-")]
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if isinstance(error, yaml.YAMLError):
        return ConfigError("a configuration file is not valid YAML", found=str(error))
    if NULL_SECTION.search(str(error)) and (section_error := _null_section(arguments)):
        return section_error
    if not isinstance(error, HydraException | OmegaConfBaseException | ValueError):
        # Failed assertions, TypeErrors and the like, which these libraries raise on input they do not expect.
        return ConfigError(
            "Hydra cannot compose this", where=listing(overrides)[:200] or None, found=message_of(error)
        )
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
    text = f"{error}\n{cause}" if cause else str(error)
    if unknown_match := UNKNOWN_KEY.search(text):
        return _unknown_keys(unknown_match[1], text, overrides, groups)
    if "Incompatible key type 'NoneType'" in text:
        key_match = re.search(r"full_key: (\S+)", text)
        return ConfigError("a YAML file has a map with the key null", where=key_match[1] if key_match else None,
                           fix="quotes around it: 'null': O")  # fmt: skip
    if sweep_match := AMBIGUOUS.search(text):
        return _sweep_without_multirun(sweep_match[1])
    if "Config group override must be" in text:
        return _option_is_null(overrides, groups)
    full_key = re.search(r"full_key: (\S+)", text)
    key = full_key[1] if full_key else ""
    if NOT_OPTIONAL.search(text):
        return ConfigError(f"{key} cannot be null", where=key, found="null", fix=valid_override(key, "null"))
    lines = [line.strip() for line in text.splitlines()]
    word = _find_override(key, overrides) if key else None
    return ConfigError(
        "\n".join(line for line in lines if not REDUNDANT_LINE.match(line)) or text,
        where=word or key or None,
        fix=valid_override(key, (word or "").partition("=")[2]),
    )


def _null_section(overrides: Sequence[str]) -> ConfigError | None:
    """Returns the error for a key of a section that is switched off; None if there is no such override."""
    for section, group, option, what in (
        ("peft", "peft", "lora", "this key needs an adapter"),
        ("slurm", "cluster", "slurm", "this key needs a cluster"),
    ):
        word = next((override for override in overrides if key_of(override).startswith(f"{section}.")), None)
        if word is not None and f"{group}={option}" not in overrides:
            fix = f"{group}={option} {shell_words(word.lstrip('+~'))}"
            return ConfigError(what, where=word, found=f"{group}=none", fix=fix)
    return None


def _find_override(key: str, overrides: Sequence[str]) -> str | None:
    """Returns the first override of a key, or of a key below it."""
    return next((override for override in overrides if f"{key_of(override)}.".startswith(f"{key}.")), None)


def unknown_key(
    key: str,
    where: str,
    value: str | None,
    groups: Sequence[str],
    values: Mapping[str, str] | None = None,
) -> ConfigError:
    """Returns the error for an unknown key, with the key that was probably meant.

    Args:
        key: as written, without + and ~.
        where: the override, or the file that has it.
        value: as written; None in a file.
        groups: names of the config groups.
        values: all keys of the command line with their values.
    """
    if tasks := tasks_with(key):
        return key_of_other_tasks(key, where, tasks)
    section = key.rpartition(".")[0]
    siblings = [name.rpartition(".")[2] for name in keys() if section and name.rpartition(".")[0] == section]
    fix, note = proposal(key if value is None else key_of(where), value, groups, values)
    hints = [note] if note else [f"keys of {section}: {listing(siblings, 40)}"] if siblings else []
    return ConfigError(
        f"there is no key {key}" if section else f"there is no key and no group {key}",
        where=where,
        found=hints[0] if hints else None,
        fix=fix,
    )


def _unknown_keys(key: str, text: str, overrides: Sequence[str], groups: Sequence[str]) -> AutotuneError:
    """Returns the error for the key that stopped Hydra, and for the unknown keys after it, which Hydra did not reach."""
    file_match = re.search(r"In '([^']+)'", text)
    first = _find_override(key, overrides)
    if first is None:
        return unknown_key(key, f"{file_match[1]}.yaml" if file_match else key, None, groups)
    values = {key_of(word): word.partition("=")[2] for word in overrides}
    sections = {name.rpartition(".")[0] for name in keys()} | {"hydra"}
    unknown_words = [first]
    for word in overrides:
        name = key_of(word)
        if "." not in name and name not in (*groups, *keys(), *sections) and word != first:
            unknown_words.append(word)
    errors = [
        unknown_key(key if word == first else key_of(word), word, word.partition("=")[2], groups, values)
        for word in unknown_words
    ]
    return errors[0] if len(errors) == 1 else Findings(errors)


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, option = (error.missing_cfg_file or "").partition("/")
    if not option:
        return ConfigError(str(error).splitlines()[0])
    options = sorted(error.options or [])
    near = nearest(option, options)
    fix = format_override(group, near) if near else None
    if near is None and group == "model":
        fix = f"{format_override('model.name_or_path', option)}  # if that is a Hub id or a folder"
    suffix = suffix_of(Path(option)).lstrip(".").replace("tsv", "csv")
    if group == "dataset" and (near is None or suffix in options or "/" in option):
        fix = f"dataset={suffix if suffix in options else 'hub'} {format_override('dataset.path', option)}"
    return ConfigError(
        f"there is no {group} {option!r}",
        where=f"{group}={option}",
        found=f"{group}: {listing(options, 40)}",
        fix=fix,
    )


def _sweep_without_multirun(word: str) -> ConfigError:
    key, _, value = word.partition("=")
    return ConfigError(
        "several values mean several runs",
        where=word,
        fix=f"--multirun {shell_words(word)} for one run each; if it is a list: {shell_words(f'{key}=[{value}]')}",
    )


def _option_is_null(overrides: Sequence[str], groups: Sequence[str]) -> ConfigError:
    """Returns the error for peft=null: the option that switches a group off is called none."""
    group_override = next((override for override in overrides if key_of(override) in groups), "")
    fix = f"{key_of(group_override)}=none, or another option"
    return ConfigError("the option of a group is a name", where=group_override, fix=fix)
