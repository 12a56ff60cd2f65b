"""A trimmed vocabulary gives the same tokens and the same logits, for every kind of tokenizer."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BertConfig,
    DebertaV2Config,
    LlamaConfig,
    MBart50Tokenizer,
    MBartConfig,
    MT5Config,
    Qwen2Tokenizer,
    Qwen3Config,
    T5Tokenizer,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

from autotune.config.schema import ModelConfig, PeftConfig
from autotune.errors import ModelError
from autotune.models import tiny_tokenizers
from autotune.models.adapters import cast_frozen_to_bf16, merge_adapters
from autotune.models.base import open_base
from autotune.models.saved_model import load_saved_model, save_adapter, save_model
from autotune.models.spec import Family, Head, ModelSpec, Trimming
from autotune.models.trimming import _trim_state, trim_vocabulary
from autotune.models.vocabulary import Spelling, choose_tokens
from autotune.models.weights import build_meta_model, load_model

PORTUGUESE = [
    "A cidade de São Paulo não é a única cidade grande do país.",
    "O tribunal decidiu que a questão das eleições ficou sem solução.",
    "Às três da manhã o céu ainda estava escuro em Belém do Pará.",
    "Ninguém quis saber da decisão do tribunal, que não foi unânime.",
]
OTHERS = [
    "The court decided that the question of the elections was not open to the public.",
    "The weather in the city was better than in the mountains, as we know.",
    "Суд решил, что вопрос о выборах в городе остаётся без решения.",
    "Город на реке не был самым большим городом страны, но самым красивым.",
    "法院决定选举问题没有解决办法。城市不是国家最大的城市。",
    "城市里的天气比山里的好，我们知道。法院的决定不是一致的。",
]
TEXTS = [f"{first} {second}" for first in (*PORTUGUESE, *OTHERS) for second in (*PORTUGUESE, *OTHERS)]
RUN = [*PORTUGUESE, "O presidente Путин visitou 城市; disse “não” 🙂 a 25,5 % <unk> ☃ Łódź."]
"""Texts of a run: with words of other scripts, and with characters that no vocabulary has."""
UNSEEN = [
    "Belém não é a única questão: 300 tribunais, 7º céu… 🙂",
    "As decisões ficaram grandes; manhãs no Pará, @a.",
]
SIZE = MappingProxyType(
    {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
)
CODER = MappingProxyType({"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64})  # fmt: skip


def pieces(*specials: str) -> list[tuple[str, float]]:
    return tiny_tokenizers._unigram(TEXTS, specials)


def xlm_roberta() -> tuple[Any, Any, Any]:
    tokenizer = XLMRobertaTokenizer(vocab=[*pieces("<s>", "<pad>", "</s>", "<unk>"), ("<mask>", 0.0)])
    config = XLMRobertaConfig(
        **SIZE, vocab_size=len(tokenizer), max_position_embeddings=130, type_vocab_size=1
    )
    return AutoModelForMaskedLM, config, tokenizer


def mdeberta() -> tuple[Any, Any, Any]:
    tokenizer = tiny_tokenizers._deberta(TEXTS)
    config = DebertaV2Config(**SIZE, vocab_size=len(tokenizer) + 100, pad_token_id=0, max_position_embeddings=130,
                             relative_attention=True, pos_att_type=["p2c", "c2p"])  # fmt: skip
    return AutoModelForMaskedLM, config, tokenizer


def mbert() -> tuple[Any, Any, Any]:
    tokenizer = tiny_tokenizers._word_piece(TEXTS)
    config = BertConfig(**SIZE, vocab_size=len(tokenizer), pad_token_id=0, max_position_embeddings=130)
    return AutoModelForMaskedLM, config, tokenizer


def mt5() -> tuple[Any, Any, Any]:
    """Bytes before the other pieces, sentinels after them, rows without tokens; input and output are two tables."""
    vocab = [*pieces("<pad>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)))]
    vocab += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(100))]
    tokenizer = T5Tokenizer(vocab=vocab, model_max_length=128)
    config = MT5Config(d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, vocab_size=len(tokenizer) + 12,
                       tie_word_embeddings=False, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)  # fmt: skip
    return AutoModelForSeq2SeqLM, config, tokenizer


def mbart() -> tuple[Any, Any, Any]:
    """Codes of languages after the vocabulary; the code of a language is forced as the first token."""
    tokenizer = MBart50Tokenizer(vocab=pieces("<unk>", "<s>", "</s>"), src_lang="pt_XX", tgt_lang="pt_XX")
    config = MBartConfig(**CODER, vocab_size=len(tokenizer), max_position_embeddings=130, decoder_start_token_id=2,
                         forced_eos_token_id=2)  # fmt: skip
    return AutoModelForSeq2SeqLM, config, tokenizer


def qwen3() -> tuple[Any, Any, Any]:
    """Byte-level BPE, end of text and padding after the vocabulary, tied embeddings."""
    vocab, merges = tiny_tokenizers._byte_level(TEXTS, [])
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=merges, model_max_length=128)
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>"})
    config = Qwen3Config(**SIZE, vocab_size=len(tokenizer) + 8, head_dim=16, num_key_value_heads=1, tie_word_embeddings=True,
                         eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.pad_token_id)  # fmt: skip
    return AutoModelForCausalLM, config, tokenizer


def llama() -> tuple[Any, Any, Any]:
    tokenizer = tiny_tokenizers._llama(TEXTS)
    config = LlamaConfig(
        **SIZE, vocab_size=len(tokenizer), num_key_value_heads=1, bos_token_id=1, eos_token_id=2
    )
    return AutoModelForCausalLM, config, tokenizer


BUILD = {build.__name__: build for build in (xlm_roberta, mdeberta, mbert, mt5, mbart, qwen3, llama)}
HEADS = {
    AutoModelForMaskedLM: Head.sequence,
    AutoModelForSeq2SeqLM: Head.seq2seq,
    AutoModelForCausalLM: Head.causal,
}
LABELS = {Head.sequence: ["negativo", "positivo"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Callable[[str], tuple[ModelSpec, Head]]:
    """The base model of a kind, in a folder as the Hub has it."""
    made: dict[str, tuple[ModelSpec, Head]] = {}

    def build(kind: str) -> tuple[ModelSpec, Head]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            auto_class, config, tokenizer = BUILD[kind]()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                auto_class.from_config(config).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            made[kind] = (opened(folder, HEADS[auto_class]), HEADS[auto_class])
        return made[kind]

    return build


def opened(folder: Path, head: Head) -> ModelSpec:
    config = ModelConfig(name_or_path=str(folder))
    return open_base(config, dict.fromkeys(Family, head), "task", "", "bert", lambda: [], folder)


def ids(base: ModelSpec, texts: Iterable[str]) -> list[list[int]]:
    return [base.tokenizer(text)["input_ids"] for text in texts]


def old_ids(trimmed: ModelSpec, texts: Iterable[str]) -> list[list[int]]:
    assert trimmed.trimming is not None
    return [trimmed.trimming.kept[numbers].tolist() for numbers in ids(trimmed, texts)]


def logits(model: Any, base: ModelSpec, head: Head, text: str) -> torch.Tensor:
    numbers = torch.tensor(ids(base, [text]))
    inputs = {"input_ids": numbers}
    if head is Head.seq2seq:
        inputs["decoder_input_ids"] = numbers
    with torch.no_grad():
        return model(**inputs).logits[0]


@pytest.mark.parametrize("kind", BUILD)
def test_tokens_and_logits_are_the_same(built, kind, tmp_path):
    base, head = built(kind)
    trimmed = trim_vocabulary(base, lambda: RUN, "pt")
    assert trimmed.trimming is not None
    kept = trimmed.trimming.kept
    assert len(kept) < 0.9 * base.config.vocab_size, "tokens of other scripts are removed"
    assert old_ids(trimmed, RUN) == ids(base, RUN)
    assert old_ids(trimmed, UNSEEN) == ids(base, UNSEEN)

    labels = LABELS.get(head)
    whole, small = (
        load_model(spec, head, labels, None, allow_pickle=False, seed=1) for spec in (base, trimmed)
    )
    shapes = {
        name: tensor.shape
        for name, tensor in build_meta_model(trimmed, head, labels, None).state_dict().items()
    }
    assert {name: tensor.shape for name, tensor in small.state_dict().items()} == shapes
    for text in RUN:
        expected, actual = logits(whole, base, head, text), logits(small, trimmed, head, text)
        if head is Head.sequence:
            assert torch.equal(actual, expected)
        else:
            assert torch.allclose(actual, expected[:, kept], atol=1e-6)

    save_model(small, trimmed, tmp_path / "model", {"config": {}})
    plain, tokenizer = (opener.from_pretrained(tmp_path / "model") for opener in (type(small), AutoTokenizer))
    again, loaded, record = load_saved_model(tmp_path / "model")
    assert record["vocabulary"] == {"tokens": len(kept), "of": base.config.vocab_size}
    assert tokenizer(RUN[0])["input_ids"] == ids(again, RUN)[0] == ids(trimmed, RUN)[0]
    for model in (plain, loaded):
        assert torch.equal(logits(model, again, head, RUN[0]), logits(small, trimmed, head, RUN[0]))


@pytest.mark.parametrize("kind", ["mt5", "mbart", "qwen3"])
def test_configs_name_the_same_tokens(built, kind):
    """Start, end, padding and forced language, in the config and in the generation config."""
    base, head = built(kind)
    trimmed = trim_vocabulary(base, lambda: RUN, "pt")
    names = []
    for spec in (base, trimmed):
        model: Any = load_model(spec, head, None, None, allow_pickle=False, seed=1)
        numbers = {f"{type(config).__name__}.{name}": number
                   for config in (model.config, model.generation_config, spec.config)
                   for name, number in vars(config).items() if name.endswith("_token_id")}  # fmt: skip
        names.append(
            {name: spec.tokenizer.decode(number) for name, number in numbers.items() if number is not None}
        )
        assert (
            model.config.vocab_size == model.get_input_embeddings().num_embeddings == spec.config.vocab_size
        )
    assert names[0] == names[1] and len(names[0]) > 4


@pytest.mark.parametrize("kind", ["mbert", "mt5", "qwen3"])
def test_the_same_texts_give_the_same_files(built, kind, tmp_path):
    base, _ = built(kind)
    contents = []
    for name in ("first", "second"):
        trim_vocabulary(base, lambda: list(RUN), "pt").tokenizer.save_pretrained(tmp_path / name)
        contents.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


def test_adapters_are_merged_into_the_trimmed_base(built):
    """The frozen base is in bf16, so it is read again in fp32, with the whole vocabulary."""
    base, head = built("qwen3")
    trimmed = trim_vocabulary(base, lambda: RUN, "pt")
    assert trimmed.trimming is not None
    peft = PeftConfig(r=2, alpha=4)
    merged = []
    for spec in (base, trimmed):
        model = load_model(spec, head, None, peft, allow_pickle=False, seed=1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.constant_(parameter, 0.01)
        cast_frozen_to_bf16(model)
        merged.append(merge_adapters(model, spec, peft))
    expected, actual = (
        logits(model, spec, head, RUN[0]) for model, spec in zip(merged, (base, trimmed), strict=True)
    )
    assert torch.allclose(actual, expected[:, trimmed.trimming.kept], atol=1e-6)


def test_an_adapter_of_a_trimmed_base_fits_the_whole_one(built, tmp_path):
    base, head = built("xlm_roberta")
    trimmed = trim_vocabulary(base, lambda: RUN, "pt")
    model = load_model(trimmed, head, LABELS[head], PeftConfig(r=2, alpha=4), allow_pickle=False, seed=1)
    save_adapter(model, trimmed, tmp_path / "adapter")
    whole = load_model(base, head, LABELS[head], None, allow_pickle=False, seed=1)
    adapted = PeftModel.from_pretrained(whole, tmp_path / "adapter")
    for text in RUN:
        assert torch.equal(logits(adapted, base, head, text), logits(model, trimmed, head, text))


def test_a_trimmed_model_is_a_base_model_that_keeps_its_tokens(built, tmp_path):
    base, head = built("mbert")
    trimmed = trim_vocabulary(base, lambda: RUN, "pt")
    save_model(
        load_model(trimmed, head, LABELS[head], None, allow_pickle=False, seed=1), trimmed, tmp_path / "m", {}
    )
    again = opened(tmp_path / "m", head)
    assert ids(again, RUN) == ids(trimmed, RUN)
    assert trim_vocabulary(again, lambda: RUN, "pt").tokenizer.get_vocab() == again.tokenizer.get_vocab()


def test_other_kinds_of_vocabularies_are_refused(built):
    base, _ = built("mbert")
    state = json.loads(base.tokenizer.backend_tokenizer.to_str())
    backend = base.tokenizer._tokenizer
    words = {"type": "WordLevel", "vocab": state["model"]["vocab"], "unk_token": "[UNK]"}
    base.tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state | {"model": words}))
    try:
        with pytest.raises(ModelError, match="WordLevel cannot be trimmed"):
            trim_vocabulary(base, lambda: RUN, "pt")
    finally:
        base.tokenizer._tokenizer = backend


def trimmed_backend(
    backend: Tokenizer, texts: list[str], language: str = "pt"
) -> tuple[Tokenizer, list[int]]:
    """A tokenizer without the classes of transformers, trimmed; and the old ids."""
    state = json.loads(backend.to_str())
    byte_level = "ByteLevel" in repr(backend.pre_tokenizer)
    kept, _ = choose_tokens(Spelling(state["model"], byte_level), str, lambda: texts, language)
    old = sorted(kept | {token["id"] for token in state["added_tokens"]})
    _trim_state(state, Trimming(np.array(old), 0).new_ids)
    return Tokenizer.from_str(json.dumps(state)), old


def same(backend: Tokenizer, trimmed: Tokenizer, old: list[int], text: str) -> bool:
    return [old[number] for number in trimmed.encode(text).ids] == backend.encode(text).ids


def test_a_word_that_was_unknown_to_word_piece_stays_so():
    """Greedy from the left: ша + ##х is no token, but without ша, ш + ##ах would be."""
    vocab = {"[UNK]": 0, "a": 1, "ша": 2, "ш": 3, "##ах": 4, "##s": 5, "шар": 6}
    backend = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    assert backend.encode("шах").tokens == ["[UNK]"]
    trimmed, old = trimmed_backend(backend, ["a a a шах"])
    assert same(backend, trimmed, old, "шах") and "шар" not in trimmed.get_vocab()


