"""Builds tiny random models with a tokenizer trained on the texts of the run, for experiments and tests.

They are saved like pretrained checkpoints, without a task's head, and opened by the same code as a model from the Hub.
"""

import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BertConfig,
    DebertaV2Config,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
    T5Config,
)

from autotune.config.enums import Architecture
from autotune.data.cache_use import hold
from autotune.models.repository import quiet
from autotune.models.tiny_tokenizers import LONG, SHORT, TOKENIZERS
from autotune.run.manifest import find_folder_fault, write_manifest
from autotune.runtime.files import follow_umask, fsync_path, fsync_tree, make_folder, rust_disk_errors

logger = logging.getLogger(__name__)

CACHE_VERSION = 2
"""Part of the cache key: increase it when the built models change."""
MAX_CHARACTERS = 2_000_000
"""Characters of text that the tokenizer is trained on at most."""
HIDDEN, HEADS, LAYERS, FEED_FORWARD = 128, 4, 2, 256
INITIAL_RANGE = 0.05
"""Standard deviation of new weights. The usual 0.02 suits hidden sizes of 768: with 128, signals fade and training
stalls for epochs; with 0.09 the model memorizes rows and generalizes worse."""


def build_tiny(architecture: Architecture, texts: Iterable[str], cache: Path) -> Path:
    """Returns the folder of the tiny model for these texts; takes it from the cache or builds it in a second or two.

    Only the first 2 million characters are used. The same texts give the same files.
    """
    sample = _sample(texts)
    content = "\0".join([str(CACHE_VERSION), architecture, *sample])
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    folder = cache / f"tiny-{architecture}-{key}"
    hold(folder)
    if folder.is_dir():
        fault = find_folder_fault(folder)
        if fault is None:
            return folder
        logger.warning("the tiny model in %s cannot be used: %s; it is built again", folder, fault)
        shutil.rmtree(folder, ignore_errors=True)
    with rust_disk_errors(folder):
        make_folder(cache)
        partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=cache))
        try:
            tokenizer = TOKENIZERS[architecture](sample)
            auto_class, config = _class_and_config(architecture, tokenizer)
            # With a fixed seed, and without a change to the state of the caller's generator.
            with torch.random.fork_rng(devices=[]), quiet():
                torch.manual_seed(0)
                auto_class.from_config(config).save_pretrained(partial)
                tokenizer.save_pretrained(partial)
            write_manifest(partial)
            follow_umask(*partial.glob("*.safetensors"))
            # `mkdtemp` makes private folders: users who share the cache must be able to read what is in it.
            partial.chmod(stat.S_IMODE(cache.stat().st_mode))
            # Content before the rename: after a crash, a folder under its final name is complete.
            fsync_tree(partial)
            os.replace(partial, folder)
            fsync_path(cache)
        except OSError:
            # If two processes build at the same time, the second rename fails; both have built the same files.
            if find_folder_fault(folder) is not None:
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    logger.info("built a tiny random %s model with %d pieces in %s", architecture, len(tokenizer), folder)
    return folder


def _sample(texts: Iterable[str]) -> list[str]:
    """Returns the first `MAX_CHARACTERS` characters of the texts, normalized."""
    sample, remaining = [], MAX_CHARACTERS
    for text in texts:
        sample.append(normalize("NFC", text)[:remaining])
        remaining -= len(sample[-1])
        if remaining <= 0:
            break
    return sample


def _class_and_config(architecture: Architecture, tokenizer: PreTrainedTokenizerBase) -> tuple[Any, Any]:
    """Returns auto class and config. Without dropout, because such a small model, trained for a minute, underfits."""
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
        "initializer_range": INITIAL_RANGE,
    }
    match architecture:
        case Architecture.t5 | Architecture.bart:
            return AutoModelForSeq2SeqLM, _encoder_decoder(architecture, ids, tokenizer)
        case Architecture.gpt2:
            config: Any = GPT2Config(
                **ids, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS, n_inner=FEED_FORWARD, n_positions=LONG,
                resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=INITIAL_RANGE,
            )  # fmt: skip
            return AutoModelForCausalLM, config
        case Architecture.llama:
            config = LlamaConfig(
                **ids, **size, num_key_value_heads=HEADS // 2, max_position_embeddings=LONG,
                tie_word_embeddings=True,
            )  # fmt: skip
            return AutoModelForCausalLM, config
        case _:
            return AutoModelForMaskedLM, _encoder(architecture, {**ids, **size}, tokenizer)


def _encoder(architecture: Architecture, common: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> Any:
    """Returns the config of an encoder."""
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    match architecture:
        case Architecture.bert:
            return BertConfig(**common, **no_dropout, max_position_embeddings=SHORT)
        case Architecture.roberta:
            rows = SHORT + tokenizer.pad_token_id + 1
            return RobertaConfig(
                **common, **no_dropout, max_position_embeddings=rows, type_vocab_size=1, layer_norm_eps=1e-5
            )
        case Architecture.deberta:
            return DebertaV2Config(
                **common, **no_dropout, max_position_embeddings=SHORT, type_vocab_size=0,
                relative_attention=True, position_buckets=32, pos_att_type=["p2c", "c2p"],
                norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
            )  # fmt: skip
        case Architecture.modernbert:
            return ModernBertConfig(
                **common, max_position_embeddings=SHORT, global_attn_every_n_layers=2, local_attention=64,
                cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
            )  # fmt: skip
    raise AssertionError(f"{architecture} is no encoder")


def _encoder_decoder(
    architecture: Architecture, ids: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> Any:
    """Returns the config of an encoder-decoder."""
    if architecture is Architecture.t5:
        return T5Config(
            **ids, d_model=HIDDEN, d_kv=HIDDEN // HEADS, d_ff=FEED_FORWARD, num_layers=LAYERS,
            num_heads=HEADS, dropout_rate=0.0, decoder_start_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
    return BartConfig(
        **ids, d_model=HIDDEN, encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS, encoder_ffn_dim=FEED_FORWARD, decoder_ffn_dim=FEED_FORWARD,
        dropout=0.0, init_std=0.1, max_position_embeddings=LONG, decoder_start_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
