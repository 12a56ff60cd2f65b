"""Rules for the base model and its adapters."""

import re
from collections.abc import Iterator
from pathlib import Path

from autotune import registry
from autotune.config.enums import Architecture, Precision
from autotune.config.rules.addresses import URL, hub_address
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override, format_text_override

WEIGHT_SUFFIXES = (
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".msgpack",
    ".onnx",
    ".gguf",
    ".ggml",
)
REFUSED_ARGUMENTS = {
    "trust_remote_code": "code from model repositories is never run",
    "use_fast": "words and tokens can only be aligned by fast tokenizers",
    "revision": "model.revision is the key for it",
    "config": "it comes with the model",
    "token": "it comes from HF_TOKEN or hf auth login",
}
"""Arguments of a tokenizer that users cannot set, and why."""
SHORT, LONG = 256, 512
LONGEST = dict.fromkeys(Architecture, SHORT) | dict.fromkeys(
    (Architecture.t5, Architecture.bart, Architecture.gpt2, Architecture.llama), LONG
)
"""Longest input of tiny models, as built by autotune.models.tiny_tokenizers."""
T5_NAME = re.compile(r"(pt|m|um|by|long|code|flan)?t5(v?\d.*)?")
"""Part of the name of a model of the T5 family: ptt5, mt5, flan-t5, t5-small, t5v1."""


def tiny_architecture(config: RunConfig) -> Architecture | None:
    """Returns the architecture of the tiny model, or None if the base model is another one."""
    tiny = config.model.tiny
    return Architecture(registry.task(config.task.name).examples.tiny) if tiny is Architecture.auto else tiny


def max_input_length(config: RunConfig) -> int | None:
    """Returns the longest input of the model in tokens, or None if the configuration does not determine it."""
    stated, tiny = config.model.max_length, tiny_architecture(config)
    if tiny is None or (tiny is Architecture.t5 and stated is not None):
        return stated
    return min(stated or LONGEST[tiny], LONGEST[tiny])


