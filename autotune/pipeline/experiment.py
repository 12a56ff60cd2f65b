"""Writes a run as an experiment file, so that one option trains it again: `--config-dir FOLDER experiment=NAME`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from autotune.config.compose import compose
from autotune.config.load import load_config, to_dict


def experiment_file(config: Path, *comments: str, **place: str) -> str:
    """Returns everything in which a run differs from its task's defaults, whoever's options these were.

    Args:
        config: config.yaml of the run.
        comments: lines for people.
        place: `name` and `runs` of a run that is to be continued; without them, it is trained again.
    """
    values = to_dict(load_config(config))
    for key in ("name", "runs"):
        values.pop(key)
    task = values["task"]["name"]
    (defaults,) = compose([f"task={task}"])
    changes = _changes(to_dict(defaults), values)
    changes.get("trainer", {}).pop("pause_at", None)  # absent where the run was finished meanwhile
    head = "".join(f"# {line}\n" for line in ("@package _global_", *comments))
    body: str = yaml.safe_dump(
        {"defaults": [{"override /task": task}, "_self_"], **changes, **place},
        sort_keys=False,
        allow_unicode=True,
    )
    return head + body


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of `new` that differ, section by section."""
    changes: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if value == before:
            continue
        changes[key] = (
            _changes(before, value) if isinstance(value, Mapping) and isinstance(before, Mapping) else value
        )
    return changes
