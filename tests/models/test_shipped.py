"""Every base model of configs/model: a random model of its architecture, with its kind of tokenizer, is trained a step."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    DebertaConfig,
    DebertaTokenizer,
    LlamaConfig,
    MBart50Tokenizer,
    MBartConfig,
    MT5Config,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    Qwen3Config,
    RobertaConfig,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

from autotune.config.compose import compose
from autotune.config.enums import Architecture, BaselineMethod
from autotune.config.schema import RunConfig
from autotune.models import tiny_tokenizers
from autotune.models.tiny import build_tiny
from autotune.pipeline.prepare import Prepared, run_preflight
from autotune.training import device
from autotune.training.trainer import Trainer
from tests.models.conftest import SENTENCES, write_bertweet_vocabulary
from tests.support import ROOT

FILES = sorted(file.stem for file in (ROOT / "configs" / "model").glob("*.yaml"))
KINDS = {
    "bert": ["bertimbau_base", "bertimbau_large", "bertugues", "distilbertimbau", "mbert"],
    "deberta": ["albertina_100m", "albertina_100m_ptpt"],
    "deberta_v2": ["albertina_900m", "albertina_900m_ptpt", "mdeberta_v3"],
    "roberta": ["robertalexpt"],
    "bertweet": ["bertweetbr"],
    "xlm_roberta": ["xlmr_base", "xlmr_large"],
    "modernbert": ["moberto"],
    "t5": ["ptt5_small", "ptt5_base", "ptt5_large", "ptt5_v2_small", "ptt5_v2_base", "ptt5_v2_large", "ptt5_summ",
           "ptt5_summ_cstnews", "ptt5_summ_temario", "ptt5_summ_xlsum", "ptt5_summ_wikilingua"],
    "mt5": ["mt5_small", "mt5_base", "mt5_large"],
    "mbart": ["mbart50"],
    "llama": ["tucano_160m", "tucano_630m", "tucano_1b1", "tucano_2b4", "teenytinyllama_160m",
              "teenytinyllama_460m", "gervasio_7b_ptbr", "gervasio_7b_ptpt"],
    "llama3": ["llama3_2_1b", "llama3_2_3b"],
    "qwen3": ["qwen3_0_6b", "qwen3_1_7b"],
}  # fmt: skip
"""Architecture with kind of tokenizer, and the files that name a model of it."""
TASKS = {"t5": "summarization", "mt5": "summarization", "mbart": "summarization"}
"""Task that each kind is trained for: of encoders and decoders the one whose words must be found again in the tokens."""
SIZE: Mapping[str, Any] = MappingProxyType(
    {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
)
CODER: Mapping[str, Any] = MappingProxyType({"d_model": 32, "encoder_layers": 1, "decoder_layers": 1,
         "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64})  # fmt: skip
TEXTS = [f"{one} {other}" for one in SENTENCES for other in SENTENCES]


def pieces(*specials: str) -> list[tuple[str, float]]:
    return tiny_tokenizers._unigram(TEXTS, specials)


def byte_level(*specials: str) -> dict[str, Any]:
    vocab, merges = tiny_tokenizers._byte_level(TEXTS, specials)
    return {"vocab": vocab, "merges": merges}


def deberta() -> tuple[Any, Any, Any]:
    tokenizer = DebertaTokenizer(**byte_level("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"))
    config = DebertaConfig(**SIZE, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, type_vocab_size=0,
        relative_attention=True, max_relative_positions=-1, position_biased_input=False,
        pos_att_type=["c2p", "p2c"])  # fmt: skip
    return AutoModelForMaskedLM, config, tokenizer


def bertweet(folder: Path) -> tuple[Any, Any, None]:
    """The tokenizer is two files, as in the repository: transformers writes one of them so that it cannot read it."""
    config = RobertaConfig(
        **SIZE, vocab_size=write_bertweet_vocabulary(folder), max_position_embeddings=130, type_vocab_size=1,
        tokenizer_class="BertweetTokenizer",
    )  # fmt: skip
    return AutoModelForMaskedLM, config, None


def xlm_roberta() -> tuple[Any, Any, Any]:
    tokenizer = XLMRobertaTokenizer(vocab=pieces("<s>", "<pad>", "</s>", "<unk>"))
    config = XLMRobertaConfig(
        **SIZE, vocab_size=len(tokenizer), max_position_embeddings=514, type_vocab_size=1
    )
    return AutoModelForMaskedLM, config, tokenizer


def mt5() -> tuple[Any, Any, Any]:
    tokenizer = tiny_tokenizers._t5(TEXTS)
    config = MT5Config(d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, vocab_size=len(tokenizer) + 28,
                       tie_word_embeddings=False, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)  # fmt: skip
    return AutoModelForSeq2SeqLM, config, tokenizer


def mbart() -> tuple[Any, Any, Any]:
    tokenizer = MBart50Tokenizer(vocab=pieces("<unk>", "<s>", "</s>"), src_lang="en_XX", tgt_lang="en_XX")
    config = MBartConfig(**CODER, vocab_size=len(tokenizer), decoder_start_token_id=2, forced_eos_token_id=2)
    return AutoModelForSeq2SeqLM, config, tokenizer


def llama3() -> tuple[Any, Any, Any]:
    base = Qwen2Tokenizer(**byte_level("<|begin_of_text|>", "<|end_of_text|>"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>"
    )
    config = LlamaConfig(
        **SIZE, vocab_size=len(tokenizer), num_key_value_heads=1, bos_token_id=0, eos_token_id=1
    )
    return AutoModelForCausalLM, config, tokenizer


def qwen3() -> tuple[Any, Any, Any]:
    tokenizer = Qwen2Tokenizer(**byte_level("<|endoftext|>"))
    config = Qwen3Config(
        **SIZE, vocab_size=len(tokenizer) + 8, head_dim=16, num_key_value_heads=1, eos_token_id=0
    )
    return AutoModelForCausalLM, config, tokenizer


BUILD: Mapping[str, Callable[[], tuple[Any, Any, Any]]] = {
    build.__name__: build for build in (deberta, xlm_roberta, mt5, mbart, llama3, qwen3)
}


def checkpoint(kind: str, cache: Path, folder: Path) -> Path:
    """A folder as the Hub has it: a random model with its tokenizer."""
    if kind not in {*BUILD, "bertweet"}:
        return build_tiny(Architecture("deberta" if kind == "deberta_v2" else kind), TEXTS, cache)
    folder.mkdir()
    auto_class, config, tokenizer = BUILD[kind]() if kind in BUILD else bertweet(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto_class.from_config(config).save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def test_every_file_is_of_a_kind_that_is_tested():
    assert sorted(name for names in KINDS.values() for name in names) == [
        name for name in FILES if name not in ("custom", *BaselineMethod) and not name.startswith("tiny")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_trained_a_step(tmp_path, cache, kind):
    """Every file composes and finds the words of a text in its tokens; one of a kind is trained, full and with LoRA."""
    folder = checkpoint(kind, cache, tmp_path / "base")
    words = [f"task={TASKS.get(kind, 'ner')}", "check=none", "dataset.limit=8", "trainer.precision=fp32",
             "trainer.max_steps=1", f"runs={tmp_path}/runs", f"model.name_or_path={folder}"]  # fmt: skip
    configs = [compose([f"model={name}", *words])[0] for name in KINDS[kind]]
    tokenizers = {str(config.model.tokenizer_kwargs): config for config in configs}
    for config in tokenizers.values():
        prepared = run_preflight(config, tmp_path / "cache").result()
        ids = prepared.task.tokenizer("São Paulo é ótima", add_special_tokens=False)["input_ids"]
        assert "São" in prepared.task.tokenizer.decode(ids), "capitals and accents are kept"
    (with_adapter,) = compose([f"model={KINDS[kind][-1]}", "peft=lora", *words])
    train_a_step(prepared, config)
    train_a_step(run_preflight(with_adapter, tmp_path / "cache").result(), with_adapter)


def train_a_step(prepared: Prepared, config: RunConfig) -> None:
    trainer = Trainer(
        prepared.task, prepared.load_model(config), prepared.features["train"], prepared.sizes.config.trainer, 1,
        device.accelerator(prepared.precision),
    )  # fmt: skip
    (step,) = trainer.steps()
    assert math.isfinite(step.loss) and step.grad_norm > 0


def test_summaries_of_mbart_begin_with_the_code_of_portuguese(tmp_path, cache):
    folder = checkpoint("mbart", cache, tmp_path / "base")
    words = ["task=summarization", "model=mbart50", "check=none", "dataset.limit=8", f"model.name_or_path={folder}"]  # fmt: skip
    (config,) = compose([*words, f"runs={tmp_path}/runs"])
    prepared = run_preflight(config, tmp_path / "cache").result()
    tokenizer, code = prepared.task.tokenizer, "pt_XX"
    row = prepared.features["train"][0]
    assert {tokenizer.convert_ids_to_tokens(row[name][0]) for name in ("input_ids", "target_ids")} == {code}
