"""The folder of a fine-tuned model: what `transformers.pipeline` reads, and autotune.json beside it."""

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import AutoTokenizer

from autotune.config.enums import Quantization
from autotune.config.schema import PeftConfig
from autotune.config.secrets import redact
from autotune.errors import ModelError, listing
from autotune.models.adapters import has_adapters, quantization_arguments
from autotune.models.base import AUTO_CLASS, family_of, position_rows
from autotune.models.files import ADAPTER, CHECKED_FILES, COPY_AGAIN, AdapterFile
from autotune.models.opening import check_forward, open_config, refuse_small_vocabulary
from autotune.models.record import RECORD, SavedModelRecord
from autotune.models.repository import license_of, locate, quiet, read_json, translate_errors
from autotune.models.spec import Head, ModelSpec
from autotune.models.special_tokens import read_as_text
from autotune.models.weights import read_weights
from autotune.runtime.files import follow_umask, replace_folder, rust_disk_errors

if TYPE_CHECKING:
    import peft


def save_model(
    model: nn.Module,
    base: ModelSpec,
    folder: Path,
    extra: dict[str, Any],
    *,
    generation: Mapping[str, Any] | None = None,
) -> None:
    """Writes weights (safetensors), config, tokenizer, generation config and autotune.json.

    A plain model's folder works in `transformers.pipeline`. A model with adapters (`peft.merge=false`) is
    saved as adapter and config; reading it back needs the base model. Written beside and renamed into place,
    an older folder being replaced.

    Args:
        model: from `finish`.
        base: the base model.
        folder: to write.
        extra: JSON that comes back from `load_saved_model`.
        generation: arguments of `generate` that become the model's defaults.
    """
    with rust_disk_errors(folder):
        _save_model(model, base, folder, extra, generation or {})


def _save_model(
    model: nn.Module, base: ModelSpec, folder: Path, extra: Mapping[str, Any], generation: Mapping[str, Any]
) -> None:
    partial = _empty_beside(folder)
    plain: Any = model.get_base_model() if has_adapters(model) else model
    if generation:
        plain.generation_config.update(**generation)
    quantization = Quantization.none
    if has_adapters(model):
        quantization = _quantization(plain)
        _write_adapter(model, base, partial)
        config = copy.deepcopy(plain.config)
        config.architectures = [type(plain).__name__]
        config.__dict__.pop("quantization_config", None)
        config.save_pretrained(partial)
        if plain.can_generate():
            plain.generation_config.save_pretrained(partial)
    else:
        with quiet():
            plain.save_pretrained(partial)
    base.tokenizer.save_pretrained(partial)
    record = {
        "base_model": {
            "name": base.name,
            "revision": base.revision,
            "license": license_of(base.path, base.revision),
        },
        "head": str(_head(plain)),
        "max_length": base.max_length,
        "quantization": str(quantization),
        **extra,
    }
    (partial / RECORD).write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", "utf-8")
    for file in (RECORD, *CHECKED_FILES):
        if (partial / file).exists():
            text = (partial / file).read_text("utf-8")
            (partial / file).write_text(redact(text), "utf-8")
    follow_umask(*partial.glob("*.safetensors"))
    replace_folder(partial, folder)


def save_adapter(model: nn.Module, base: ModelSpec, folder: Path) -> None:
    """Writes adapter_config.json (with the base's path and revision) and adapter_model.safetensors, the
    modules learned whole included; no model card. An older folder is replaced.

    Raises:
        TypeError: the model has no adapters.
        DiskError: the system refused.
    """
    if not has_adapters(model):
        raise TypeError(f"a {type(model).__name__} has no adapters")
    with rust_disk_errors(folder):
        partial = _empty_beside(folder)
        _write_adapter(model, base, partial)
        replace_folder(partial, folder)


