"""Reads the weights of a base model and checks them: missing, damaged or non-finite tensors are errors."""

import copy
import logging
import re
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, PretrainedConfig

from autotune.config.schema import PeftConfig
from autotune.errors import ModelError, listing
from autotune.models.adapters import (
    add_adapters,
    empty_model,
    has_adapters,
    quantization_arguments,
    require_bitsandbytes,
)
from autotune.models.base import AUTO_CLASS
from autotune.models.repository import pickled_weights_error, quiet, translate_errors
from autotune.models.spec import Head, ModelSpec
from autotune.models.trimming import trim_model, whole_config

logger = logging.getLogger(__name__)

CLASSIFIERS = (Head.sequence, Head.token)
SINGLE_LABEL, REGRESSION = "single_label_classification", "regression"
UNNAMED = re.compile(r"LABEL_\d+")
ZERO_IF_MISSING = "final_logits_bias"
"""Name of BART's buffer of zeros, which older checkpoints do not store."""


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
    """Loads the base model with the task's head, and with adapters if `peft` is given.

    Weights are float32, whatever their stored type. New weights depend only on `seed`; the state of torch's CPU generator
    does not change. The classifier of a checkpoint is kept if it has the same labels, with its outputs reordered like
    `labels`; with other labels its last layer is initialized again. The model is in evaluation mode.

    Args:
        base: result of `open_base`.
        head: the task's head.
        labels: names of the outputs in the order of their ids; None for generation.
        peft: the section `peft`, or None for full fine-tuning.
        allow_pickle: whether to read pytorch_model.bin if there is no safetensors file (with torch's weights_only reader).
        seed: seed of new weights.
        problem_type: type of a sequence head, in the terms of transformers.

    Raises:
        ModelError: weights are missing, damaged, not finite, or belong to another model.
        ConfigError: the adapters do not fit this model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, new_modules = _load_with_head(
            base, head, labels, peft, problem_type, allow_pickle=allow_pickle
        )
        return model if peft is None else add_adapters(model, head, peft, new_modules)


def build_meta_model(
    base: ModelSpec,
    head: Head,
    labels: list[str] | None,
    peft: PeftConfig | None,
    problem_type: str = SINGLE_LABEL,
) -> nn.Module:
    """Builds the model of `load_model` without weights, to count parameters and to check the adapters.

    Raises:
        ConfigError: the adapters do not fit this model, or a package that they need is not installed.
        ModelError: transformers cannot build the model.
    """
    if peft is not None:
        require_bitsandbytes(peft)
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
    """Returns the labels of a checkpoint that is already a classifier, in the order of its outputs; None if it is not
    one or its labels have no names (LABEL_0)."""
    suffixes = ("ForSequenceClassification", "ForTokenClassification")
    if not any(name.endswith(suffixes) for name in base.config.architectures or ()):
        return None
    names = [base.config.id2label[index] for index in sorted(base.config.id2label)]
    return None if any(UNNAMED.fullmatch(name) for name in names) else names


def _load_with_head(
    base: ModelSpec,
    head: Head,
    labels: list[str] | None,
    peft: PeftConfig | None,
    problem_type: str,
    *,
    allow_pickle: bool,
) -> tuple[nn.Module, set[str]]:
    """Loads the plain model; returns it with the names of the modules to train in full: new ones and the head."""
    config = copy.deepcopy(base.config)
    own_labels = checkpoint_labels(base)
    if labels is not None:
        # The checkpoint's own order while its classifier is read; outputs and names are reordered together below.
        same_labels = own_labels is not None and sorted(own_labels) == sorted(labels)
        set_labels(
            config, own_labels if same_labels and own_labels is not None else labels, head, problem_type
        )
    arguments = quantization_arguments(peft, config, head)
    model, report = read_weights(base, head, config, allow_pickle=allow_pickle, **arguments)
    missing_keys = report["missing_keys"] | {key for key, *_ in report["mismatched_keys"]}
    check_missing_keys(model, missing_keys, head, base.name)
    check_finite(model, base.name)
    initialized = {head_module(model, key) for key in missing_keys if not key.endswith(ZERO_IF_MISSING)}
    new_modules = set(initialized)
    if labels is None:
        model.generation_config = token_ids(model.generation_config, base)
        if hasattr(model.config, "forced_eos_token_id"):
            model.config.forced_eos_token_id = None
    else:
        name, layer = output_layer(model)
        new_modules.add(head_module(model, f"{name}.weight"))
        if f"{name}.weight" not in missing_keys:
            # The outputs of a saved regression are in the unit of other data.
            _reuse_or_reset_classifier(layer, None if problem_type == REGRESSION else own_labels, labels)
        set_labels(model.config, labels, head, problem_type)
    if initialized:
        logger.info("new weights, to be learned: %s", listing(sorted(initialized)))
    return model, new_modules


def _reuse_or_reset_classifier(layer: nn.Linear, own_labels: list[str] | None, labels: list[str]) -> None:
    """Reorders the outputs of a checkpoint's classifier like `labels`; initialises them again if the labels differ."""
    if own_labels is None or sorted(own_labels) != sorted(labels):
        layer.reset_parameters()
        logger.info(
            "the model's own classifier is replaced by a new one: its labels are %s",
            listing(own_labels or ["unnamed"]),
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
    """Reads the model in float32, with the vocabulary of `base`; returns it with transformers' report of what was loaded.

    Raises:
        ModelError: no readable weights.
    """
    arguments = {"dtype": torch.float32, **arguments}
    try:
        with translate_errors(base.path if base.revision is None else base.name, "config.json"), quiet():
            model, report = AUTO_CLASS[head].from_pretrained(
                base.path,
                revision=base.revision,
                config=whole_config(config, base.trimming),
                trust_remote_code=False,
                use_safetensors=None if allow_pickle else True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **arguments,
            )
    except ModelError as error:
        if allow_pickle or error.found is None or "safetensors" not in error.found:
            raise
        raise pickled_weights_error(base.name) from error
    trim_model(model, base.trimming)
    return model, report


def token_ids(config: GenerationConfig, base: ModelSpec) -> GenerationConfig:
    """Returns the token ids of the checkpoint's generation config, without its search settings.

    The task chooses these itself: sampling of chat models, lengths for summaries of CNN news and suppressed tokens are
    dropped. No token is forced, because the search would add tokens that the model did not predict: an end token at the
    maximum length (BART), or a first token (mBART) that the references do not begin with. A forced first token remains if
    all references begin with it.
    """
    ids = {name: value for name, value in config.to_dict().items() if name.endswith("_token_id")}
    ids["forced_eos_token_id"] = None
    first = ids.get("forced_bos_token_id")
    starts_every_text = (
        base.tokenizer("a")["input_ids"][:1] == [first] and first != base.tokenizer.eos_token_id
    )
    return GenerationConfig(
        **{
            **ids,
            "forced_bos_token_id": first if starts_every_text else None,
            "pad_token_id": base.tokenizer.pad_token_id,
        }
    )


def set_labels(config: PretrainedConfig, labels: list[str], head: Head, problem_type: str) -> None:
    """Writes the names and the type of the outputs into the config, where `transformers.pipeline` reads them."""
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    if head is Head.sequence:
        config.problem_type = problem_type


def head_module(model: Any, key: str) -> str:
    """Returns the module of the head that a tensor belongs to: a direct child of the model, or a pooler in its base."""
    parts = key.split(".")
    if parts[0] != model.base_model_prefix:
        return parts[0]
    return ".".join(parts[: parts.index("pooler") + 1]) if "pooler" in parts else key.rpartition(".")[0]


def check_missing_keys(model: Any, missing_keys: set[str], head: Head, name: str) -> None:
    """Raises ModelError if tensors outside the head were missing in the checkpoint.

    transformers fills them with random numbers and continues, for example if every name in a checkpoint has an extra
    prefix.
    """
    base_prefix = f"{model.base_model_prefix}."

    def may_be_missing(key: str) -> bool:
        if head not in CLASSIFIERS:
            return key.endswith(ZERO_IF_MISSING)
        return not key.startswith(base_prefix) or "pooler" in key.split(".")

    unexpected = sorted(key for key in missing_keys if not may_be_missing(key))
    if unexpected:
        raise ModelError(
            f"{len(unexpected)} of {len(model.state_dict())} tensors were not found in the checkpoint "
            "and would be random",
            where=f"model.name_or_path={name}",
            found=f"without: {listing(unexpected, 4)}",
            fix=f"choose a checkpoint of a {type(model).__name__.split('For')[0]} model"
            + ("" if head in CLASSIFIERS else " with its language modelling head"),
        )


def check_finite(model: nn.Module, name: str) -> None:
    """Raises ModelError if a weight is NaN or infinite."""
    nonfinite = [
        key
        for key, tensor in model.named_parameters()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if nonfinite:
        raise ModelError(
            f"{len(nonfinite)} tensors of the model hold NaN or infinite numbers",
            where=f"model.name_or_path={name}",
            found=listing(nonfinite, 4),
            fix="download the model again, or choose another revision: model.revision=COMMIT",
        )


def output_layer(model: Any) -> tuple[str, Any]:
    """Returns name and module of the linear layer that computes the class scores: the last one outside the base."""
    outside = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(f"{model.base_model_prefix}.")
    ]
    return outside[-1]


def last_layer(model: Any) -> Any:
    """Returns the layer that computes the outputs of a head, also of a model with adapters: then the one in `modules_to_save`."""
    return output_layer(model.get_base_model() if has_adapters(model) else model)[1]


def divide_output_layer(model: Any, temperature: float) -> None:
    """Divides weight and bias of the layer that computes the class scores, and so the scores, by a temperature.

    Args:
        model: plain, or with adapters; its last layer is then the one in `modules_to_save`.
        temperature: greater than 0.
    """
    with torch.no_grad():
        for parameter in last_layer(model).parameters():
            parameter.div_(temperature)
