"""Tokenizers: what repositories leave unsaid is corrected, and stays so when saved."""

import json
import logging
import shutil

import pytest
from tokenizers import Regex, pre_tokenizers
from transformers import AutoTokenizer, BertConfig, PreTrainedTokenizerFast, T5Config

WORDS = ["São", "Paulo", ",", "pão", "maçãs"]


def pieces(tokenizer, words=WORDS):
    return tokenizer.convert_ids_to_tokens(
        tokenizer(words, is_split_into_words=True, add_special_tokens=False).input_ids
    )


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta", "modernbert", "gpt2", "llama"])
def test_split_words_read_like_running_text(opened, tmp_path, architecture):
    tokenizer = opened(architecture, "ner").tokenizer
    running = tokenizer("São Paulo pão maçãs", add_special_tokens=False).input_ids
    split = tokenizer(["São", "Paulo", "pão", "maçãs"], is_split_into_words=True, add_special_tokens=False)
    assert split.input_ids == running
    assert sorted(set(split.word_ids())) == [0, 1, 2, 3]
    tokenizer.save_pretrained(tmp_path)
    shutil.copy(opened(architecture).path + "/config.json", tmp_path)
    assert pieces(AutoTokenizer.from_pretrained(tmp_path)) == pieces(tokenizer)


def test_a_tokenizer_that_ignores_prefix_space_gets_one_inside_words_none(opened, checkpoint):
    folder = checkpoint("llama", model_type="llama")
    backend = opened("gpt2").tokenizer.backend_tokenizer
    words = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    shutil.rmtree(folder / "tokenizer.json", ignore_errors=True)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>").save_pretrained(folder)
    tokenizer = opened(folder, "ner").tokenizer
    compound = pieces(tokenizer, ["o", "anti-pão"])
    assert compound[0].startswith("Ġ") and compound[1].startswith("Ġ")
    assert not any(piece.startswith("Ġ") for piece in compound[2:])


def test_running_text_keeps_the_repository_s_own_habit(opened):
    tokenizer = opened("gpt2").tokenizer
    assert tokenizer.decode(tokenizer("São").input_ids) == "São"


def vocabulary_only(folder, vocabulary, **config):
    folder.mkdir()
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary), "utf-8")
    BertConfig(vocab_size=len(vocabulary), hidden_size=16, num_attention_heads=2, **config).save_pretrained(
        folder
    )
    return folder


def ordered(tokenizer):
    return sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)


def test_a_cased_vocabulary_alone_keeps_capitals_and_accents(opened, tmp_path, caplog):
    folder = vocabulary_only(tmp_path / "vocab", ordered(opened("bert").tokenizer))
    with caplog.at_level(logging.INFO):
        tokenizer = opened(folder).tokenizer
    assert "São" in tokenizer.tokenize("São Paulo")
    assert "cased" in caplog.text


def test_what_the_user_says_about_case_holds(opened, tmp_path):
    folder = vocabulary_only(tmp_path / "vocab", ordered(opened("bert").tokenizer))
    assert "São" not in opened(folder, tokenizer_kwargs={"do_lower_case": True}).tokenizer.tokenize("São")


def test_what_the_repository_says_about_case_holds_with_a_warning(opened, tmp_path, caplog):
    folder = vocabulary_only(tmp_path / "vocab", ordered(opened("bert").tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}), "utf-8")
    assert "São" not in opened(folder).tokenizer.tokenize("São")
    assert "do_lower_case: false" in caplog.text


def test_an_uncased_vocabulary_stays_uncased(opened, tmp_path):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sao", "paulo"]
    folder = vocabulary_only(tmp_path / "vocab", vocabulary)
    assert opened(folder).tokenizer.tokenize("São Paulo") == ["sao", "paulo"]


def test_bertimbau_s_vocabulary_alone_keeps_sao(opened, tmp_path, shared_data):
    lines = (shared_data / "tokenizers" / "bertimbau_cased_vocab.txt").read_text("utf-8").split("\n")
    folder = vocabulary_only(tmp_path / "vocab", [line for line in lines if line])
    base = opened(folder, "ner")
    assert base.tokenizer.tokenize("São Paulo não dorme") == ["São", "Paulo", "não", "dor", "##me"]
    assert base.max_length == 512


def test_a_sentencepiece_model_alone_loads(opened, tmp_path, shared_data):
    shutil.copy(shared_data / "tokenizers" / "ptt5_spiece.model", tmp_path / "spiece.model")
    T5Config(vocab_size=32128, d_model=16, num_heads=2, decoder_start_token_id=0).save_pretrained(tmp_path)
    base = opened(tmp_path, "summarization")
    ids = base.tokenizer("A avó não é o avô.").input_ids
    assert base.tokenizer.unk_token_id not in ids
    assert ids[-1] == base.tokenizer.eos_token_id == 1
    assert base.tokenizer.decode(ids, skip_special_tokens=True) == "A avó não é o avô."
    assert base.max_length == 512
    assert len(base.tokenizer) <= base.config.vocab_size


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_decoder_without_padding_pads_with_a_token_it_has(opened, architecture):
    base = opened(architecture)
    assert base.tokenizer.pad_token_id == base.config.pad_token_id is not None
    assert len(base.tokenizer) == base.config.vocab_size
    batch = base.tokenizer(["São Paulo é grande", "não"], padding=True)
    assert sorted(map(sum, batch.attention_mask))[0] < len(batch.input_ids[0])


def test_a_padding_token_of_the_repository_is_preferred(opened, checkpoint):
    folder = checkpoint("gpt2", vocab_size=9999)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|fim_pad|>"]})
    tokenizer.save_pretrained(folder)
    assert opened(folder).tokenizer.pad_token == "<|fim_pad|>"
