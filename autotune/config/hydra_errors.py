"""Hydra's errors in our words: what it knows about keys and options is kept, the nearest name is added."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from autotune.config.compression import suffix_of
from autotune.config.keys import keys
from autotune.config.overrides import key_of
from autotune.config.proposals import proposal
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
NO_SECTION = re.compile(r"^$|NoneType")
"""What OmegaConf says where a key is set in a section that is null: an assertion without words, or with these."""
NO_NEWS = re.compile(
    r"(object_type|reference_type|full_key|To append|See http|Error merging|Could not override)"
)
"""Lines of Hydra's and OmegaConf's messages that say what `where` says, or nothing."""


def translate_hydra_error(error: BaseException, words: Sequence[str], groups: Sequence[str]) -> AutotuneError:
    """Whatever Hydra, OmegaConf or the YAML reader raised, as a ConfigError.

    Args:
        error: as it was raised.
        words: the command line, as it was typed.
        groups: names of the config groups.
    """
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    given = [word for word in words if not word.startswith("-")]
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if isinstance(error, yaml.YAMLError):
        return ConfigError("a configuration file is no YAML", found=str(error))
    absent = next((override for override in given if key_of(override).startswith("peft.")), None)
    if absent is not None and NO_SECTION.search(str(error)):
        return ConfigError(
            "there is no adapter that this could set",
            where=absent,
            found="peft=none",
            fix=f"peft=lora {shell_words(absent.lstrip('+~'))}",
        )
    if not isinstance(error, HydraException | OmegaConfBaseException | ValueError):
        # What these libraries assert, or trip over, when words say what they do not expect.
        return ConfigError(
            "Hydra cannot compose this", where=listing(overrides)[:200] or None, found=message_of(error)
        )
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
    text = f"{error}\n{cause}" if cause else str(error)
    if unknown := UNKNOWN_KEY.search(text):
        return _unknown_keys(unknown[1], text, overrides, groups)
    if "Incompatible key type 'NoneType'" in text:
        found = re.search(r"full_key: (\S+)", text)
        return ConfigError("a YAML file has a map with the key null", where=found[1] if found else None,
                           fix="quotes around it: 'null': O")  # fmt: skip
    if ambiguous := AMBIGUOUS.search(text):
        return _several_values(ambiguous[1])
    if "Config group override must be" in text:
        return _option_without_name(overrides, groups)
    lines = [line.strip() for line in text.splitlines()]
    key = re.search(r"full_key: (\S+)", text)
    return ConfigError(
        "\n".join(line for line in lines if not NO_NEWS.match(line)) or text,
        where=_override_of(key[1], overrides) or key[1] if key else None,
    )


def _override_of(key: str, overrides: Sequence[str]) -> str | None:
    return next((override for override in overrides if f"{key_of(override)}.".startswith(f"{key}.")), None)


def unknown_key(
    key: str,
    where: str,
    value: str | None,
    groups: Sequence[str],
    given: Mapping[str, str] | None = None,
) -> ConfigError:
    """The error for a key that there is not, with what was probably meant.

    Args:
        key: as it was written, without + and ~.
        where: the override, or the file that has it.
        value: as it was written; None in a file.
        groups: names of the config groups.
        given: all keys of the command line with their values.
    """
    section = key.rpartition(".")[0]
    siblings = [
        known.rpartition(".")[2] for known in keys() if section and known.rpartition(".")[0] == section
    ]
    fix, note = proposal(key if value is None else key_of(where), value, groups, given)
    found = [note] if note else [f"keys of {section}: {listing(siblings, 40)}"] if siblings else []
    return ConfigError(
        f"there is no key {key}" if section else f"there is no key and no group {key}",
        where=where,
        found=found[0] if found else None,
        fix=fix,
    )


def _unknown_keys(key: str, text: str, overrides: Sequence[str], groups: Sequence[str]) -> AutotuneError:
    """The key that Hydra has stumbled over, and those after it that it did not come to."""
    file = re.search(r"In '([^']+)'", text)
    first = _override_of(key, overrides)
    if first is None:
        return unknown_key(key, f"{file[1]}.yaml" if file else key, None, groups)
    given = {key_of(word): word.partition("=")[2] for word in overrides}
    sections = {name.rpartition(".")[0] for name in keys()} | {"hydra"}
    words = [first]
    for word in overrides:
        name = key_of(word)
        if "." not in name and name not in (*groups, *keys(), *sections) and word != first:
            words.append(word)
    errors = [
        unknown_key(key if word == first else key_of(word), word, word.partition("=")[2], groups, given)
        for word in words
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


def _several_values(word: str) -> ConfigError:
    key, _, value = word.partition("=")
    return ConfigError(
        "several values are several runs",
        where=word,
        fix=f"--multirun {shell_words(word)} for one run each; if it is a list: {shell_words(f'{key}=[{value}]')}",
    )


def _option_without_name(overrides: Sequence[str], groups: Sequence[str]) -> ConfigError:
    """peft=null: an option that switches off is called none."""
    chosen = next((override for override in overrides if key_of(override) in groups), "")
    fix = f"{key_of(chosen)}=none, or another option"
    return ConfigError("the option of a group is a name", where=chosen, fix=fix)
