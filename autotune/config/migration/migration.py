"""What becomes of the keys of an old run: ours, or a reason."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from autotune.config.keys import defaults
from autotune.config.migration.old_run import OldRun
from autotune.errors import AutotuneError, ConfigError, format_override, format_text_override

NONE = ("none", "null", "")
"""Texts that mean null in the other tools."""
YES, NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@dataclass
class Migration:
    """The experiment that an old run becomes, and the account of it."""

    run: OldRun
    defaults: Mapping[str, Any]
    """Values that the other tool has for what its file does not say."""
    options: dict[str, str] = field(default_factory=dict)
    """Option of each group."""
    values: dict[str, Any] = field(default_factory=dict)
    """Value of each key that differs from ours, by dotted key."""
    moved: list[tuple[str, str]] = field(default_factory=list)
    """Old key with its value, and what it is now: words of a command line."""
    added: list[tuple[str, str]] = field(default_factory=list)
    """The same for defaults of the other tool that differ from ours."""
    changes: list[str] = field(default_factory=list)
    """Sentences: what is different on purpose."""
    dropped: dict[str, list[str]] = field(default_factory=dict)
    """Old keys without a counterpart, by the reason."""
    errors: list[AutotuneError] = field(default_factory=list)
    handled: set[str] = field(default_factory=set)
    """Names of the vocabulary that were moved or left out."""

    def stated(self, *names: str) -> bool:
        """Whether the file sets one of the keys to something that is not the other tool's default."""
        return any(self._is_stated(name) for name in names)

    def _is_stated(self, name: str) -> bool:
        key = self.run.keys.get(name)
        if key is None:
            return False
        return self.run.stated or self.run.file.values[key] != self.defaults.get(name)

    def value(self, name: str) -> Any:
        """Returns the value in the file, else the other tool's default; None also for the texts that mean it."""
        key = self.run.keys.get(name)
        value = self.run.file.values[key] if key is not None else self.defaults.get(name)
        return None if isinstance(value, str) and value.strip().lower() in NONE else value

    def text(self, name: str) -> str | None:
        """Returns a text; a number is the text that it is written as."""
        value = self.value(name)
        if isinstance(value, bool | list | dict):
            self._refuse(name, "a text")
            return None
        return None if value is None else str(value).strip()

    def number(self, name: str, *, whole: bool = False) -> Any:
        """Returns a number, or None; also one that YAML reads as text, as 2e-5."""
        value = self.value(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool | list | dict) else float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (whole and number != int(number)):
            self._refuse(name, "a whole number" if whole else "a number")
            return None
        return int(number) if whole or re.fullmatch(r"[+-]?\d+", str(value)) else number

    def switch(self, name: str) -> bool:
        """Returns true or false; false for null."""
        value = self.value(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if str(value).lower() in YES + NO:
            return str(value).lower() in YES
        self._refuse(name, "true or false")
        return False

    def _refuse(self, name: str, expected: str) -> None:
        key = self.run.keys[name]
        self.errors.append(ConfigError(
            f"{key} should be {expected}", where=self.run.file.where(key), found=repr(self.run.file.values[key])[:80],
            fix=f"correct it in {self.run.file.path}",
        ))  # fmt: skip

    def move(self, names: str, values: Mapping[str, Any], options: Mapping[str, str] | None = None) -> None:
        """Sets keys and options, in place of the old keys.

        Args:
            names: of the old keys, in the vocabulary, separated by blanks.
            values: ours by dotted key; those that are our defaults are left out of the experiment.
            options: option by group.
        """
        self.options |= options or {}
        new = [f"{group}={option}" for group, option in (options or {}).items()]
        new += [_override(key, value) for key, value in values.items()]
        differing = {key: value for key, value in values.items() if defaults().get(key) != value}
        self.values |= differing
        self.handled |= set(names.split())
        keys = [self.run.keys[name] for name in names.split() if name in self.run.keys]
        if keys and self.stated(*names.split()):
            self.moved.append((self.shown(*keys), " ".join(new)))
        elif differing or options:
            default = ", ".join(
                f"{name}: {self.value(name)}" for name in names.split() if self.value(name) is not None
            )
            self.added.append((default or names, " ".join(new)))

    def drop(self, names: str, reason: str) -> None:
        """Leaves old keys out, if the file has them and they were not moved."""
        keys = [
            self.run.keys[name]
            for name in names.split()
            if name in self.run.keys and name not in self.handled
        ]
        self.handled |= set(names.split())
        if keys:
            self.dropped.setdefault(reason, []).extend(keys)

    def shown(self, *keys: str) -> str:
        """Returns old keys with their values, as they are in the file."""
        return ", ".join(f"{key}: {_plain(self.run.file.values[key])}" for key in keys)

    def experiment(self, header: str) -> str:
        """Returns the experiment as YAML.

        Args:
            header: lines of comments.
        """
        choices = [{f"override /{group}": option} for group, option in self.options.items()]
        nested: dict[str, Any] = {}
        for key, value in self.values.items():
            *sections, last = key.split(".")
            section = nested
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = value
        body: str = yaml.safe_dump(
            {"defaults": [*choices, "_self_"], **nested}, sort_keys=False, allow_unicode=True
        )
        return f"# @package _global_\n{header}{body}"


def _override(key: str, value: Any) -> str:
    return format_text_override(key, value) if isinstance(value, str) else format_override(key, value)


def _plain(value: Any) -> str:
    """Returns a value as YAML writes it, on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return (
        text.removesuffix("\n...\n").strip()
        if isinstance(value, list | dict | bool) or value is None
        else str(value)
    )
