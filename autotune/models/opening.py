"""Checks config, tokenizer and a first batch of a model before other code relies on them."""

from typing import Annotated, Any

import torch
from pydantic import Field
from transformers import AutoConfig, PretrainedConfig, PreTrainedTokenizerBase

from autotune.errors import ModelError
from autotune.models.files import COPY_AGAIN
from autotune.models.repository import quiet, translate_errors
from autotune.models.spec import Family, Head, ModelSpec, padded_inputs
from autotune.runtime.records import Record, fault_of

PROBE_TEXTS = ("a", "a a a a")
"""Texts of two lengths, so that one is padded."""

Size = Annotated[int, Field(gt=0)]


class ConfigFields(Record):
    """Schema of the fields of a model's config that autotune reads."""

    vocab_size: Size | None
    hidden_size: Size | None
    max_position_embeddings: int | None
    pad_token_id: int | None
    is_encoder_decoder: bool
    is_decoder: bool
    architectures: list[str] | None
    id2label: dict[int, str] | None


def open_config(name: str, path: str, revision: str | None) -> PretrainedConfig:
    """Reads and checks the config of a model.

    Args:
        name: the user's name for the model.
        path: Hub id or folder.
        revision: commit on the Hub.

    Raises:
        ModelError: it cannot be read, or a field that autotune reads is invalid.
    """
    with translate_errors(name, "config.json"), quiet():
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
        text_config = config.get_text_config()
        values = {key: getattr(text_config, key, None) for key in ConfigFields.model_fields}
    values |= {key: bool(values[key]) for key in ("is_encoder_decoder", "is_decoder") if values[key] is None}
    fault = fault_of(values, ConfigFields)
    if fault is not None:
        raise ModelError(
            "the model's config.json is damaged", where=f"model.name_or_path={name}",
            found=fault, fix=COPY_AGAIN,
        )  # fmt: skip
    return config


def refuse_small_vocabulary(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Raises ModelError if the tokenizer has no ids, or ids outside the embedding table."""
    with translate_errors(name, "tokenizer.json"):
        ids = tokenizer.get_vocab().values()
    rows, highest = config.get_text_config().vocab_size or 0, max(ids, default=0)
    if highest >= rows or not ids:
        raise ModelError(
            "the tokenizer does not belong to the model: it makes ids that the model has no embedding for",
            where=f"model.name_or_path={name}",
            found=f"highest id {highest}, embedding table of {rows} rows",
            fix="use the tokenizer files that were published with the model",
        )


def check_forward(model: Any, base: ModelSpec, head: Head) -> None:
    """Runs one small batch through a loaded model, so that damaged files are reported here and not as a later crash.

    Raises:
        ModelError: the model cannot process the batch.
    """
    tokenizer = base.tokenizer
    if not isinstance(tokenizer.pad_token_id, int):
        raise ModelError(
            "the tokenizer has no token to pad with",
            where=base.path,
            found="tokenizer_config.json",
            fix=COPY_AGAIN,
        )
    with translate_errors(base.path, "tokenizer.json"):
        ids = tokenizer(list(PROBE_TEXTS), truncation=True, max_length=base.max_length)["input_ids"]
    inputs = padded_inputs(ids, tokenizer.pad_token_id, left=base.family is Family.decoder)
    with translate_errors(base.path, "config.json"), quiet(), torch.inference_mode():
        if head in (Head.seq2seq, Head.causal):
            model.generate(**inputs, max_new_tokens=2)
        else:
            model(**inputs)
