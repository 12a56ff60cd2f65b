"""Reads a base model's weights and makes sure that they are what they seem to be."""

import copy
import logging
import re
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, PretrainedConfig

from autotune.config.schema import PeftConfig
from autotune.errors import ModelError, listing
from autotune.models.adapters import add_adapters, empty_model, need_bitsandbytes, quantization_arguments
from autotune.models.base import AUTO_CLASS
from autotune.models.repository import only_pickled, quiet, translate_errors
from autotune.models.spec import Head, ModelSpec

logger = logging.getLogger(__name__)

CLASSIFIERS = (Head.sequence, Head.token)
SINGLE_LABEL = "single_label_classification"
UNNAMED = re.compile(r"LABEL_\d+")
ZERO_IF_MISSING = "final_logits_bias"
"""BART's buffer of zeros, which older checkpoints do not store."""


def load_model(
    base: ModelSpec,
    head: Head,
    labels: list[str] | None,
    peft: PeftConfig | None,
    *,
    allow_pickle: bool,
    seed: int,
    problem_type: str = SINGLE_LABEL,
) -> nn.Module:
    """The base model with the task's head, and with adapters where `peft` is given.

    Weights are float32 whatever type they were stored in. New weights depend on `seed` alone; torch's own CPU
    generator is left as it was. A checkpoint's own classifier is kept when it has the same labels, its
    outputs put into the order of `labels`; with other labels its last layer starts anew. The model is in
    evaluation mode.

    Args:
        base: from `open_base`.
        head: what the task puts on top.
        labels: names of the outputs in the order of their ids; None for generation.
        peft: the section `peft`, or None for full fine-tuning.
        allow_pickle: read pytorch_model.bin where there is no safetensors (with torch's weights_only reader).
        seed: of new weights.
        problem_type: of a sequence head, as transformers calls it.

    Raises:
        ModelError: weights that are missing, damaged, not a number, or of another model.
        ConfigError: adapters that cannot be put on this model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, new_modules = _with_head(base, head, labels, peft, problem_type, allow_pickle=allow_pickle)
        return model if peft is None else add_adapters(model, head, peft, new_modules)


def build_meta_model(
    base: ModelSpec,
    head: Head,
    labels: list[str] | None,
    peft: PeftConfig | None,
    problem_type: str = SINGLE_LABEL,
) -> nn.Module:
    """The model that `load_model` would make, without weights: parameters are counted and adapters placed by it.

    Raises:
        ConfigError: adapters that cannot be put on this model, or a package that they need is not installed.
        ModelError: transformers cannot build the model.
    """
    if peft is not None:
        need_bitsandbytes(peft)
    config = copy.deepcopy(base.config)
    if labels is not None:
        set_labels(config, labels, head, problem_type)
    with translate_errors(base.name):
        model = empty_model(config, head)
    if peft is None:
        return model
    new_modules = set() if labels is None else {head_module(model, f"{output_layer(model)[0]}.weight")}
    with torch.device("meta"):
        return add_adapters(model, head, peft, new_modules)


def checkpoint_labels(base: ModelSpec) -> list[str] | None:
    """Labels of a checkpoint that is a classifier already, in the order of its outputs; None when it is none
    or its labels have no names (LABEL_0)."""
    classifier = ("ForSequenceClassification", "ForTokenClassification")
    if not any(name.endswith(classifier) for name in base.config.architectures or ()):
        return None
    names = [base.config.id2label[index] for index in sorted(base.config.id2label)]
    return None if any(UNNAMED.fullmatch(name) for name in names) else names


def _with_head(
    base: ModelSpec,
    head: Head,
    labels: list[str] | None,
    peft: PeftConfig | None,
    problem_type: str,
    *,
    allow_pickle: bool,
) -> tuple[nn.Module, set[str]]:
    """The plain model, and the names of its modules that adapters would not do for: new ones and the head."""
    config = copy.deepcopy(base.config)
    own_labels = checkpoint_labels(base)
    if labels is not None:
        kept = own_labels is not None and sorted(own_labels) == sorted(labels)
        set_labels(config, own_labels if kept and own_labels is not None else labels, head, problem_type)
    arguments = quantization_arguments(peft, config, head)
    model, report = read_weights(base, head, config, allow_pickle=allow_pickle, **arguments)
    absent = report["missing_keys"] | {key for key, *_ in report["mismatched_keys"]}
    check_missing_keys(model, absent, head, base.name)
    check_finite(model, base.name)
    new = {head_module(model, key) for key in absent if not key.endswith(ZERO_IF_MISSING)}
    new_modules = set(new)
    if labels is None:
        model.generation_config = token_ids(model.generation_config, base)
        if hasattr(model.config, "forced_eos_token_id"):
            model.config.forced_eos_token_id = None
    else:
        name, layer = output_layer(model)
        new_modules.add(head_module(model, f"{name}.weight"))
        if f"{name}.weight" not in absent:
            _reuse_or_reset_classifier(layer, own_labels, labels)
        set_labels(model.config, labels, head, problem_type)
    if new:
        logger.info("new weights, to be learned: %s", listing(sorted(new)))
    return model, new_modules


def _reuse_or_reset_classifier(layer: nn.Linear, own_labels: list[str] | None, labels: list[str]) -> None:
    """Puts the outputs of a checkpoint's own classifier into our order, or starts them anew."""
    if own_labels is None or sorted(own_labels) != sorted(labels):
        layer.reset_parameters()
        logger.info(
            "the model's own classifier starts anew: its labels are %s", listing(own_labels or ["unnamed"])
        )
        return
    order = [own_labels.index(label) for label in labels]
    with torch.no_grad():
        layer.weight.copy_(layer.weight[order].clone())
        if layer.bias is not None:
            layer.bias.copy_(layer.bias[order].clone())
    logger.info("the model's own classifier is kept: it has the same labels")