def _write_adapter(model: "peft.PeftModel", base: ModelSpec, folder: Path) -> None:
    for adapter in model.peft_config.values():
        adapter.base_model_name_or_path, adapter.revision = base.path, base.revision
    # peft would otherwise ask the Hub whether the vocabulary was resized; it never is.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    follow_umask(*folder.glob("*.safetensors"))
    (folder / "README.md").unlink(missing_ok=True)
    # peft holds names of modules in sets, whose order differs from process to process.
    stated = json.loads((folder / ADAPTER).read_text("utf-8"))
    ordered = {key: sorted(set(value)) if _are_names(value) else value for key, value in stated.items()}
    (folder / ADAPTER).write_text(json.dumps(ordered, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _empty_beside(folder: Path) -> Path:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def load_saved_model(
    folder: str | Path, *, revision: str | None = None
) -> tuple[ModelSpec, nn.Module, dict[str, Any]]:
    """Reads a folder (or Hub repository) of `save_model` back.

    Returns:
        The base as it was in training (its `path` is the artefact), the model in float32 and evaluation mode,
        and the content of autotune.json.

    Raises:
        ModelError: it is not an artefact of autotune, or parts of it are missing or damaged.
    """
    name = str(folder)
    with translate_errors(name):
        path, revision = locate(name, revision)
        record = read_json(path, RECORD, revision, SavedModelRecord)
        if record is None:
            raise ModelError(
                "this is not a model that autotune saved: it has no autotune.json",
                where=name,
                fix="give the folder `model` of a run",
            )
        adapter = read_json(path, ADAPTER, revision, AdapterFile)
    config = open_config(path, path, revision)
    with translate_errors(path, "tokenizer.json"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=False)
        read_as_text(tokenizer)
    refuse_small_vocabulary(config, tokenizer, path)
    head, rows = Head(record["head"]), position_rows(config)
    if rows is not None and record["max_length"] > rows:
        raise ModelError(
            f"{RECORD} is damaged",
            where=name,
            found=f"max_length: {record['max_length']} of {rows} positions",
            fix=COPY_AGAIN,
        )
    base = ModelSpec(
        name=record["base_model"]["name"],
        path=path,
        revision=revision,
        config=config,
        tokenizer=tokenizer,
        family=family_of(config, name),
        max_length=record["max_length"],
    )
    if adapter is not None:
        adapted = _with_adapter(base, head, adapter, record)
        check_forward(adapted, base, head)
        return base, adapted, record
    model, report = read_weights(base, head, copy.deepcopy(config), allow_pickle=False)
    absent = report["missing_keys"] | {key for key, *_ in report["mismatched_keys"]}
    if absent:
        raise ModelError(
            f"{len(absent)} tensors of the saved model are missing",
            where=name,
            found=listing(sorted(absent), 4),
            fix="copy the folder again, or train again",
        )
    check_forward(model, base, head)
    return base, model, record


def _with_adapter(base: ModelSpec, head: Head, adapter: dict[str, Any], record: dict[str, Any]) -> nn.Module:
    """The base model of an adapter with the adapter on it; what the checkpoint lacks is in the adapter."""
    import peft

    origin = adapter["base_model_name_or_path"]
    with translate_errors(base.name):
        path, revision = locate(origin, adapter.get("revision"))
    root = ModelSpec(origin, path, revision, base.config, base.tokenizer, base.family, base.max_length)
    held = PeftConfig(quantization=Quantization(record["quantization"]))
    arguments = quantization_arguments(held, base.config, head)
    model, _ = read_weights(root, head, copy.deepcopy(base.config), allow_pickle=False, **arguments)
    with translate_errors(base.path, "adapter_model.safetensors"), quiet():
        adapted: nn.Module = peft.PeftModel.from_pretrained(model, base.path, revision=base.revision)
    return adapted.eval()


def _head(model: Any) -> Head:
    return next(
        head
        for head, auto_class in AUTO_CLASS.items()
        if type(model.config) in auto_class._model_mapping
        and auto_class._model_mapping[type(model.config)] is type(model)
    )


def _quantization(model: Any) -> Quantization:
    stated = getattr(model.config, "quantization_config", None)
    if stated is None:
        return Quantization.none
    return Quantization.int8 if stated.load_in_8bit else Quantization.nf4
