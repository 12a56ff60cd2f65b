"""Opens a base model: family, head for the task, tokenizer and maximum input length."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers import PretrainedConfig, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
)

from autotune.config.enums import Architecture
from autotune.config.schema import ModelConfig
from autotune.errors import ConfigError, ModelError
from autotune.models.opening import open_config, refuse_small_vocabulary
from autotune.models.repository import locate, read_json, refuse_code, translate_errors
from autotune.models.spec import HEADS, Family, Head, ModelSpec
from autotune.models.tiny import build_tiny
from autotune.models.tokenizer import open_tokenizer

AUTO_CLASS: Mapping[Head, Any] = {
    head: getattr(transformers, info.auto_class) for head, info in HEADS.items()
}
DEFAULT_LIMIT = 512
"""Longest input of a model without a stated limit: T5's relative positions were trained on 512 tokens."""
MAX_PLAUSIBLE_LENGTH = 1_000_000
"""Largest `model_max_length` that is taken as a limit; transformers writes int(1e30) for 'unknown'."""
OFFSET_POSITION_TYPES = (
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text",
    "longformer", "mpnet", "xmod", "ibert", "luke", "esm",
)  # fmt: skip
"""Model types that number positions from pad_token_id + 1, so that a table of 514 rows serves 512 tokens."""


def open_base(
    config: ModelConfig,
    head_of: Mapping[Family, Head],
    task_name: str,
    alternatives: str,
    tiny: str,
    texts: Callable[[], Iterable[str]],
    cache: Path,
    bundled: tuple[str, Path, str | None] | None = None,
) -> ModelSpec:
    """Reads config and tokenizer of the base model; no weights.

    Args:
        config: the section `model`.
        head_of: the task's head for each supported family.
        task_name: name of the task, for messages.
        alternatives: overrides that name models suitable for the task, for messages.
        tiny: architecture of the tiny model when `model.tiny` is auto.
        texts: returns the training texts that a tiny model's tokenizer is trained on; called only for tiny models.
        cache: folder in which tiny models are kept.
        bundled: name, folder and commit of the model in a bundle, which is opened instead of the configured one.

    Returns:
        The specification. Its `max_length` is the hard limit of the model: rows of its position table, else the
        tokenizer's limit, else 512; `model.max_length` replaces the latter two.

    Raises:
        ModelError: the model does not exist, cannot be read or does not fit the task.
        ConfigError: no model or two models are named, or `model.max_length` exceeds the model's positions.
    """
    name, (path, revision) = (
        _open_bundled(*bundled) if bundled else _locate_or_build(config, tiny, texts, cache)
    )
    model_config = open_config(name, path, revision)
    family = family_of(model_config, name)
    head = head_for(model_config, family, head_of, name=name, task_name=task_name, alternatives=alternatives)
    tokenizer = open_tokenizer(
        name, path, revision, model_config, kwargs=config.tokenizer_kwargs, pretokenized=head is Head.token
    )
    set_padding(model_config, tokenizer, family)
    refuse_small_vocabulary(model_config, tokenizer, name)
    max_length = longest_input(model_config, tokenizer, config.max_length)
    tokenizer.model_max_length = max_length
    return ModelSpec(name, path, revision, model_config, tokenizer, family, max_length)


def _open_bundled(name: str, folder: Path, commit: str | None) -> tuple[str, tuple[str, str | None]]:
    """Returns name, path and revision of a model in a bundle; its files are checked like those of any other."""
    with translate_errors(name):
        path, _ = locate(str(folder), None)
    return name, (path, commit)


