"""The base model and its adapters: one model, named by what it is, with settings that it has."""

import re
from collections.abc import Iterator
from pathlib import Path

from autotune import registry
from autotune.config.enums import Architecture, Precision
from autotune.config.rules.addresses import URL, hub_address
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override, format_text_override

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ggml")
OURS = {
    "trust_remote_code": "code from model repositories is never run",
    "use_fast": "words and tokens can only be aligned by fast tokenizers",
    "revision": "it is said by model.revision",
    "config": "it comes with the model",
    "token": "it comes from HF_TOKEN or hf auth login",
}
"""Arguments of a tokenizer that are not the user's, and why."""
SHORT, LONG = 256, 512
LONGEST = dict.fromkeys(Architecture, SHORT) | dict.fromkeys(
    (Architecture.t5, Architecture.bart, Architecture.gpt2, Architecture.llama), LONG
)
"""Longest input of tiny models; autotune.models.tiny_tokenizers builds them so."""
T5_NAME = re.compile(r"(pt|m|um|by|long|code|flan)?t5(v?\d.*)?")
"""A part of the name of a model of the T5 kind: ptt5, mt5, flan-t5, t5-small, t5v1."""


def architecture(config: RunConfig) -> Architecture | None:
    """Of the tiny model; None where another base model is named."""
    tiny = config.model.tiny
    return Architecture(registry.task(config.task.name).tiny) if tiny is Architecture.auto else tiny


def longest(config: RunConfig) -> int | None:
    """Longest input of the model as far as the configuration says it."""
    stated, tiny = config.model.max_length, architecture(config)
    if tiny is None or (tiny is Architecture.t5 and stated is not None):
        return stated
    return min(stated or LONGEST[tiny], LONGEST[tiny])


def one_base_model(config: RunConfig) -> Iterator[AutotuneError]:
    """There is one base model."""
    path, tiny = config.model.name_or_path, config.model.tiny
    if not path and tiny is None:
        yield ConfigError(
            "no base model is named",
            where="model.name_or_path",
            fix="model.name_or_path=ID_OR_FOLDER, model=bertimbau_base, or model=tiny",
        )
    if path and tiny is not None:
        yield ConfigError(
            "two base models are named: a tiny one and another",
            where="model",
            found=f"model.tiny={tiny} and model.name_or_path={path}",
            fix=f"model=custom {format_text_override('model.name_or_path', path)}, or model=tiny alone",
        )


def named(config: RunConfig) -> Iterator[AutotuneError]:
    """A model is named by an id or a folder, and its revision once."""
    given = config.model.name_or_path or ""
    if given.startswith("hub:") and "@" in given and config.model.revision is not None:
        yield ConfigError(
            "the revision is said twice",
            where="model.revision",
            found=f"model.name_or_path={given} model.revision={config.model.revision}",
            fix="model.revision=null",
        )
    page, file = hub_address(given), Path(given)
    if page is not None:
        yield ConfigError(
            "this is the address of a page; a model of the Hub is named by its id",
            where="model.name_or_path",
            found=given,
            fix=format_override("model.name_or_path", page.id),
        )
    elif URL.match(given):
        yield ConfigError(
            "models are not read from web addresses",
            where="model.name_or_path",
            found=given,
            fix="download it with its config.json and tokenizer, then model.name_or_path=FOLDER",
        )
    elif file.suffix.lower() in (".gguf", ".ggml"):
        yield ConfigError(
            f"a {file.suffix} file is quantized for reading alone and cannot be trained",
            where="model.name_or_path",
            found=given,
            fix="model.name_or_path=ID_OF_THE_MODEL_THAT_IT_WAS_MADE_FROM",
        )
    elif file.suffix.lower() in WEIGHTS:
        yield ConfigError(
            "a model is a folder with config.json, tokenizer and weights, not the weights alone",
            where="model.name_or_path",
            found=given,
            fix=format_override("model.name_or_path", str(file.parent)),
        )


def tiny_model_keys(config: RunConfig) -> Iterator[AutotuneError]:
    """A tiny model is built here: nothing of it is on the Hub."""
    model = config.model
    if model.tiny is None or model.name_or_path:
        return
    if model.revision is not None:
        yield ConfigError(
            "a tiny model is built here and has no revision",
            where="model.revision",
            found=model.revision,
            fix="model.revision=null",
        )
    if model.allow_pickle:
        yield ConfigError(
            "a tiny model is built here; no weights are read",
            where="model.allow_pickle",
            found="true",
            fix="model.allow_pickle=false",
        )


def lengths(config: RunConfig) -> Iterator[AutotuneError]:
    """Inputs are no longer than the model takes."""
    stated, limit = config.model.max_length, longest(config)
    if stated is not None and limit is not None and stated > limit:
        yield ConfigError(
            f"a tiny {architecture(config)} model takes at most {limit} tokens",
            where="model.max_length",
            found=str(stated),
            fix=f"model.max_length={limit}",
        )
    wanted = config.task.max_length
    if wanted is not None and limit is not None and wanted > limit:
        what = f"tiny {architecture(config)} model" if architecture(config) else "model"
        endless = architecture(config) is Architecture.t5
        yield ConfigError(
            f"inputs would be longer than the {limit} tokens that the {what} takes",
            where="task.max_length",
            found=str(wanted),
            fix=f"model.max_length={wanted}" if endless else f"task.max_length={limit}",
        )


def tokenizer(config: RunConfig) -> Iterator[AutotuneError]:
    """The tokenizer gets no arguments that are ours to give."""
    given = config.model.tokenizer_kwargs
    refused = [key for key in given if key in OURS]
    if refused:
        yield ConfigError(
            "; ".join(f"{key} may not be given: {OURS[key]}" for key in refused),
            where="model.tokenizer_kwargs",
            found=", ".join(f"{key}: {given[key]}" for key in refused if key != "token"),
            fix=format_override(
                "model.tokenizer_kwargs", {key: value for key, value in given.items() if key not in OURS}
            ),
        )


def targets(config: RunConfig) -> Iterator[AutotuneError]:
    """Adapters are put on layers with names, each once, or on those that are found."""
    if config.peft is None:
        return
    given = config.peft.target_modules
    names = list(dict.fromkeys(name for name in given if name.strip() and name != "auto"))
    everything = [name for name in names if name.lower().replace("_", "-") in ("all", "all-linear")]
    faults = [
        "no layer would get an adapter" if not given else None,
        "a layer has no name" if any(not name.strip() for name in given) else None,
        "auto chooses all layers, so it stands alone" if "auto" in given and names else None,
        "a layer is named twice" if len(set(given)) < len(given) else None,
        f"every linear layer is auto, not {everything[0]}" if everything else None,
    ]
    if any(faults):
        yield ConfigError(
            "; ".join(fault for fault in faults if fault),
            where="peft.target_modules",
            found=str(given),
            fix=format_override("peft.target_modules", names if names and not everything else ["auto"]),
        )


def arithmetic(config: RunConfig) -> Iterator[AutotuneError]:
    """A T5 is not trained in fp16, which its activations overflow."""
    if config.trainer.precision is Precision.fp16 and architecture(config) is Architecture.t5:
        yield ConfigError(
            "models of the kind t5 overflow in fp16, so the loss becomes NaN",
            where="trainer.precision",
            found=f"fp16 with model.tiny={config.model.tiny}",
            fix="trainer.precision=auto",
        )


def is_t5(name: str) -> bool:
    """Whether the name of a model says that it is of the T5 kind."""
    return any(T5_NAME.fullmatch(part) for part in re.split(r"[^a-z0-9]+", name.lower()))
