"""Restores what Hydra loses of the YAML files in a user's folder: the text of keys that look like numbers, and the folder
that relative paths refer to."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import yaml

from autotune.config.compression import suffix_of
from autotune.config.formats import READABLE
from autotune.config.label_maps import entries_of, merge_entries
from autotune.errors import ConfigError

PATHS = (
    ("dataset", "path"),
    ("dataset", "label_fixes"),
    ("dataset", "splits", "train"),
    ("dataset", "splits", "validation"),
    ("dataset", "splits", "test"),
    ("model", "name_or_path"),
)
"""Keys whose value may be a file or folder."""
LABEL_MAP = ("dataset", "label_map")


def with_user_files(
    values: Mapping[str, Any],
    folders: Sequence[Path],
    ours: Path,
    choices: Mapping[str, str | None],
    overridden: Set[str],
) -> Mapping[str, Any]:
    """Returns the composed values with maps of labels as typed, and with paths relative to the folder of their YAML file.

    Args:
        values: nested dicts.
        folders: folders of YAML files; an option is read from the first one that has it.
        ours: the one of them that ships with autotune.
        choices: the option chosen from each group.
        overridden: keys set on the command line.

    Raises:
        ConfigError: two keys of a map are the same; a file is neither beside the YAML file nor in the working folder.
    """
    for file, section, root in _user_files(folders, ours, choices):
        for keys in PATHS:
            value = _value_at(values, keys)
            if (
                ".".join(keys) not in overridden
                and isinstance(value, str)
                and _find_node(root, keys, section) is not None
            ):
                values = _with_value(values, keys, _resolve_path(value, file, ".".join(keys)))
        node = _find_node(root, LABEL_MAP, section)
        if isinstance(node, yaml.MappingNode) and isinstance(_value_at(values, LABEL_MAP), Mapping):
            try:
                typed = merge_entries(entries_of(node))
            except ConfigError as error:
                raise ConfigError(error.what, where=f"{file}:{node.start_mark.line + 1}", found=error.found,
                                  fix="quotes around keys that are text: '01': a") from error  # fmt: skip
            # With fewer keys than composed, some come from elsewhere (another file, the command line); keep those.
            if len(typed) >= len(_value_at(values, LABEL_MAP)):
                values = _with_value(values, LABEL_MAP, typed)
    return values


def _user_files(
    folders: Sequence[Path], ours: Path, choices: Mapping[str, str | None]
) -> Iterator[tuple[Path, str, yaml.MappingNode]]:
    """Yields the chosen options that are files of the user: file, group, content."""
    for group, option in choices.items():
        files = [folder / group / f"{option}.yaml" for folder in folders]
        file = next((candidate for candidate in files if candidate.is_file()), None)
        if file is None or file.is_relative_to(ours):
            continue
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if isinstance(root, yaml.MappingNode):
            yield file, group, root


def _resolve_path(value: str, file: Path, key: str) -> str:
    """Returns the path beside the YAML file if it exists there, else the value unchanged."""
    path = Path(value).expanduser()
    if path.is_absolute() or value.startswith("sample/") or not value.strip():
        return value
    candidate = (file.parent / path).resolve()
    if candidate.exists():
        return str(candidate)
    local = suffix_of(path) in READABLE or value.startswith("./") or value.startswith("../")
    if local and not path.exists() and key == "dataset.path":
        raise ConfigError(
            "there is no such file or folder",
            where=f"{key} in {file}",
            found=f"neither {candidate} nor {path.absolute()}",
            fix=f"correct it there, or {key}=FILE",
        )
    return value


def _find_node(root: yaml.MappingNode, keys: Sequence[str], group: str) -> yaml.Node | None:
    """Returns the node of a key in a file, or None; in a file of a group, keys may start below the name of the group."""
    for path in (keys, keys[1:] if keys[0] == group else ()):
        node: yaml.Node | None = root if path else None
        for name in path:
            inner = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((value for key, value in inner if key.value == name), None)
        if node is not None:
            return node
    return None


def _value_at(values: Mapping[str, Any], keys: Sequence[str]) -> Any:
    for key in keys:
        value: Any = values.get(key) if isinstance(values, Mapping) else None
        values = value
    return values


def _with_value(values: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = keys
    return {**values, first: _with_value(values[first], rest, value) if rest else value}
