"""Trims a base model to the tokens that its run needs: tokenizer and config before the weights are read, then the weights.

Tokens keep their order: a new id is a rank among the old ones, which `ModelSpec.trimming` lists. The weights in
`ModelSpec.path` have the whole vocabulary; code that reads them uses `whole_config` before and `trim_model` after.
"""

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from autotune.errors import ModelError
from autotune.models.base import OFFSET_POSITION_TYPES
from autotune.models.repository import quiet, read_json, translate_errors
from autotune.models.spec import ModelSpec, Trimming
from autotune.models.special_tokens import read_as_text
from autotune.models.vocabulary import Spelling, choose_tokens
from autotune.runtime.files import scratch

SAMPLE = 200
"""Number of texts that are tokenized before and after, to see that nothing has changed."""
MODELS = ("Unigram", "WordPiece", "BPE")
SIZE_ATTRIBUTES = ("vocab_size", "num_embeddings", "out_features", "padding_idx")
"""Attributes of modules that depend on the vocabulary."""


def trim_vocabulary(base: ModelSpec, texts: Callable[[], Iterable[str]], language: str) -> ModelSpec:
    """Returns the base model with only the tokens that texts like those of the run can use; reads no weights.

    All texts of the run, and all others in its letters, get the same tokens as before; see `autotune.models.vocabulary`.
    The same texts give the same result.

    Args:
        base: result of `open_base`.
        texts: returns all texts of the run.
        language: language tag of the texts.

    Raises:
        ModelError: the tokenizer is of a kind that cannot be trimmed.
    """
    backend = base.tokenizer.backend_tokenizer
    state = json.loads(backend.to_str())
    _refuse_other_kinds(state["model"], base)
    normalizer = backend.normalizer
    kept, other_words = choose_tokens(
        Spelling(state["model"], byte_level="ByteLevel" in repr((backend.pre_tokenizer, backend.decoder))),
        str if normalizer is None else normalizer.normalize_str,
        texts,
        language,
    )
    rows = base.config.get_text_config().vocab_size
    ids = sorted(kept | {number for number in _special_ids(base, state) if 0 <= number < rows})
    trimming = Trimming(np.array(ids), rows)
    trimmed = replace(
        base,
        config=_renumber(copy.deepcopy(base.config), trimming.new_ids.get, len(ids)),
        tokenizer=_trim_tokenizer(base, state, trimming),
        trimming=trimming,
    )
    _check_same_tokens(base, trimmed, [*other_words[: SAMPLE * 10], *islice(texts(), SAMPLE)])
    return trimmed


def whole_config(config: PretrainedConfig, trimming: Trimming | None) -> PretrainedConfig:
    """Returns the config with which the untrimmed weights are read: a copy, with the ids and the size of the base model."""
    if trimming is None:
        return config
    kept = trimming.kept.tolist()
    return _renumber(
        copy.deepcopy(config),
        lambda number: kept[number] if 0 <= number < len(kept) else None,
        trimming.original_rows,
    )


def trim_model(model: Any, trimming: Trimming | None) -> None:
    """Removes the rows of other tokens from a model that was read with `whole_config`, and writes the new ids to its configs.

    What depends on the vocabulary is what has another shape in a model built with another size: input and output
    embeddings, tied or not, and biases.
    """
    if trimming is None:
        return
    small_config = _renumber(copy.deepcopy(model.config), trimming.new_ids.get, len(trimming.kept))
    with torch.device("meta"), quiet():
        whole, small = type(model)(copy.deepcopy(model.config)), type(model)(small_config)
    selected: dict[int, tuple[Tensor, Tensor]] = {}
    shapes = small.state_dict()
    for name, tensor in whole.state_dict().items():
        dims = [dim for dim, size in enumerate(tensor.shape) if size != shapes[name].shape[dim]]
        if dims:
            path, _, attribute = name.rpartition(".")
            owner = model.get_submodule(path)
            old = getattr(owner, attribute)
            if id(old) not in selected:  # tied weights are selected once, and stay tied
                selected[id(old)] = (old, _select(old, trimming, dims[0]))
            setattr(owner, attribute, selected[id(old)][1])
    for name, module in small.named_modules():
        target = model.get_submodule(name)
        for attribute in SIZE_ATTRIBUTES:
            if attribute in vars(module):
                setattr(target, attribute, vars(module)[attribute])
    configs = [
        module.config
        for module in model.modules()
        if isinstance(getattr(module, "config", None), PretrainedConfig)
    ]
    for config in {id(config): config for config in configs}.values():
        _renumber(config, trimming.new_ids.get, len(trimming.kept), nested=False)
    if getattr(model, "generation_config", None) is not None:
        _renumber_attributes(model.generation_config, trimming.new_ids.get)