def _locate_or_build(
    config: ModelConfig, tiny: str, texts: Callable[[], Iterable[str]], cache: Path
) -> tuple[str, tuple[str, str | None]]:
    """Returns the name of the base model, and its path and revision; builds a tiny model if one is configured."""
    if (config.name_or_path is None) == (config.tiny is None):
        raise ConfigError(
            "exactly one base model is required",
            where="model",
            found=f"name_or_path={config.name_or_path}, tiny={config.tiny}",
            fix="model=bertimbau_base, or model.name_or_path=ID_OR_FOLDER, or model=tiny",
        )
    if config.tiny is not None:
        architecture = Architecture(tiny) if config.tiny is Architecture.auto else config.tiny
        name, folder = f"tiny-{architecture}", str(build_tiny(architecture, texts(), cache))
        with translate_errors(name):
            refuse_code(name, folder, None)  # others may be able to write to the cache
        return name, (folder, None)
    assert config.name_or_path is not None, "checked above"
    with translate_errors(config.name_or_path):
        path, revision = locate(config.name_or_path, config.revision)
        if read_json(path, "adapter_config.json", revision) is not None:
            raise ModelError(
                "this is an adapter, not a model that can be fine-tuned",
                where=f"model.name_or_path={config.name_or_path}",
                fix="give the merged model (peft.merge=true writes it)",
            )
    return path if revision is not None else config.name_or_path, (path, revision)


def family_of(config: PretrainedConfig, name: str) -> Family:
    """Returns the family of a model.

    Raises:
        ModelError: it is not a language model that transformers can put a head on.
    """
    config_class = type(config)
    if config.is_encoder_decoder and config_class in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        return Family.encoder_decoder
    if config_class in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False):
        return Family.encoder
    if config_class in MODEL_FOR_CAUSAL_LM_MAPPING:
        return Family.decoder
    if config_class in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return Family.encoder
    raise ModelError(
        f"a {config.model_type} model is not a text encoder, encoder-decoder or decoder",
        where=f"model.name_or_path={name}",
        fix="model=bertimbau_base, for example",
    )


def head_for(
    config: PretrainedConfig,
    family: Family,
    head_of: Mapping[Family, Head],
    *,
    name: str,
    task_name: str,
    alternatives: str,
) -> Head:
    """Returns the task's head for this model.

    Raises:
        ModelError: the task does not support the family, or transformers has no such head for this type of model.
    """
    head = head_of.get(family)
    if head is not None and type(config) in AUTO_CLASS[head]._model_mapping:
        return head
    problem = (
        f"it works with {' and '.join(head_of)} models"
        if head is None
        else f"transformers has no {head} head for {config.model_type} models"
    )
    raise ModelError(
        f"the model cannot be used for task={task_name}: {problem}",
        where=f"model.name_or_path={name}",
        found=f"{config.model_type}, family {family}",
        fix=alternatives,
    )


def set_padding(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, family: Family) -> None:
    """Copies the tokenizer's padding id into the config if the config has none.

    Decoders always get the tokenizer's id, because they find the last real token of a row by it. In other families an
    existing id is kept, because some models number their positions from it (`OFFSET_POSITION_TYPES`).
    """
    text_config = config.get_text_config()
    unset = text_config.pad_token_id is None or text_config.pad_token_id < 0
    if unset or family is Family.decoder:
        text_config.pad_token_id = config.pad_token_id = tokenizer.pad_token_id


def longest_input(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, override: int | None) -> int:
    """Returns the hard limit of the input in tokens, special tokens included.

    Args:
        config: config of the model.
        tokenizer: tokenizer of the model; its limit counts as well as that of the position table.
        override: `model.max_length`.

    Raises:
        ConfigError: `override` exceeds the model's position table.
    """
    rows = position_rows(config)
    if override is not None:
        if rows is not None and override > rows:
            raise ConfigError(
                "the model has fewer positions", where="model.max_length", found=f"{override}, of {rows}",
                fix=f"model.max_length={rows}",
            )  # fmt: skip
        return override
    tokenizer_limit = (
        tokenizer.model_max_length if tokenizer.model_max_length < MAX_PLAUSIBLE_LENGTH else None
    )
    limits = [limit for limit in (rows, tokenizer_limit) if limit is not None]
    return min(limits, default=DEFAULT_LIMIT)


def position_rows(config: PretrainedConfig) -> int | None:
    """Returns the longest input that the position table allows; None for unlimited relative positions (T5, ALiBi)."""
    text_config = config.get_text_config()
    if hasattr(text_config, "relative_attention_num_buckets"):
        return None
    rows: int | None = getattr(text_config, "max_position_embeddings", None)
    if rows is None or rows <= 0:
        return None
    if text_config.model_type in OFFSET_POSITION_TYPES:
        padding: int = text_config.pad_token_id
        return rows - (padding + 1)
    return rows