def test_the_price_of_an_unknown_character_stays():
    """It is the lowest score less 10, so the token with the lowest score is kept, in whatever script."""
    vocab = [("<unk>", 0.0), ("a", -1.0), ("☃a", -15.0), ("москва", -80.0), ("город", -2.0)]
    backend = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=False))
    trimmed, old = trimmed_backend(backend, ["a a", "☃a ☃"])
    assert same(backend, trimmed, old, "☃a☃")
    assert trimmed.token_to_id("москва") is not None and trimmed.token_to_id("город") is None


def test_bpe_keeps_the_steps_to_a_token():
    """москва is made of мос and ква, which no text has as tokens."""
    parts = ["м", "о", "с", "к", "в", "а", "мо", "мос", "кв", "ква", "москва", "во", "воск"]
    merges = [("м", "о"), ("мо", "с"), ("к", "в"), ("кв", "а"), ("мос", "ква"), ("в", "о")]
    backend = Tokenizer(models.BPE(vocab={part: number for number, part in enumerate(parts)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    trimmed, old = trimmed_backend(backend, ["bom dia москва"])
    assert trimmed.encode("москва").tokens == ["москва"] and same(backend, trimmed, old, "москва")
    assert trimmed.token_to_id("во") is None


WORDS = sorted({word for text in TEXTS for word in text.split()})
MIXED = st.lists(
    st.one_of(st.sampled_from(WORDS), st.text("aãoçnd бгд城的ñŁ☃́🙂'-.1", max_size=9)), min_size=1, max_size=8
).map(" ".join)
"""Texts of known words in four scripts, and of their letters in any order, some without a token."""


@pytest.mark.parametrize("kind", ["xlm_roberta", "mbert", "qwen3", "llama"])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(texts=st.lists(MIXED, min_size=1, max_size=6))
def test_any_text_of_the_run_keeps_its_tokens(built, kind, texts):
    base, _ = built(kind)
    backend = Tokenizer.from_str(base.tokenizer.backend_tokenizer.to_str())
    if kind == "mbert":
        backend.normalizer = None
    trimmed, old = trimmed_backend(backend, texts)
    assert all(same(backend, trimmed, old, text) for text in [*texts, *UNSEEN])


def test_letters_that_a_small_data_set_lacks_are_those_of_the_language():
    vocab = [
        (piece, -1.0)
        for piece in ("<unk>", "ações", "ação", "niño", "über", "açúcar", "Łódź", "日本", "日", "50%", "the")
    ]
    backend = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=False))
    for language, texts, absent in (
        ("pt-BR", ["um texto curto"], {"niño", "Łódź", "日本"}),
        (
            "en",
            ["a short text, and another"] * 9,
            {"ações", "ação", "niño", "über", "açúcar", "Łódź", "日本"},
        ),
        ("es", ["el niño y la niña"] * 9, {"ações", "ação", "über", "açúcar", "Łódź", "日本"}),
        ("ja", ["日日日日日日日日日日"], {"ações", "ação", "niño", "über", "açúcar", "Łódź", "the"}),
    ):
        trimmed, _ = trimmed_backend(backend, texts, language)
        assert {piece for piece, _ in vocab} - set(trimmed.get_vocab()) == absent - {"<unk>"}, language
