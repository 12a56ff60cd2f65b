"""LoRA and its relatives: which layers get adapters, which modules are trained in full, and merging.

peft freezes newly initialized modules whose names it does not know (the pooler of DeBERTa-v2, ALBERT and of BERT
checkpoints without one, T5's classification head) and leaves them out of the saved adapter, so a reloaded model would
predict something else. Here their names come from the report of the weights that were missing in the checkpoint.
"""

import copy
import importlib.util
import sys
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from transformers import BitsAndBytesConfig, PretrainedConfig
from transformers.pytorch_utils import Conv1D

from autotune.config.enums import PeftMethod, Quantization
from autotune.config.schema import PeftConfig
from autotune.errors import ConfigError, listing
from autotune.models.base import AUTO_CLASS
from autotune.models.parts import divided_like, whole
from autotune.models.repository import quiet, translate_errors
from autotune.models.spec import HEADS, Head, ModelSpec
from autotune.models.trimming import trim_model, whole_config

if TYPE_CHECKING:
    import peft

KEYS_AND_VALUES = (
    "key", "value", "k", "v", "k_proj", "v_proj", "key_proj", "value_proj", "k_lin", "v_lin",
    "in_proj", "c_attn", "query_key_value", "qkv_proj", "Wqkv",
)  # fmt: skip
"""Endings of the names of layers that compute keys and values, alone or fused with queries."""
FEED_FORWARD = (
    "output.dense", "wo", "fc2", "down_proj", "mlp.c_proj", "mlp.Wo", "dense_4h_to_h", "lin2", "ffn_output",
    "w2",
)  # fmt: skip
"""Endings of the names of layers whose input is the activation of a feed-forward block. IA3 (Liu et al. 2022, section
3.3) scales keys, values and these. BERT also calls the output of attention `output.dense`; peft includes it, too."""


def has_adapters(model: nn.Module) -> "TypeGuard[peft.PeftModel]":
    """Returns whether the model has peft adapters.

    Importing peft takes longer than reading a small model, so only the functions that create or read adapters import
    it. If it is not imported, the model has none.
    """
    return "peft" in sys.modules and isinstance(model, sys.modules["peft"].PeftModel)


def add_adapters(model: Any, head: Head, config: PeftConfig, new_modules: Iterable[str]) -> nn.Module:
    """Puts adapters on a model; only they and `new_modules` remain trainable.

    Args:
        model: plain model in float32 or quantized.
        head: determines peft's task type.
        config: the section `peft`.
        new_modules: modules that are trained in full and saved with the adapter.

    Raises:
        ConfigError: names in `peft.target_modules` that no linear layer has.
    """
    import peft

    modules_to_save = sorted(new_modules)
    linear = linear_layers(model)
    fully_trained = [
        name
        for name in linear
        if any(name == module or name.startswith(f"{module}.") for module in modules_to_save)
    ]
    output = model.get_output_embeddings()
    candidates = {
        name for name in linear if name not in fully_trained and model.get_submodule(name) is not output
    }
    common: dict[str, Any] = {
        "task_type": peft.TaskType[HEADS[head].peft_task_type],
        "exclude_modules": sorted(fully_trained) or None,
        "modules_to_save": modules_to_save or None,
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
    }
    if config.method is PeftMethod.ia3:
        targets, feed_forward = _ia3_targets(config, candidates)
        adapter: peft.PeftConfig = peft.IA3Config(
            target_modules=targets, feedforward_modules=feed_forward, **common
        )
    else:
        adapter = peft.LoraConfig(
            r=config.r,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            use_dora=config.method is PeftMethod.dora,
            use_rslora=config.method is PeftMethod.rslora,
            target_modules=_configured_targets(config, candidates) or sorted(candidates),
            **common,
        )
    with quiet():
        return peft.get_peft_model(model, adapter)


