"""LoRA and its relatives: what gets an adapter, what is learned beside it, and how it is folded in.

peft leaves newly initialised modules whose names it does not know (the pooler of DeBERTa-v2, ALBERT and of
BERT without one, T5's classification head) frozen and out of the saved adapter, so that a reloaded model
predicts something else. Here they come from the report of what was missing in the checkpoint.
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
from autotune.models.repository import quiet, translate_errors
from autotune.models.spec import HEADS, Head, ModelSpec

if TYPE_CHECKING:
    import peft

KEYS_AND_VALUES = (
    "key", "value", "k", "v", "k_proj", "v_proj", "key_proj", "value_proj", "k_lin", "v_lin",
    "in_proj", "c_attn", "query_key_value", "qkv_proj", "Wqkv",
)  # fmt: skip
"""Ends of the names of the layers that make keys and values, alone or fused with queries."""
FEED_FORWARD = (
    "output.dense", "wo", "fc2", "down_proj", "mlp.c_proj", "mlp.Wo", "dense_4h_to_h", "lin2", "ffn_output",
    "w2",
)  # fmt: skip
"""Ends of the names of the layers whose input is a feed-forward's activation. IA3 (Liu et al. 2022, section
3.3) scales keys, values and these; BERT kinds name the output of attention `output.dense` too, as in peft."""


def has_adapters(model: nn.Module) -> "TypeGuard[peft.PeftModel]":
    """Whether peft has put adapters on the model; where peft was never imported it has not.

    Most models have none, and importing peft takes longer than reading a small one: so it is imported where adapters
    are made or read.
    """
    return "peft" in sys.modules and isinstance(model, sys.modules["peft"].PeftModel)


def add_adapters(model: Any, head: Head, config: PeftConfig, new_modules: Iterable[str]) -> nn.Module:
    """Puts adapters on a model; only they and `fresh` remain trainable.

    Args:
        model: plain model in float32 or quantized.
        head: chooses peft's task type.
        config: the section `peft`.
        fresh: modules to be learned whole and saved with the adapter.

    Raises:
        ConfigError: names in `peft.target_modules` that no linear layer has.
    """
    import peft

    modules_to_save = sorted(new_modules)
    linear = linear_layers(model)
    inside = [
        name for name in linear if any(name == one or name.startswith(f"{one}.") for one in modules_to_save)
    ]
    output = model.get_output_embeddings()
    open_to_adapters = {
        name for name in linear if name not in inside and model.get_submodule(name) is not output
    }
    common: dict[str, Any] = {
        "task_type": peft.TaskType[HEADS[head].peft_task_type],
        "exclude_modules": sorted(inside) or None,
        "modules_to_save": modules_to_save or None,
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
    }
    if config.method is PeftMethod.ia3:
        targets, feed_forward = _ia3_targets(config, open_to_adapters)
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
            target_modules=_chosen(config, open_to_adapters) or sorted(open_to_adapters),
            **common,
        )
    with quiet():
        return peft.get_peft_model(model, adapter)


def cast_frozen_to_bf16(model: nn.Module) -> None:
    """Holds the float32 matrices that adapters leave as they are in bfloat16, half the memory; what is learned and
    vectors stay float32. A model without adapters has none."""
    if not has_adapters(model):
        return
    learned = (cast(Any, model.base_model).prefix, ".modules_to_save.")
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim >= 2 and parameter.dtype is torch.float32
        if matrix and not any(part in name for part in learned):
            parameter.data = parameter.data.to(torch.bfloat16)


def linear_layers(model: nn.Module) -> list[str]:
    """Names of all linear layers, GPT-2's Conv1D and quantized ones included."""
    return [name for name, module in model.named_modules() if isinstance(module, (nn.Linear, Conv1D))]


def _chosen(config: PeftConfig, layers: Iterable[str]) -> list[str] | None:
    """The user's own target modules, or None for `auto`."""
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
    """Ends of the names of the layers that IA3 scales, and those among them whose input it scales."""
    layers = list(layers)
    present = [
        end for end in (*KEYS_AND_VALUES, *FEED_FORWARD) if any(layer.endswith(f".{end}") for layer in layers)
    ]
    targets = _chosen(config, layers) or present
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
    """The model of a config with a head on it, without weights: all tensors are on the meta device."""
    with torch.device("meta"), quiet():
        return AUTO_CLASS[head].from_config(config)


def need_bitsandbytes(config: PeftConfig) -> None:
    """Raises ConfigError where the base is to be held in few bits and the package for it is not installed."""
    if config.quantization is not Quantization.none and importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            "holding the base model in 8 or 4 bits needs bitsandbytes",
            where=f"peft.quantization={config.quantization}",
            fix="pip install 'autotune[quant]', or peft.quantization=none",
        )


