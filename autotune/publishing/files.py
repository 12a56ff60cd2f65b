"""Selects what a push publishes: an allow-list of files, and copies of JSON and YAML without local paths."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import yaml

from autotune.config.load import to_dict
from autotune.config.schema import RunConfig
from autotune.errors import ModelError, listing
from autotune.models.cheap_files import FILES as CHEAP_FILES
from autotune.models.files import AdapterFile
from autotune.runtime.records import read_record

Content = Path | bytes
"""A file that is sent unchanged, or generated content."""

WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
MODEL_FILES = (
    "model.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt",
    "spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "chat_template.jinja", *CHEAP_FILES,
)  # fmt: skip
"""Names of the other files that transformers writes for a model and its tokenizer, and of models without a neural network."""
RECORD, CARD, TRAINING, METRICS, HANDLER = (
    "autotune.json", "README.md", "training_config.yaml", "metrics.json", "handler.py"
)  # fmt: skip
SELECTION = "selection.json"
"""Score that chose the run, where a search has chosen it and there is no test split."""
SECTIONS = ("task", "dataset", "model", "peft", "trainer", "seed", "name")
"""Sections of the configuration that influence the result; where runs are stored or pushed to stays private."""


@dataclass(frozen=True)
class Origins:
    """Hub commits of the base model and the data set; None for local ones."""

    model: str | None
    dataset: str | None


def files_to_push(model: Path, adapter: Path, *, adapter_only: bool) -> dict[str, Path]:
    """Returns the files of a run that are sent unchanged, by their path in the repository.

    Args:
        model: folder of the saved model.
        adapter: folder of the adapter without its base model; need not exist.
        adapter_only: whether the adapter replaces the weights; otherwise it goes into the folder `adapter/`.

    Raises:
        ModelError: there are no weights to send, or the base model of an adapter is not on the Hub.
    """
    paths = dict(
        _files(model, lambda name: name in MODEL_FILES or name in ADAPTER or WEIGHTS.fullmatch(name))
    )
    adapter_paths = dict(_files(adapter, lambda name: name in ADAPTER)) if adapter.is_dir() else {}
    if adapter_only and adapter_paths:
        paths = {name: path for name, path in paths.items() if not _is_weights(name)} | adapter_paths
    elif _has_public_base(adapter_paths):
        paths |= {f"adapter/{name}": path for name, path in adapter_paths.items()}
    if not any(WEIGHTS.fullmatch(name) or name in (ADAPTER[1], *CHEAP_FILES) for name in paths):
        raise ModelError("there are no weights to push", where=str(model), found=listing(sorted(paths)))
    if ADAPTER[0] in paths and not _has_public_base(paths):
        raise ModelError(
            "the adapter alone is useless to others: its base model is only on this machine",
            where=str(paths[ADAPTER[0]]),
            fix="push the merged model: hub.adapter_only=false, and peft.merge=true in training",
        )
    return paths


def is_managed_file(path: str) -> bool:
    """Whether a push writes this file of a repository, and may therefore also remove it."""
    name = path.removeprefix("adapter/")
    return name in ADAPTER or (
        name == path and bool(WEIGHTS.fullmatch(name) or name in (*MODEL_FILES, METRICS, HANDLER))
    )


def public_record(saved: Mapping[str, Any], config: RunConfig, origins: Origins) -> bytes:
    """Returns the published version of autotune.json."""
    public = {**saved, "config": public_config(config, origins)}
    if "base_model" in saved:
        name = public_name(saved["base_model"]["name"], origins.model)
        public["base_model"] = {**saved["base_model"], "name": name}
    return _json_bytes(public)


def training_config(config: RunConfig, origins: Origins) -> bytes:
    """Returns the published version of the configuration, as YAML."""
    values = {key: value for key, value in public_config(config, origins).items() if key in SECTIONS}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110).encode()


def public_config(config: RunConfig, origins: Origins) -> dict[str, Any]:
    """Returns the configuration with the Hub commits of model and data, and without local paths."""
    data, base = config.dataset, config.model
    splits = {key: _last_part(value) for key, value in to_dict(config)["dataset"]["splits"].items()}
    resolved = replace(
        config,
        dataset=replace(
            data,
            path=public_name(data.path, origins.dataset),
            revision=origins.dataset or data.revision,
            label_fixes=_last_part(data.label_fixes),
        ),
        model=replace(
            base,
            name_or_path=public_name(base.name_or_path, origins.model) if base.name_or_path else None,
            revision=origins.model or base.revision,
        ),
    )
    values = {key: value for key, value in to_dict(resolved).items() if key in SECTIONS}
    return {**values, "dataset": {**values["dataset"], "splits": splits}}


def public_name(name: str, commit: str | None) -> str:
    """Returns the Hub id or sample name unchanged, and of a local path only the last part."""
    if commit is not None:
        return name.removeprefix("hub:").partition("@")[0]
    return name if name.startswith("sample/") else Path(name).name or name


def handler_code() -> bytes:
    """Returns the code with which Inference Endpoints serve a summarization model."""
    return package_files("autotune.publishing").joinpath("handler.py").read_bytes()


def _files(folder: Path, is_allowed: Callable[[str], Any]) -> Iterator[tuple[str, Path]]:
    """Yields the names and paths of allowed regular files. Skips links, which could publish any file of the machine."""
    for path in sorted(folder.iterdir()):
        if is_allowed(path.name) and path.is_file() and not path.is_symlink():
            yield path.name, path


def _is_weights(name: str) -> bool:
    return bool(WEIGHTS.fullmatch(name)) or name == "model.safetensors.index.json"


def _has_public_base(adapter: Mapping[str, Path]) -> bool:
    """Whether others can download the base model of an adapter: its config names a Hub id with a commit."""
    if ADAPTER[0] not in adapter:
        return False
    fix = "bring it back from a copy, or train again"
    adapter_config = read_record(adapter[ADAPTER[0]], AdapterFile, fix=fix, needed=True) or {}
    base = Path(adapter_config["base_model_name_or_path"])
    return bool(adapter_config.get("revision")) and not base.is_absolute()


def _last_part(name: str | None) -> str | None:
    """Returns the name of a split or file unchanged, and of a path only the last part."""
    return name if name is None or "/" not in name else Path(name).name


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