def cast_frozen_to_bf16(model: nn.Module) -> None:
    """Casts the frozen float32 matrices of a model with adapters to bfloat16, which halves their memory.

    Trainable parameters and vectors stay float32. Does nothing without adapters: no matrix is frozen then.
    """
    if not has_adapters(model):
        return
    trainable = (cast(Any, model.base_model).prefix, ".modules_to_save.")
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim >= 2 and parameter.dtype is torch.float32
        if is_matrix and not any(part in name for part in trainable):
            parameter.data = parameter.data.to(torch.bfloat16)


def linear_layers(model: nn.Module) -> list[str]:
    """Returns the names of all linear layers, including quantized ones and GPT-2's Conv1D."""
    return [name for name, module in model.named_modules() if isinstance(module, (nn.Linear, Conv1D))]


def _configured_targets(config: PeftConfig, layers: Iterable[str]) -> list[str] | None:
    """Returns the configured target modules, or None for `auto`."""
    if config.target_modules == ["auto"]:
        return None
    layers = list(layers)
    unmatched = [
        target
        for target in config.target_modules
        if not any(layer == target or layer.endswith(f".{target}") for layer in layers)
    ]
    if unmatched:
        ends = sorted({layer.rpartition(".")[2] for layer in layers})
        raise ConfigError(
            "no linear layer of the model has this name",
            where="peft.target_modules",
            found=listing(unmatched),
            fix=f"peft.target_modules=[auto], or of these: {listing(ends, 30)}",
        )
    return list(config.target_modules)


def _ia3_targets(config: PeftConfig, layers: Iterable[str]) -> tuple[list[str], list[str]]:
    """Returns the name endings of the layers that IA3 scales, and which of them it scales at the input."""
    layers = list(layers)
    present = [
        end for end in (*KEYS_AND_VALUES, *FEED_FORWARD) if any(layer.endswith(f".{end}") for layer in layers)
    ]
    targets = _configured_targets(config, layers) or present
    feed_forward = [target for target in targets if target.endswith(FEED_FORWARD)]
    if not targets:
        ends = sorted({layer.rpartition(".")[2] for layer in layers})
        raise ConfigError(
            "the key, value and feed-forward layers of this model are not known",
            where="peft.method=ia3",
            found=f"linear layers: {listing(ends, 30)}",
            fix="name them: peft.target_modules=[…], or peft=lora",
        )
    return targets, feed_forward


def empty_model(config: PretrainedConfig, head: Head) -> Any:
    """Builds the model of a config with a head, without weights: all tensors are on the meta device."""
    with torch.device("meta"), quiet():
        return AUTO_CLASS[head].from_config(config)


def require_bitsandbytes(config: PeftConfig) -> None:
    """Raises ConfigError if the base model is to be quantized and bitsandbytes is not installed."""
    if config.quantization is not Quantization.none and importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            "holding the base model in 8 or 4 bits needs bitsandbytes",
            where=f"peft.quantization={config.quantization}",
            fix="pip install 'autotune[quant]', or peft.quantization=none",
        )


def quantization_arguments(
    config: PeftConfig | None, model_config: PretrainedConfig, head: Head
) -> dict[str, Any]:
    """Returns the arguments of `from_pretrained` that load the base in 8 or 4 bits; the head stays in float32.

    Raises:
        ConfigError: bitsandbytes is not installed.
    """
    if config is None or config.quantization is Quantization.none:
        return {}
    require_bitsandbytes(config)
    model = empty_model(model_config, head)
    output, base_prefix = model.get_output_embeddings(), f"{model.base_model_prefix}."
    head_layers = [
        name
        for name in linear_layers(model)
        if (
            model.get_submodule(name) is output
            if output is not None
            else not name.startswith(base_prefix) or "pooler" in name.split(".")
        )
    ]
    if config.quantization is Quantization.int8:
        return {
            "quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=head_layers)
        }
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
        llm_int8_skip_modules=head_layers,
    )
    return {"quantization_config": nf4}