def one_base_model(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that there is exactly one base model."""
    path, tiny, baseline = config.model.name_or_path, config.model.tiny, config.model.baseline
    if not path and tiny is None and baseline is None:
        yield ConfigError(
            "no base model is named",
            where="model.name_or_path",
            fix="model.name_or_path=ID_OR_FOLDER, model=bertimbau_base, or model=tiny",
        )
    if baseline is not None and (path or tiny is not None):
        other = f"model.name_or_path={path}" if path else f"model.tiny={tiny}"
        yield ConfigError(
            "two models are named: one without a neural network and a base model",
            where="model",
            found=f"model.baseline={baseline} and {other}",
            fix=f"{format_override('model', baseline)}, or model.baseline=null",
        )
    elif path and tiny is not None:
        yield ConfigError(
            "two base models are named: a tiny one and another",
            where="model",
            found=f"model.tiny={tiny} and model.name_or_path={path}",
            fix=f"model=custom {format_text_override('model.name_or_path', path)}, or model=tiny alone",
        )


def base_model_name(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the model is named by an id or a folder, and its revision only once."""
    name_or_path = config.model.name_or_path or ""
    if name_or_path.startswith("hub:") and "@" in name_or_path and config.model.revision is not None:
        yield ConfigError(
            "the revision is given twice",
            where="model.revision",
            found=f"model.name_or_path={name_or_path} model.revision={config.model.revision}",
            fix="model.revision=null",
        )
    page, file = hub_address(name_or_path), Path(name_or_path)
    if page is not None:
        yield ConfigError(
            "this is the address of a page; a model of the Hub is named by its id",
            where="model.name_or_path",
            found=name_or_path,
            fix=format_override("model.name_or_path", page.id),
        )
    elif URL.match(name_or_path):
        yield ConfigError(
            "models are not read from web addresses",
            where="model.name_or_path",
            found=name_or_path,
            fix="download it with its config.json and tokenizer, then model.name_or_path=FOLDER",
        )
    elif file.suffix.lower() in (".gguf", ".ggml"):
        yield ConfigError(
            f"a {file.suffix} file is quantized for inference and cannot be trained",
            where="model.name_or_path",
            found=name_or_path,
            fix="model.name_or_path=ID_OF_THE_MODEL_THAT_IT_WAS_MADE_FROM",
        )
    elif file.suffix.lower() in WEIGHT_SUFFIXES:
        yield ConfigError(
            "a model is a folder with config.json, tokenizer and weights, not the weights alone",
            where="model.name_or_path",
            found=name_or_path,
            fix=format_override("model.name_or_path", str(file.parent)),
        )


def tiny_model_keys(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that a tiny model has no settings of a model on the Hub: it is built locally."""
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


def trimming(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the vocabulary can be trimmed to the texts of the run."""
    if not config.model.trim_vocabulary:
        return
    problems = (
        (config.model.tiny is not None, "a tiny model has only tokens of its own training texts",
         "model.trim_vocabulary=false"),
        (config.dataset.streaming, "a vocabulary is trimmed to all texts, and these are read while training",
         "dataset.streaming=false"),
        (config.peft is not None and not config.peft.merge,
         "the adapter alone would be loaded onto the base model, whose vocabulary is whole", "peft.merge=true"),
    )  # fmt: skip
    for applies, problem, fix in problems:
        if applies:
            yield ConfigError(problem, where="model.trim_vocabulary", found="true", fix=fix)


def lengths(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that inputs are not longer than the model allows."""
    stated, limit = config.model.max_length, max_input_length(config)
    if stated is not None and limit is not None and stated > limit:
        yield ConfigError(
            f"a tiny {tiny_architecture(config)} model takes at most {limit} tokens",
            where="model.max_length",
            found=str(stated),
            fix=f"model.max_length={limit}",
        )
    requested = config.task.max_length
    if requested is not None and limit is not None and requested > limit:
        what = f"tiny {tiny_architecture(config)} model" if tiny_architecture(config) else "model"
        any_length = tiny_architecture(config) is Architecture.t5
        yield ConfigError(
            f"inputs would be longer than the {limit} tokens that the {what} takes",
            where="task.max_length",
            found=str(requested),
            fix=f"model.max_length={requested}" if any_length else f"task.max_length={limit}",
        )


def tokenizer(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the tokenizer gets no argument that users cannot set."""
    arguments = config.model.tokenizer_kwargs
    refused = [key for key in arguments if key in REFUSED_ARGUMENTS]
    if refused:
        yield ConfigError(
            "; ".join(f"{key} may not be given: {REFUSED_ARGUMENTS[key]}" for key in refused),
            where="model.tokenizer_kwargs",
            found=", ".join(f"{key}: {arguments[key]}" for key in refused if key != "token"),
            fix=format_override(
                "model.tokenizer_kwargs",
                {key: value for key, value in arguments.items() if key not in REFUSED_ARGUMENTS},
            ),
        )


def bundled_base(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that a model trained from a bundle needs no base model that exists only in the bundle."""
    if config.bundle is not None and config.peft is not None and not config.peft.merge:
        yield ConfigError(
            "the adapter alone needs its base model, which is only in the bundle",
            where="peft.merge",
            found=f"false, with bundle={config.bundle}",
            fix="peft.merge=true",
        )


def target_modules(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the layers for adapters are either `auto` or distinct names."""
    if config.peft is None:
        return
    modules = config.peft.target_modules
    names = list(dict.fromkeys(name for name in modules if name.strip() and name != "auto"))
    all_aliases = [name for name in names if name.lower().replace("_", "-") in ("all", "all-linear")]
    problems = [
        "no layer would get an adapter" if not modules else None,
        "a layer has no name" if any(not name.strip() for name in modules) else None,
        "auto already means all layers, so it cannot be combined with names"
        if "auto" in modules and names
        else None,
        "a layer is named twice" if len(set(modules)) < len(modules) else None,
        f"every linear layer is auto, not {all_aliases[0]}" if all_aliases else None,
    ]
    if any(problems):
        yield ConfigError(
            "; ".join(problem for problem in problems if problem),
            where="peft.target_modules",
            found=str(modules),
            fix=format_override("peft.target_modules", names if names and not all_aliases else ["auto"]),
        )


def t5_in_fp16(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that a T5 is not trained in fp16, where its activations overflow."""
    if config.trainer.precision is Precision.fp16 and tiny_architecture(config) is Architecture.t5:
        yield ConfigError(
            "models of the kind t5 overflow in fp16, so the loss becomes NaN",
            where="trainer.precision",
            found=f"fp16 with model.tiny={config.model.tiny}",
            fix="trainer.precision=auto",
        )


def is_t5(name: str) -> bool:
    """Whether the name of a model says that it belongs to the T5 family."""
    return any(T5_NAME.fullmatch(part) for part in re.split(r"[^a-z0-9]+", name.lower()))
