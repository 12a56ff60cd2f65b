"""What leaves this machine: an allow-list, and copies of JSON and YAML from which local paths are taken."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import yaml

from autotune.config.load import to_dict
from autotune.config.schema import RunConfig
from autotune.errors import ModelError, listing
from autotune.models.files import AdapterFile
from autotune.runtime.records import read_record

Content = Path | bytes
"""A file that is sent as it is, or what is sent instead."""

WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
PLAIN = (
    "model.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt",
    "spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "chat_template.jinja",
)  # fmt: skip
"""Names that transformers gives to the other files of a model and its tokenizer."""
RECORD, CARD, TRAINING, METRICS, HANDLER = (
    "autotune.json", "README.md", "training_config.yaml", "metrics.json", "handler.py"
)  # fmt: skip
SECTIONS = ("task", "dataset", "model", "peft", "trainer", "seed", "name")
"""Of the configuration: what shaped the result. Where runs are kept, or pushed to, is nobody's business."""


@dataclass(frozen=True)
class Origins:
    """Commits on the Hub of what the run began with; None for what was local."""

    model: str | None
    dataset: str | None


def files_to_push(model: Path, adapter: Path, *, adapter_only: bool) -> dict[str, Path]:
    """The files of a run that are sent as they are, by their path in the repository.

    Args:
        model: folder of the saved model.
        adapter: folder of the adapter alone; need not exist.
        adapter_only: the adapter takes the place of the weights; else it stands in a folder of its own.

    Raises:
        ModelError: there are no weights to send.
    """
    found = dict(_allowed(model, lambda name: name in PLAIN or name in ADAPTER or WEIGHTS.fullmatch(name)))
    beside = dict(_allowed(adapter, lambda name: name in ADAPTER)) if adapter.is_dir() else {}
    if adapter_only and beside:
        found = {name: path for name, path in found.items() if not _weights(name)} | beside
    elif _shared(beside):
        found |= {f"adapter/{name}": path for name, path in beside.items()}
    if not any(WEIGHTS.fullmatch(name) or name == ADAPTER[1] for name in found):
        raise ModelError("there are no weights to push", where=str(model), found=listing(sorted(found)))
    if ADAPTER[0] in found and not _shared(found):
        raise ModelError(
            "the adapter alone helps nobody: its base model is on this machine only",
            where=str(found[ADAPTER[0]]),
            fix="push the merged model: hub.adapter_only=false, and peft.merge=true in training",
        )
    return found


def is_managed_file(path: str) -> bool:
    """Whether a file of a repository is one of those that a push writes, and so may also remove."""
    name = path.removeprefix("adapter/")
    return name in ADAPTER or (
        name == path and bool(WEIGHTS.fullmatch(name) or name in (*PLAIN, METRICS, HANDLER))
    )


def record(saved: Mapping[str, Any], config: RunConfig, origins: Origins) -> bytes:
    """autotune.json as it is published."""
    base = {**saved["base_model"], "name": public_name(saved["base_model"]["name"], origins.model)}
    return _json({**saved, "base_model": base, "config": public(config, origins)})


def training(config: RunConfig, origins: Origins) -> bytes:
    """The configuration as it is published: YAML."""
    values = {key: value for key, value in public(config, origins).items() if key in SECTIONS}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110).encode()


def public(config: RunConfig, origins: Origins) -> dict[str, Any]:
    """The configuration with the commits that names stood for, and without the paths of this machine."""
    data, base = config.dataset, config.model
    splits = {key: _file_name(value) for key, value in to_dict(config)["dataset"]["splits"].items()}
    here = replace(
        config,
        dataset=replace(
            data, path=public_name(data.path, origins.dataset), revision=origins.dataset or data.revision
        ),
        model=replace(
            base,
            name_or_path=public_name(base.name_or_path, origins.model) if base.name_or_path else None,
            revision=origins.model or base.revision,
        ),
    )
    values = {key: value for key, value in to_dict(here).items() if key in SECTIONS}
    return {**values, "dataset": {**values["dataset"], "splits": splits}}


def public_name(name: str, commit: str | None) -> str:
    """A Hub id or the name of our samples as it is; of a path only its last part."""
    if commit is not None:
        return name.removeprefix("hub:").partition("@")[0]
    return name if name.startswith("sample/") else Path(name).name or name


def handler() -> bytes:
    """The code with which Inference Endpoints serve a model that writes."""
    return package_files("autotune.publishing").joinpath("handler.py").read_bytes()


def _allowed(folder: Path, wanted: Any) -> Iterator[tuple[str, Path]]:
    """Regular files of the folder itself; a link may lead anywhere."""
    for path in sorted(folder.iterdir()):
        if wanted(path.name) and path.is_file() and not path.is_symlink():
            yield path.name, path


def _weights(name: str) -> bool:
    return bool(WEIGHTS.fullmatch(name)) or name == "model.safetensors.index.json"


def _shared(adapter: Mapping[str, Path]) -> bool:
    """Whether others can get the base model that an adapter names: it is a Hub id with its commit."""
    if ADAPTER[0] not in adapter:
        return False
    fix = "bring it back from a copy, or train again"
    stated = read_record(adapter[ADAPTER[0]], AdapterFile, fix=fix, needed=True) or {}
    return bool(stated.get("revision")) and not Path(stated["base_model_name_or_path"]).is_absolute()


def _file_name(split: str | None) -> str | None:
    return split if split is None or "/" not in split else Path(split).name


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
