"""Trains the tokenizers of tiny models: the real class of each architecture, on the texts of a run, in a moment.

The same texts give the same files in every process; the trainers of the tokenizers library alone do not guarantee it.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartTokenizer,
    BertTokenizer,
    DebertaV2Tokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    T5Tokenizer,
)

from autotune.config.enums import Architecture

VOCABULARY = 3000
"""Number of tokens, without the special ones."""
MIN_FREQUENCY = 4
"""Lowest frequency of a pair that is merged. Rare words stay split, so the model learns the parts that unseen words
consist of. Without the limit every word of a small train is one token, and the tokens of new words are never trained."""
SHORT, LONG = 256, 512
"""Positions of encoders (short enough that every data set has documents that need windows) and of generating models."""

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]


def _train(
    texts: Sequence[str],
    model: Any,
    pre_tokenizer: Any,
    trainer: Callable[..., Any],
    specials: Sequence[str],
    **options: Any,
) -> Tokenizer:
    """Trains a tokenizer of `VOCABULARY` tokens and the special ones."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(
        texts,
        trainer(
            vocab_size=VOCABULARY + len(specials),
            min_frequency=MIN_FREQUENCY,
            special_tokens=list(specials),
            show_progress=False,
            **options,
        ),
    )
    return tokenizer


def _vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    """Returns the tokens with their ids, in the order of the ids."""
    return dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))


def _merges(tokenizer: Tokenizer) -> Merges:
    """Returns the merges of a trained BPE, in order."""
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _word_piece(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    # The trainer numbers continuations in the order of a hash map; as special tokens they get fixed ids.
    alphabet = [f"##{letter}" for letter in sorted(set("".join(texts))) if not letter.isspace()]
    trained = _train(
        texts,
        models.WordPiece(unk_token="[UNK]"),
        pre_tokenizers.BertPreTokenizer(),
        trainers.WordPieceTrainer,
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *alphabet],
    )
    return BertTokenizer(vocab=_vocabulary(trained), do_lower_case=False, model_max_length=SHORT)


def _byte_level(texts: Sequence[str], specials: Sequence[str]) -> tuple[Vocabulary, Merges]:
    trained = _train(
        texts,
        models.BPE(),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        trainers.BpeTrainer,
        specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    return _vocabulary(trained), _merges(trained)


def _metaspace(texts: Sequence[str], specials: Sequence[str]) -> Tokenizer:
    return _train(
        texts, models.BPE(unk_token="<unk>"), pre_tokenizers.Metaspace(), trainers.BpeTrainer, specials
    )


def _unigram(texts: Sequence[str], specials: Sequence[str]) -> list[tuple[str, float]]:
    """Returns the tokens of a BPE with their log frequencies, as the vocabulary of a Unigram model."""
    # Not with the Unigram trainer: it sums floats in the order of its threads, so two runs would differ. Counts do not.
    trained = _metaspace(texts, ["<unk>"])
    counts = Counter(piece for text in texts for piece in trained.encode(text).tokens)
    pieces = [piece for piece in _vocabulary(trained) if piece != "<unk>"]
    total = sum(counts.values()) + len(pieces)
    scores = [(piece, math.log((counts[piece] + 1) / total)) for piece in pieces]
    return [(special, 0.0) for special in specials] + scores


def _roberta(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    vocabulary, merges = _byte_level(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=SHORT)


def _bart(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    vocabulary, merges = _byte_level(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return BartTokenizer(vocab=vocabulary, merges=merges, model_max_length=LONG)


def _deberta(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    scores = _unigram(texts, ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    return DebertaV2Tokenizer(vocab=scores, unk_id=3, model_max_length=SHORT)


def _modernbert(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    vocabulary, merges = _byte_level(texts, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, mask_token="[MASK]", model_max_length=SHORT, **names
    )


def _t5(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    scores = _unigram(texts, ["<pad>", "</s>", "<unk>"])
    return T5Tokenizer(vocab=scores, extra_ids=0, model_max_length=LONG)


def _gpt2(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    vocabulary, merges = _byte_level(texts, ["<|endoftext|>"])
    return GPT2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=LONG)


def _llama(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    trained = _metaspace(texts, ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    return LlamaTokenizer(vocab=_vocabulary(trained), merges=_merges(trained), model_max_length=LONG)


TOKENIZERS: dict[Architecture, Callable[[Sequence[str]], PreTrainedTokenizerBase]] = {
    Architecture.bert: _word_piece,
    Architecture.roberta: _roberta,
    Architecture.deberta: _deberta,
    Architecture.modernbert: _modernbert,
    Architecture.t5: _t5,
    Architecture.bart: _bart,
    Architecture.gpt2: _gpt2,
    Architecture.llama: _llama,
}
