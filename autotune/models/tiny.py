"""Tiny random models with a tokenizer trained on the run's own texts: for trying things out and for tests.

They are saved like checkpoints of pretraining, without a task's head, and opened by the same road as a model
from the Hub.
"""

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartTokenizer,
    BertConfig,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    GPT2Config,
    GPT2Tokenizer,
    LlamaConfig,
    LlamaTokenizer,
    ModernBertConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
    T5Config,
    T5Tokenizer,
)

from autotune.config import Architecture
from autotune.models.repository import quiet

logger = logging.getLogger(__name__)

VERSION = 1
"""Part of the key of the cache: raise it when what is built changes."""
VOCABULARY = 3000
CHARACTERS = 2_000_000
"""As much text as the tokenizer is trained on."""
HIDDEN, HEADS, LAYERS, FEED_FORWARD = 128, 4, 2, 256
SHORT, LONG = 256, 512
"""Positions of encoders (documents that need windows exist in every data set) and of models that generate."""

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]


def build_tiny(architecture: Architecture, texts: Iterable[str], cache: Path) -> Path:
    """Folder of the tiny model for these texts; built in a second or two, or found in the cache.

    The first 2 million characters count. The same texts give the same files.
    """
    sample = _sample(texts)
    key = hashlib.sha256(f"{VERSION}\0{architecture}\0".encode() + "\0".join(sample).encode()).hexdigest()[:16]
    folder = cache / f"tiny-{architecture}-{key}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=cache))
    try:
        tokenizer = TOKENIZERS[architecture](sample)
        auto_class, config = _configuration(architecture, tokenizer)
        with torch.random.fork_rng(devices=[]), quiet():
            torch.manual_seed(0)
            auto_class.from_config(config).save_pretrained(partial)
            tokenizer.save_pretrained(partial)
        # Of two processes that build at once the later finds the folder; both built the same.
        if not folder.is_dir():
            os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    logger.info("built a tiny random %s model with %d pieces in %s", architecture, len(tokenizer), folder)
    return folder


def _sample(texts: Iterable[str]) -> list[str]:
    sample, room = [], CHARACTERS
    for text in texts:
        sample.append(normalize("NFC", text)[:room])
        room -= len(sample[-1])
        if room <= 0:
            break
    return sample


def _train(
    texts: Sequence[str],
    model: Any,
    pre_tokenizer: Any,
    trainer: Callable[..., Any],
    specials: Sequence[str],
    **options: Any,
) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(
        texts,
        trainer(
            vocab_size=VOCABULARY + len(specials), special_tokens=list(specials), show_progress=False, **options
        ),
    )
    return tokenizer


def _vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    return dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))


def _merges(tokenizer: Tokenizer) -> Merges:
    """The merges of a trained BPE, in order."""
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _word_piece(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    # The trainer numbers continuations in the order of a hash map; naming them first makes the result repeatable.
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
    return _train(texts, models.BPE(unk_token="<unk>"), pre_tokenizers.Metaspace(), trainers.BpeTrainer, specials)


def _unigram(texts: Sequence[str], specials: Sequence[str]) -> list[tuple[str, float]]:
    """Pieces of a BPE with their log frequencies. The Unigram trainer sums floats in the order of threads, so
    that two runs would differ; this is the same model from whole numbers."""
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


def _configuration(architecture: Architecture, tokenizer: PreTrainedTokenizerBase) -> tuple[Any, Any]:
    """Auto class and config. Without dropout: so small a model, trained for a minute, underfits."""
    ids = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    size = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": FEED_FORWARD,
    }
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    match architecture:
        case Architecture.bert:
            config: Any = BertConfig(**ids, **size, **no_dropout, max_position_embeddings=SHORT)
        case Architecture.roberta:
            rows = SHORT + tokenizer.pad_token_id + 1
            config = RobertaConfig(
                **ids, **size, **no_dropout, max_position_embeddings=rows, type_vocab_size=1, layer_norm_eps=1e-5
            )
        case Architecture.deberta:
            config = DebertaV2Config(
                **ids, **size, **no_dropout, max_position_embeddings=SHORT, type_vocab_size=0,
                relative_attention=True, position_buckets=32, pos_att_type=["p2c", "c2p"],
                norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
            )  # fmt: skip
        case Architecture.modernbert:
            config = ModernBertConfig(
                **ids, **size, max_position_embeddings=SHORT, global_attn_every_n_layers=2, local_attention=64,
                cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
            )  # fmt: skip
        case Architecture.t5:
            config = T5Config(
                **ids, d_model=HIDDEN, d_kv=HIDDEN // HEADS, d_ff=FEED_FORWARD, num_layers=LAYERS,
                num_heads=HEADS, dropout_rate=0.0, decoder_start_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
        case Architecture.bart:
            config = BartConfig(
                **ids, d_model=HIDDEN, encoder_layers=LAYERS, decoder_layers=LAYERS,
                encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=FEED_FORWARD,
                decoder_ffn_dim=FEED_FORWARD, dropout=0.0, max_position_embeddings=LONG,
                decoder_start_token_id=tokenizer.eos_token_id, forced_eos_token_id=tokenizer.eos_token_id,
            )  # fmt: skip
        case Architecture.gpt2:
            config = GPT2Config(
                **ids, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS, n_inner=FEED_FORWARD, n_positions=LONG,
                resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            )  # fmt: skip
        case Architecture.llama:
            config = LlamaConfig(
                **ids, **size, num_key_value_heads=HEADS // 2, max_position_embeddings=LONG,
                tie_word_embeddings=True,
            )  # fmt: skip
        case _:
            raise AssertionError(f"{architecture} is chosen by the task")
    auto_class = {
        Architecture.t5: AutoModelForSeq2SeqLM,
        Architecture.bart: AutoModelForSeq2SeqLM,
        Architecture.gpt2: AutoModelForCausalLM,
        Architecture.llama: AutoModelForCausalLM,
    }.get(architecture, AutoModelForMaskedLM)
    return auto_class, config
