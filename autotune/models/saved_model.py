"""Saves and loads the folder of a fine-tuned model: what `transformers.pipeline` reads, and autotune.json."""

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

    The folder of a plain model works in `transformers.pipeline`. A model with adapters (`peft.merge=false`) is saved as
    adapter and config; loading it needs the base model. The folder is written under a temporary name and then renamed;
    an existing folder is replaced.

    Args:
        model: result of `merge_adapters`.
        base: the base model.
        folder: folder to write.
        extra: further JSON for autotune.json; `load_saved_model` returns it.
        generation: arguments of `generate` that become the model's defaults.
    """
    with rust_disk_errors(folder):
        _save_model(model, base, folder, extra, generation or {})


def _save_model(
    model: nn.Module, base: ModelSpec, folder: Path, extra: Mapping[str, Any], generation: Mapping[str, Any]
) -> None:
    """Does the work of `save_model`, whose block turns errors of Rust libraries into disk errors."""
    partial = _make_partial(folder)
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
        **_vocabulary(base),
        **extra,
    }
    (partial / RECORD).write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", "utf-8")
    # Paths and names in these files may hold secrets, such as a token in a URL, and the folder may be published.
    for file in (RECORD, *CHECKED_FILES):
        if (partial / file).exists():
            text = (partial / file).read_text("utf-8")
            (partial / file).write_text(redact(text), "utf-8")
    follow_umask(*partial.glob("*.safetensors"))
    replace_folder(partial, folder)


def _vocabulary(base: ModelSpec) -> dict[str, Any]:
    """Returns the sizes of a trimmed vocabulary and of the base model's, for autotune.json."""
    if base.trimming is None:
        return {}
    return {"vocabulary": {"tokens": len(base.trimming.kept), "of": base.trimming.original_rows}}


def save_adapter(model: nn.Module, base: ModelSpec, folder: Path) -> None:
    """Writes adapter_config.json (with the base's path and revision) and adapter_model.safetensors, which includes the
    modules trained in full; no model card. An existing folder is replaced.

    Raises:
        TypeError: the model has no adapters.
        DiskError: the system refused to write.
    """
    if not has_adapters(model):
        raise TypeError(f"a {type(model).__name__} has no adapters")
    with rust_disk_errors(folder):
        partial = _make_partial(folder)
        _write_adapter(model, base, partial)
        replace_folder(partial, folder)


def _write_adapter(model: "peft.PeftModel", base: ModelSpec, folder: Path) -> None:
    """Writes config and weights of the adapter into an existing folder."""
    for adapter in model.peft_config.values():
        # A base that came from the Hub is named by its id, also if its files were read from a bundle.
        adapter.base_model_name_or_path = base.path if base.revision is None else base.name
        adapter.revision = base.revision
    # By default peft would ask the Hub whether the vocabulary was resized; it never is.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    follow_umask(*folder.glob("*.safetensors"))
    (folder / "README.md").unlink(missing_ok=True)
    # peft keeps module names in sets, whose order differs between processes: without sorting, equal runs differ.
    content = json.loads((folder / ADAPTER).read_text("utf-8"))
    ordered = {key: sorted(set(value)) if _is_name_list(value) else value for key, value in content.items()}
    (folder / ADAPTER).write_text(json.dumps(ordered, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _is_name_list(value: Any) -> bool:
    """Returns whether a JSON value is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _make_partial(folder: Path) -> Path:
    """Creates an empty folder next to `folder`, on the same file system, so that it can be renamed into place."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def open_saved_model(
    folder: str | Path, *, revision: str | None = None
) -> tuple[ModelSpec, dict[str, Any], dict[str, Any] | None]:
    """Opens a folder (or Hub repository) that `save_model` wrote, without its weights.

    Returns:
        The specification of the base as in training (its `path` is the saved model), the content of autotune.json, and
        that of adapter_config.json where the folder holds an adapter alone.

    Raises:
        ModelError: autotune did not save this model, or parts of it are missing or damaged.
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
    rows = position_rows(config)
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
    return base, record, adapter


def load_saved_model(
    folder: str | Path, *, revision: str | None = None
) -> tuple[ModelSpec, nn.Module, dict[str, Any]]:
    """Loads a folder (or Hub repository) that `save_model` wrote.

    Returns:
        The specification as `open_saved_model` returns it, the model in float32 and evaluation mode, and the content of
        autotune.json.

    Raises:
        ModelError: see `open_saved_model`; or weights are missing or damaged.
    """
    base, record, adapter = open_saved_model(folder, revision=revision)
    name, head = str(folder), Head(record["head"])
    if adapter is not None:
        adapted = _load_with_adapter(base, head, adapter, record)
        check_forward(adapted, base, head)
        return base, adapted, record
    model, report = read_weights(base, head, copy.deepcopy(base.config), allow_pickle=False)
    missing_keys = report["missing_keys"] | {key for key, *_ in report["mismatched_keys"]}
    if missing_keys:
        raise ModelError(
            f"{len(missing_keys)} tensors of the saved model are missing",
            where=name,
            found=listing(sorted(missing_keys), 4),
            fix="copy the folder again, or train again",
        )
    check_forward(model, base, head)
    return base, model, record


def _load_with_adapter(
    base: ModelSpec, head: Head, adapter: dict[str, Any], record: dict[str, Any]
) -> nn.Module:
    """Loads the base model of an adapter, and the adapter on it."""
    import peft

    origin = adapter["base_model_name_or_path"]
    with translate_errors(base.name):
        path, revision = locate(origin, adapter.get("revision"))
    root = ModelSpec(origin, path, revision, base.config, base.tokenizer, base.family, base.max_length)
    peft_config = PeftConfig(quantization=Quantization(record["quantization"]))
    arguments = quantization_arguments(peft_config, base.config, head)
    # Missing keys are no error here: the adapter holds the modules that the base checkpoint lacks.
    model, _ = read_weights(root, head, copy.deepcopy(base.config), allow_pickle=False, **arguments)
    with translate_errors(base.path, "adapter_model.safetensors"), quiet():
        adapted: nn.Module = peft.PeftModel.from_pretrained(model, base.path, revision=base.revision)
    return adapted.eval()


def _head(model: Any) -> Head:
    """Returns the head of a model by its class."""
    return next(
        head
        for head, auto_class in AUTO_CLASS.items()
        if type(model.config) in auto_class._model_mapping
        and auto_class._model_mapping[type(model.config)] is type(model)
    )


def _quantization(model: Any) -> Quantization:
    """Returns how the weights of a model are quantized."""
    config = getattr(model.config, "quantization_config", None)
    if config is None:
        return Quantization.none
    return Quantization.int8 if config.load_in_8bit else Quantization.nf4
