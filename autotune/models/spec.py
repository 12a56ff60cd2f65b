"""Specification of a base model before its weights are read, and the padding of its inputs. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autotune.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

DEFAULT_MAX_LENGTH = 512
"""Default of `task.max_length`: most base models were trained on texts of that length."""


class Family(StrEnum):
    """Architecture family of a base model."""

    encoder = "encoder"
    encoder_decoder = "encoder-decoder"
    decoder = "decoder"


class Head(StrEnum):
    """Head on top of the base model."""

    sequence = "sequence classification"
    token = "token classification"
    seq2seq = "sequence to sequence"
    causal = "causal language modelling"


class HeadInfo(NamedTuple):
    """Names of a head in other libraries."""

    auto_class: str
    """Class of transformers that loads a model with the head."""
    peft_task_type: str
    """Name in `peft.TaskType`."""
    pipeline_tag: str
    """Pipeline of transformers, and tag on the Hub."""


HEADS: Mapping[Head, HeadInfo] = {
    Head.sequence: HeadInfo("AutoModelForSequenceClassification", "SEQ_CLS", "text-classification"),
    Head.token: HeadInfo("AutoModelForTokenClassification", "TOKEN_CLS", "token-classification"),
    Head.seq2seq: HeadInfo("AutoModelForSeq2SeqLM", "SEQ_2_SEQ_LM", "summarization"),
    Head.causal: HeadInfo("AutoModelForCausalLM", "CAUSAL_LM", "text-generation"),
}
"""The only table of heads: add a new head here."""


@dataclass(frozen=True, eq=False)
class Trimming:
    """The tokens that a trimmed vocabulary keeps."""

    kept: "NDArray[np.int64]"
    """Id of each token in the base model: (tokens,), ascending."""
    original_rows: int
    """Rows of the base model's embedding table."""

    @cached_property
    def new_ids(self) -> dict[int, int]:
        """New id of each id that is kept."""
        return {int(old): new for new, old in enumerate(self.kept)}


@dataclass(frozen=True)
class ModelSpec:
    """Everything about a base model except its weights."""

    name: str
    """Name that the user gave."""
    path: str
    """Hub id or folder to load from."""
    revision: str | None
    """Resolved commit on the Hub; None for a folder."""
    config: "PretrainedConfig"
    tokenizer: "PreTrainedTokenizerBase"
    family: Family
    max_length: int
    """Longest input in tokens, special tokens included."""
    trimming: Trimming | None = None
    """How `config` and `tokenizer` differ from those in `path`, whose weights are read with the whole vocabulary."""


def check_start_and_end_tokens(base: ModelSpec) -> None:
    """Checks that the base model names a token that starts a summary and one that ends it.

    Raises:
        ModelError: one of them is missing.
    """
    has_start = (
        base.family is Family.decoder or getattr(base.config, "decoder_start_token_id", None) is not None
    )
    missing = [
        name
        for name, present in (
            ("token that summaries begin with (decoder_start_token_id)", has_start),
            ("end token (eos_token)", base.tokenizer.eos_token_id is not None),
        )
        if not present
    ]
    if missing:
        raise ModelError(
            f"the model has no {' and no '.join(missing)}, so it cannot be trained to generate text",
            where=f"model.name_or_path={base.name}",
            found=f"{base.config.model_type}, {type(base.tokenizer).__name__}",
            fix="model=ptt5_base; or a copy of the model in a folder whose config.json and tokenizer_config.json name them",
        )


def pad(sequences: Sequence[Sequence[int]], value: int, *, left: bool = False) -> "Tensor":
    """Pads sequences to the longest: int64 (sequences, length)."""
    import torch

    width = max(len(sequence) for sequence in sequences)
    out = np.full((len(sequences), width), value, dtype=np.int64)
    for index, sequence in enumerate(sequences):
        if left:
            out[index, width - len(sequence) :] = sequence
        else:
            out[index, : len(sequence)] = sequence
    return torch.from_numpy(out)


def padded_inputs(
    sequences: Sequence[Sequence[int]], pad_id: int, *, left: bool = False
) -> "dict[str, Tensor]":
    """Returns `input_ids` and `attention_mask` of sequences, padded to the longest: int64 (sequences, length)."""
    return {
        "input_ids": pad(sequences, pad_id, left=left),
        "attention_mask": pad([[1] * len(sequence) for sequence in sequences], 0, left=left),
    }


def feature_inputs(features: Sequence[Mapping[str, Any]], pad_id: int) -> "dict[str, Tensor]":
    """Returns the padded inputs of features with `input_ids` and, for pairs of texts, perhaps `token_type_ids`."""
    inputs = padded_inputs([feature["input_ids"] for feature in features], pad_id)
    if "token_type_ids" in features[0]:
        inputs["token_type_ids"] = pad([feature["token_type_ids"] for feature in features], 0)
    return inputs