def read_weights(
    base: ModelSpec, head: Head, config: PretrainedConfig, *, allow_pickle: bool, **arguments: Any
) -> tuple[Any, dict[str, Any]]:
    """The model in float32 and transformers' report on what was loaded.

    Raises:
        ModelError: no readable weights.
    """
    arguments = {"dtype": torch.float32, **arguments}
    try:
        with translate_errors(base.path if base.revision is None else base.name, "config.json"), quiet():
            model, report = AUTO_CLASS[head].from_pretrained(
                base.path,
                revision=base.revision,
                config=config,
                trust_remote_code=False,
                use_safetensors=None if allow_pickle else True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **arguments,
            )
    except ModelError as error:
        if allow_pickle or error.found is None or "safetensors" not in error.found:
            raise
        raise only_pickled(base.name) from error
    return model, report


def token_ids(stated: GenerationConfig, base: ModelSpec) -> GenerationConfig:
    """The checkpoint's generation config without its search settings (sampling of chat models, the lengths of
    summaries of CNN news, tokens that are suppressed), which are the task's business.

    No token is forced, or the search would write what the model has not said: an end at the greatest length (BART), or
    a first token (mBART) with which the references do not begin. One with which all of them begin stays.
    """
    kept = {name: value for name, value in stated.to_dict().items() if name.endswith("_token_id")}
    kept["forced_eos_token_id"] = None
    first = kept.get("forced_bos_token_id")
    begins = base.tokenizer("a")["input_ids"][:1] == [first] and first != base.tokenizer.eos_token_id
    return GenerationConfig(
        **{
            **kept,
            "forced_bos_token_id": first if begins else None,
            "pad_token_id": base.tokenizer.pad_token_id,
        }
    )


def set_labels(config: PretrainedConfig, labels: list[str], head: Head, problem_type: str) -> None:
    """Writes the names of the outputs and what they mean, as `transformers.pipeline` reads them."""
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    if head is Head.sequence:
        config.problem_type = problem_type


def head_module(model: Any, key: str) -> str:
    """The part of the head that a tensor belongs to: a direct child of the model, or a pooler in its base."""
    parts = key.split(".")
    if parts[0] != model.base_model_prefix:
        return parts[0]
    return ".".join(parts[: parts.index("pooler") + 1]) if "pooler" in parts else key.rpartition(".")[0]


def check_missing_keys(model: Any, absent: set[str], head: Head, name: str) -> None:
    """Raises ModelError where more than the head was missing: transformers fills the rest with random numbers
    and goes on, for instance when all names in a checkpoint are off by a prefix."""
    inside = f"{model.base_model_prefix}."

    def expected(key: str) -> bool:
        if head not in CLASSIFIERS:
            return key.endswith(ZERO_IF_MISSING)
        return not key.startswith(inside) or "pooler" in key.split(".")

    strays = sorted(key for key in absent if not expected(key))
    if strays:
        raise ModelError(
            f"{len(strays)} of {len(model.state_dict())} tensors were not found in the checkpoint "
            "and would be random",
            where=f"model.name_or_path={name}",
            found=f"without: {listing(strays, 4)}",
            fix=f"choose a checkpoint of a {type(model).__name__.split('For')[0]} model"
            + ("" if head in CLASSIFIERS else " with its language modelling head"),
        )


def check_finite(model: nn.Module, name: str) -> None:
    """Raises ModelError where a weight is NaN or infinite."""
    bad = [
        key
        for key, tensor in model.named_parameters()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if bad:
        raise ModelError(
            f"{len(bad)} tensors of the model hold NaN or infinite numbers",
            where=f"model.name_or_path={name}",
            found=listing(bad, 4),
            fix="download the model again, or choose another revision: model.revision=COMMIT",
        )


def output_layer(model: Any) -> tuple[str, Any]:
    """Name and module of the linear layer that makes the class scores: the last outside the base."""
    outside = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(f"{model.base_model_prefix}.")
    ]
    return outside[-1]