def quantization_arguments(
    config: PeftConfig | None, model_config: PretrainedConfig, head: Head
) -> dict[str, Any]:
    """Arguments of `from_pretrained` that hold the base in 8 or 4 bits; the head stays in float32.

    Raises:
        ConfigError: bitsandbytes is not installed.
    """
    if config is None or config.quantization is Quantization.none:
        return {}
    need_bitsandbytes(config)
    model = empty_model(model_config, head)
    output, inside = model.get_output_embeddings(), f"{model.base_model_prefix}."
    kept = [
        name
        for name in linear_layers(model)
        if (
            model.get_submodule(name) is output
            if output is not None
            else not name.startswith(inside) or "pooler" in name.split(".")
        )
    ]
    if config.quantization is Quantization.int8:
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)}
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
        llm_int8_skip_modules=kept,
    )
    return {"quantization_config": nf4}


def merge_adapters(model: nn.Module, base: ModelSpec, config: PeftConfig | None) -> nn.Module:
    """What `model/` will hold: the plain model in float32, adapters folded in; or the model as it is without adapters
    or with `peft.merge=false`. A model with adapters must not be used afterwards: save the adapter first.

    A base in fewer bits (quantized, or halved by `cast_frozen_to_bf16`) is read again in float32 and merged there: folding an
    update into 4 bits would round it away, and the base with the adapter on it must be the merged model.
    """
    if config is None or not config.merge or not has_adapters(model):
        return model
    halved = any(parameter.dtype is torch.bfloat16 for parameter in model.parameters())
    if config.quantization is Quantization.none and not halved:
        return _merged(model)
    import peft

    quantized = model.get_base_model()
    plain_config = type(quantized.config).from_dict(quantized.config.to_dict())
    plain_config.__dict__.pop("quantization_config", None)
    with tempfile.TemporaryDirectory() as folder, translate_errors(base.name), quiet():
        model.save_pretrained(folder, save_embedding_layers=False)
        plain = type(quantized).from_pretrained(
            base.path,
            revision=base.revision,
            config=plain_config,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=None,
            ignore_mismatched_sizes=True,
        )
        return _merged(peft.PeftModel.from_pretrained(plain, folder))


def _merged(model: "peft.PeftModel") -> nn.Module:
    """Folds the adapters in. Modules learned whole are put into place first: peft's own unloading of them
    fails for IA3 where such a module is a container, like the heads of RoBERTa, T5 and BART."""
    from peft.utils import ModulesToSaveWrapper

    plain = model.get_base_model()
    for name, module in list(plain.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            plain.set_submodule(name, module.modules_to_save[model.active_adapter])
    merged: nn.Module = model.merge_and_unload()
    return merged.requires_grad_(True)


def refuse_without_checkpointing(model: Any) -> None:
    """Raises ConfigError where a model cannot compute its activations a second time."""
    plain = model.get_base_model() if has_adapters(model) else model
    if not plain.supports_gradient_checkpointing:
        raise ConfigError(
            "this kind of model cannot compute activations a second time",
            where="trainer.gradient_checkpointing",
            found=type(plain).__name__,
            fix="trainer.gradient_checkpointing=false; trainer.micro_batch_tokens=512 saves memory, too",
        )


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the trainable parameters on the CPU, by name: a cheap snapshot of the best model so far."""
    return {
        name: parameter.detach().to("cpu", copy=True).contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def copy_to_cpu(model: nn.Module) -> nn.Module:
    """A copy of the model on the CPU, which shares nothing with it; its own device needs no room for that."""
    copies: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        copied = tensor.detach().to("cpu", copy=True)
        learned = isinstance(tensor, nn.Parameter)
        copies[id(tensor)] = nn.Parameter(copied, tensor.requires_grad) if learned else copied
    return copy.deepcopy(model, copies)


def load_trainable_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Puts a snapshot of `trainable_state` back into the same model.

    Raises:
        KeyError: the snapshot is of another model.
    """
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if parameters.keys() != state.keys():
        raise KeyError(f"the snapshot is of another model: {sorted(parameters.keys() ^ state.keys())[:4]}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Trainable parameters and all of them; copies that peft keeps of modules learned whole count once."""
    if has_adapters(model):
        trainable, every = model.get_nb_trainable_parameters()
        copies = sum(p.numel() for name, p in model.named_parameters() if ".original_module." in name)
        return int(trainable), int(every) - copies
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, learned in sizes if learned), sum(size for size, _ in sizes)
