"""What the YAML files of a user's own folder say and what Hydra makes of them no longer shows: the text of keys that look
like numbers, and the folder that relative paths start at."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import yaml

from autotune.config.compression import suffix_of
from autotune.config.label_maps import entries_of, merge_entries
from autotune.config.rules.dataset import FORMS
from autotune.errors import ConfigError

PATHS = (
    ("dataset", "path"),
    ("dataset", "splits", "train"),
    ("dataset", "splits", "validation"),
    ("dataset", "splits", "test"),
    ("model", "name_or_path"),
)
"""Keys that may name a file or a folder."""
LABEL_MAP = ("dataset", "label_map")


def with_user_files(
    values: Mapping[str, Any],
    folders: Sequence[Path],
    ours: Path,
    choices: Mapping[str, str | None],
    overridden: Set[str],
) -> Mapping[str, Any]:
    """The composed values, with maps of labels as they were typed and with paths that start at the folder of their YAML.

    Args:
        values: nested dicts.
        folders: of YAML files; the first that has an option counts.
        ours: the one of them that ships with autotune.
        choices: option of each group.
        overridden: keys that the command line names.

    Raises:
        ConfigError: two keys of a map are one; a file is neither beside the YAML nor in the working folder.
    """
    for file, section, root in _chosen(folders, ours, choices):
        for keys in PATHS:
            given = _at(values, keys)
            if (
                ".".join(keys) not in overridden
                and isinstance(given, str)
                and _node(root, keys, section) is not None
            ):
                values = _with(values, keys, _placed(given, file, ".".join(keys)))
        node = _node(root, LABEL_MAP, section)
        if isinstance(node, yaml.MappingNode) and isinstance(_at(values, LABEL_MAP), Mapping):
            try:
                typed = merge_entries(entries_of(node))
            except ConfigError as error:
                raise ConfigError(error.what, where=f"{file}:{node.start_mark.line + 1}", found=error.found,
                                  fix="quotes around keys that are text: '01': a") from error  # fmt: skip
            if len(typed) >= len(_at(values, LABEL_MAP)):
                values = _with(values, LABEL_MAP, typed)
    return values


def _chosen(
    folders: Sequence[Path], ours: Path, choices: Mapping[str, str | None]
) -> Iterator[tuple[Path, str, yaml.MappingNode]]:
    """The user's files among the options that were chosen: file, group, content."""
    for group, option in choices.items():
        files = [folder / group / f"{option}.yaml" for folder in folders]
        file = next((one for one in files if one.is_file()), None)
        if file is None or file.is_relative_to(ours):
            continue
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if isinstance(root, yaml.MappingNode):
            yield file, group, root


def _placed(given: str, file: Path, key: str) -> str:
    """The path beside the YAML, where something is there; else as it is."""
    path = Path(given).expanduser()
    if path.is_absolute() or given.startswith("sample/") or not given.strip():
        return given
    beside = (file.parent / path).resolve()
    if beside.exists():
        return str(beside)
    local = suffix_of(path) in FORMS or given.startswith("./") or given.startswith("../")
    if local and not path.exists() and key == "dataset.path":
        raise ConfigError(
            "there is no such file or folder",
            where=f"{key} in {file}",
            found=f"neither {beside} nor {path.absolute()}",
            fix=f"correct it there, or {key}=FILE",
        )
    return given


def _node(root: yaml.MappingNode, keys: Sequence[str], group: str) -> yaml.Node | None:
    """What a file says at a key; a file of the group of that name begins inside of it."""
    for path in (keys, keys[1:] if keys[0] == group else ()):
        node: yaml.Node | None = root if path else None
        for name in path:
            inner = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((value for key, value in inner if key.value == name), None)
        if node is not None:
            return node
    return None


def _at(values: Mapping[str, Any], keys: Sequence[str]) -> Any:
    for key in keys:
        found: Any = values.get(key) if isinstance(values, Mapping) else None
        values = found
    return values


def _with(values: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = keys
    return {**values, first: _with(values[first], rest, value) if rest else value}