def merge_adapters(model: nn.Module, base: ModelSpec, config: PeftConfig | None) -> nn.Module:
    """Merges the adapters; returns the plain model in float32, which is saved in `model/`.

    Without adapters or with `peft.merge=false` the model is returned unchanged. A model whose adapters were merged must
    not be used afterwards: save the adapter first.

    A base in lower precision (quantized, or cast by `cast_frozen_to_bf16`) is read again in float32 and merged there:
    merging an update into 4 bits would round it away, and the merged model must predict like base plus adapter.
    """
    if config is None or not config.merge or not has_adapters(model):
        return model
    has_bf16 = any(parameter.dtype is torch.bfloat16 for parameter in model.parameters())
    if config.quantization is Quantization.none and not has_bf16:
        return _merge_in_place(model)
    import peft

    low_precision = model.get_base_model()
    plain_config = type(low_precision.config).from_dict(low_precision.config.to_dict())
    plain_config.__dict__.pop("quantization_config", None)
    with tempfile.TemporaryDirectory() as folder, translate_errors(base.name), quiet():
        model.save_pretrained(folder, save_embedding_layers=False)
        plain = type(low_precision).from_pretrained(
            base.path,
            revision=base.revision,
            config=whole_config(plain_config, base.trimming),
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=None,
            ignore_mismatched_sizes=True,
        )
        trim_model(plain, base.trimming)
        return _merge_in_place(peft.PeftModel.from_pretrained(plain, folder))


def _merge_in_place(model: "peft.PeftModel") -> nn.Module:
    """Merges the adapters into the base model and returns it."""
    from peft.utils import ModulesToSaveWrapper

    plain = model.get_base_model()
    # Before merging: with IA3, peft fails to unwrap a module that is a container (the heads of RoBERTa, T5 and BART).
    for name, module in list(plain.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            plain.set_submodule(name, module.modules_to_save[model.active_adapter])
    merged: nn.Module = model.merge_and_unload()
    return merged.requires_grad_(True)


def refuse_without_checkpointing(model: Any) -> None:
    """Raises ConfigError if a model does not support gradient checkpointing."""
    plain = model.get_base_model() if has_adapters(model) else model
    if not plain.supports_gradient_checkpointing:
        raise ConfigError(
            "this kind of model does not support gradient checkpointing",
            where="trainer.gradient_checkpointing",
            found=type(plain).__name__,
            fix="trainer.gradient_checkpointing=false; trainer.micro_batch_tokens=512 saves memory, too",
        )


def trainable_state(model: nn.Module, *, keep: bool = True) -> dict[str, Tensor]:
    """Copies the trainable parameters to the CPU, by name: a cheap snapshot of the best model so far.

    Args:
        model: if it is divided among the ranks, all of them must call this.
        keep: whether this rank gets the copies; otherwise it only gives its part.
    """
    state = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            tensor = whole(parameter.detach())
            if keep:
                state[name] = tensor.to("cpu", copy=True).contiguous()
    return state


def copy_to_cpu(model: nn.Module) -> nn.Module:
    """Returns a copy of the model on the CPU that shares no memory with it and uses none on the model's device."""
    # `deepcopy` takes its second argument as copies made so far, so it never copies a tensor on the device.
    copies: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        copied = tensor.detach().to("cpu", copy=True)
        is_parameter = isinstance(tensor, nn.Parameter)
        copies[id(tensor)] = nn.Parameter(copied, tensor.requires_grad) if is_parameter else copied
    return copy.deepcopy(model, copies)


def load_trainable_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads a snapshot of `trainable_state` into the same model.

    Raises:
        KeyError: the snapshot belongs to another model.
    """
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if parameters.keys() != state.keys():
        raise KeyError(f"the snapshot is of another model: {sorted(parameters.keys() ^ state.keys())[:4]}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(divided_like(state[name], parameter))


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Counts the trainable parameters and all parameters.

    peft keeps a second copy of each module in `modules_to_save`; it does not count.
    """
    if has_adapters(model):
        trainable, total = model.get_nb_trainable_parameters()
        copies = sum(p.numel() for name, p in model.named_parameters() if ".original_module." in name)
        return int(trainable), int(total) - copies
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, is_trainable in sizes if is_trainable), sum(size for size, _ in sizes)
