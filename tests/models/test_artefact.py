"""Saved models: complete, read back alike, and usable without autotune."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import pipeline

from autotune.config.schema import PeftConfig
from autotune.errors import ModelError
from autotune.models.adapters import merge_adapters
from autotune.models.saved_model import load_saved_model, save_adapter, save_model
from autotune.models.spec import Head
from autotune.models.weights import load_model
from tests.models.conftest import CELLS, HEADS, LABELS, SENTENCES


def trained(base, shake, head=Head.sequence, labels=("negativo", "positivo"), peft=None):
    model = load_model(base, head, None if labels is None else list(labels), peft, allow_pickle=False, seed=1)
    shake(model)
    return model


@pytest.mark.parametrize(("architecture", "task"), CELLS)
def test_full_fine_tuning_comes_back_bit_by_bit(opened, logits, shake, tmp_path, architecture, task):
    base = opened(architecture, task)
    head = HEADS[task][base.family]
    model = trained(base, shake, head, LABELS[task])
    save_model(model, base, tmp_path / "model", {"facts": {"rótulo": "não"}})
    loaded, again, record = load_saved_model(tmp_path / "model")
    assert torch.equal(logits(again, loaded, head), logits(model, base, head))
    assert record["facts"] == {"rótulo": "não"}
    assert (loaded.family, loaded.max_length, loaded.name) == (base.family, base.max_length, base.name)
    assert loaded.tokenizer.model_max_length == base.max_length
    assert not again.training


@pytest.mark.parametrize("architecture", ["bert", "roberta", "t5", "gpt2"])
def test_pipeline_classifies_texts_longer_than_the_model(opened, shake, tmp_path, architecture):
    base = opened(architecture)
    save_model(trained(base, shake), base, tmp_path / "model", {})
    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    answers = classify([SENTENCES[0], " ".join(SENTENCES * 40)], truncation=True, top_k=None)
    assert [sorted(one["label"] for one in answer) for answer in answers] == [["negativo", "positivo"]] * 2
    assert sum(one["score"] for one in answers[0]) == pytest.approx(1)


@pytest.mark.parametrize("architecture", ["bert", "modernbert", "llama"])
def test_pipeline_tags_words_where_they_stand(opened, shake, tmp_path, architecture):
    base = opened(architecture, "ner")
    model = trained(base, shake, Head.token, ["B-LOCAL", "I-LOCAL"])
    save_model(model, base, tmp_path / "model", {})
    tag = pipeline("token-classification", model=str(tmp_path / "model"), device="cpu", ignore_labels=[])
    found = tag("São Paulo é grande")
    assert {one["entity"] for one in found} <= {"B-LOCAL", "I-LOCAL"}
    assert (
        "".join("São Paulo é grande"[one["start"] : one["end"]] for one in found).replace(" ", "")
        == "SãoPauloégrande"
    )


def test_generation_settings_travel_with_the_model(opened, shake, tmp_path):
    base = opened("t5", "summarization")
    model = trained(base, shake, Head.seq2seq, None)
    save_model(model, base, tmp_path / "model", {}, generation={"max_new_tokens": 7, "num_beams": 2})
    _, again, _ = load_saved_model(tmp_path / "model")
    assert again.generation_config.max_new_tokens == 7 and again.generation_config.num_beams == 2
    ids = base.tokenizer(SENTENCES[0], return_tensors="pt").input_ids
    assert again.generate(ids).shape[1] <= 8


def test_the_folder_holds_no_pickle_and_no_card_of_peft(opened, shake, tmp_path):
    base = opened("bert")
    save_model(trained(base, shake, peft=PeftConfig()), base, tmp_path / "model", {})
    names = {file.name for file in (tmp_path / "model").iterdir()}
    assert names == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "autotune.json",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_an_adapter_names_its_base(opened, shake, tmp_path):
    base = opened("bert")
    model = trained(base, shake, peft=PeftConfig())
    save_adapter(model, base, tmp_path)
    stated = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert stated["base_model_name_or_path"] == base.path and stated["revision"] == base.revision
    assert any("classifier" in name for name in load_file(tmp_path / "adapter_model.safetensors"))
    with pytest.raises(TypeError):
        save_adapter(merge_adapters(model, base, PeftConfig()), base, tmp_path)


def test_an_older_artefact_is_replaced_as_a_whole(opened, shake, tmp_path):
    base = opened("bert")
    save_model(trained(base, shake, peft=PeftConfig()), base, tmp_path / "model", {"run": 1})
    save_model(trained(base, shake), base, tmp_path / "model", {"run": 2})
    assert load_saved_model(tmp_path / "model")[2]["run"] == 2
    assert not (tmp_path / "model" / "adapter_config.json").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_what_autotune_did_not_save_is_refused(opened):
    with pytest.raises(ModelError, match=r"no autotune\.json"):
        load_saved_model(opened("bert").path)
    with pytest.raises(ModelError, match="does not exist"):
        load_saved_model("./não-existe")


def test_a_lost_tensor_is_noticed(opened, shake, tmp_path):
    base = opened("bert")
    save_model(trained(base, shake), base, tmp_path / "model", {})
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    del tensors["classifier.bias"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 tensors.*missing"):
        load_saved_model(tmp_path / "model")


def test_a_finished_model_is_a_base_model_again(opened, shake, logits, tmp_path):
    base = opened("bert")
    model = trained(base, shake)
    save_model(model, base, tmp_path / "model", {})
    again = opened(tmp_path / "model")
    restored = load_model(again, Head.sequence, ["negativo", "positivo"], None, allow_pickle=False, seed=3)
    assert torch.equal(logits(restored, again, Head.sequence), logits(model, base, Head.sequence))