def _select(tensor: Tensor, trimming: Trimming, dim: int) -> Tensor:
    """Returns the part of a tensor that belongs to the tokens that are kept."""
    part = tensor.detach().index_select(dim, torch.from_numpy(trimming.kept).to(tensor.device))
    return nn.Parameter(part, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else part


def _refuse_other_kinds(model: dict[str, Any], base: ModelSpec) -> None:
    """Raises ModelError if it is not known what a tokenizer does without some of its tokens."""
    kind = model["type"]
    problem = None
    if kind not in MODELS:
        problem = f"vocabularies of the kind {kind} cannot be trimmed"
    elif kind == "BPE" and (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")):
        problem = "vocabularies whose tokens are written differently within a word cannot be trimmed"
    if problem is not None:
        raise ModelError(
            problem,
            where=f"model.name_or_path={base.name}",
            found=type(base.tokenizer).__name__,
            fix="model.trim_vocabulary=false",
        )


def _special_ids(base: ModelSpec, state: dict[str, Any]) -> set[int]:
    """Returns the ids of special and added tokens, and those that the configs of the model name."""
    ids = {token["id"] for token in state["added_tokens"]} | set(base.tokenizer.all_special_ids)
    generation = read_json(base.path, "generation_config.json", base.revision) or {}
    for values in (vars(base.config), vars(base.config.get_text_config()), generation):
        for name, value in values.items():
            if _is_token_id(name):
                ids.update(number for number in _numbers(value) if isinstance(number, int))
    if base.config.model_type in OFFSET_POSITION_TYPES:
        ids |= set(range(base.config.pad_token_id + 1))  # positions are counted from this id
    return ids


def _is_token_id(name: str) -> bool:
    return name.endswith(("_token_id", "_token_ids"))


def _numbers(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _renumber(
    config: PretrainedConfig, new_id: Callable[[int], int | None], rows: int, *, nested: bool = True
) -> PretrainedConfig:
    """Writes other ids and the size of the vocabulary into a config, and into the one of its text model.

    Args:
        config: changed and returned.
        new_id: returns the id that takes the place of another; None: it stays.
        rows: size of the vocabulary.
        nested: whether to change the config of its text model, too.
    """
    text_config = config.get_text_config() if nested else config
    for part in {id(part): part for part in (config, text_config)}.values():
        _renumber_attributes(part, new_id)
        if hasattr(part, "vocab_size"):
            part.vocab_size = rows
    return config


def _renumber_attributes(config: Any, new_id: Callable[[int], int | None]) -> None:
    """Replaces the token ids in a config."""

    def replaced(number: Any) -> Any:
        new = new_id(number) if isinstance(number, int) else None
        return number if new is None else new

    for name, value in list(vars(config).items()):
        if _is_token_id(name) and value is not None:
            setattr(
                config,
                name,
                [replaced(number) for number in value] if isinstance(value, list) else replaced(value),
            )


def _trim_tokenizer(base: ModelSpec, state: dict[str, Any], trimming: Trimming) -> PreTrainedTokenizerBase:
    """Returns the tokenizer without the other tokens, as it will be after it was saved and loaded.

    Args:
        base: the untrimmed model.
        state: content of its tokenizer.json; changed.
        trimming: the tokens that are kept.
    """
    whole = base.tokenizer
    expected = {
        token: trimming.new_ids[number]
        for token, number in whole.get_vocab().items()
        if number in trimming.new_ids
    }
    _trim_state(state, trimming.new_ids)
    backend = whole.backend_tokenizer
    with scratch() as folder, translate_errors(base.name), quiet():
        try:
            whole._tokenizer = Tokenizer.from_str(json.dumps(state))
            whole.save_pretrained(folder)
        finally:
            whole._tokenizer = backend
        # Not changed in place: classes keep ids in attributes, and build templates from them.
        trimmed: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, config=base.config, trust_remote_code=False
        )
    trimmed.name_or_path = trimmed.init_kwargs["name_or_path"] = whole.name_or_path
    trimmed.model_max_length = base.max_length
    read_as_text(trimmed)
    if trimmed.get_vocab() != expected:
        different = {token for token, _ in trimmed.get_vocab().items() ^ expected.items()}
        raise _changed_tokens(base, f"{len(different)} tokens, such as {min(different)!r}")
    return trimmed


def _trim_state(state: dict[str, Any], new_ids: dict[int, int]) -> None:
    """Removes tokens from the content of a tokenizer.json, and renumbers the others."""
    model = state["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new_ids]
        if model["unk_id"] is not None:
            model["unk_id"] = new_ids[model["unk_id"]]
    else:
        vocab = model["vocab"] = {
            token: new_ids[number] for token, number in model["vocab"].items() if number in new_ids
        }
        if model["type"] == "BPE":
            pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
            model["merges"] = [pair for pair in pairs if {*pair, "".join(pair)} <= vocab.keys()]
    for token in state["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    if state["padding"] is not None:
        state["padding"]["pad_id"] = new_ids[state["padding"]["pad_id"]]
    _renumber_template(state["post_processor"], new_ids)


def _renumber_template(processor: dict[str, Any] | None, new_ids: dict[int, int]) -> None:
    """Renumbers the special tokens that a post-processor adds to a text."""
    processor = processor or {}
    for part in processor.get("processors", ()):
        _renumber_template(part, new_ids)
    for name in ("sep", "cls"):
        if name in processor:
            token, number = processor[name]
            processor[name] = [token, new_ids[number]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new_ids[number] for number in token["ids"]]


def _check_same_tokens(base: ModelSpec, trimmed: ModelSpec, texts: Sequence[str]) -> None:
    """Raises ModelError if one of the texts has other tokens than before."""
    if trimmed.trimming is None or not texts:
        return
    before, after = (
        tokenizer(list(texts), verbose=False)["input_ids"]
        for tokenizer in (base.tokenizer, trimmed.tokenizer)
    )
    for text, old, new in zip(texts, before, after, strict=True):
        if trimmed.trimming.kept[new].tolist() != old:
            raise _changed_tokens(base, repr(text[:80]))


def _changed_tokens(base: ModelSpec, found: str) -> ModelError:
    return ModelError(
        "the vocabulary cannot be trimmed: texts would be cut into other tokens",
        where=f"model.name_or_path={base.name}",
        found=found,
        fix="model.trim_vocabulary=false",
    )
