"""Loading weights: float32, complete, finite, with the right head."""

import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BertModel

from autotune.errors import ModelError
from autotune.models.spec import Family, Head
from autotune.models.weights import checkpoint_labels, load_model
from tests.models.conftest import CELLS, HEADS, LABELS


def load(base, head=Head.sequence, labels=("a", "b"), seed=1, allow_pickle=False):
    return load_model(
        base, head, None if labels is None else list(labels), None, allow_pickle=allow_pickle, seed=seed
    )


def rewrite(folder, change):
    """Changes the tensors of a checkpoint."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(("architecture", "task"), CELLS)
def test_every_cell_loads_and_says_something(opened, logits, architecture, task):
    base = opened(architecture, task)
    head = HEADS[task][base.family]
    model = load(base, head, LABELS[task])
    said = logits(model, base, head)
    assert said.isfinite().all()
    if LABELS[task] is not None:
        assert said.shape[-1] == 3
        assert list(model.config.id2label.values()) == LABELS[task]
        assert model.config.label2id == {label: index for index, label in enumerate(LABELS[task])}


def test_new_weights_depend_on_the_seed_alone(opened):
    base = opened("bert")
    torch.manual_seed(5)
    first, state = load(base).state_dict(), torch.get_rng_state()
    torch.rand(3)
    second, other = load(base).state_dict(), load(base, seed=2).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    torch.manual_seed(5)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_master_weights_are_float32_whatever_was_stored(opened, checkpoint, stored):
    folder = checkpoint("roberta", dtype=str(stored).removeprefix("torch."))
    rewrite(folder, lambda tensors: {name: tensor.to(stored) for name, tensor in tensors.items()})
    model = load(opened(folder))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert str(model.config.dtype).endswith("float32")


def test_names_that_are_off_by_a_prefix_are_refused(opened, checkpoint):
    folder = checkpoint("bert")
    rewrite(folder, lambda tensors: {f"modelo.{name}": tensor for name, tensor in tensors.items()})
    with pytest.raises(ModelError, match=r"\d\d of \d\d tensors were not found") as caught:
        load(opened(folder))
    assert "bert.embeddings" in caught.value.found


def test_one_missing_tensor_is_refused(opened, checkpoint):
    folder = checkpoint("bert")
    lost = "bert.encoder.layer.1.output.dense.weight"
    rewrite(folder, lambda tensors: {name: tensor for name, tensor in tensors.items() if name != lost})
    with pytest.raises(ModelError, match="1 of"):
        load(opened(folder))


def test_a_language_model_without_its_head_is_refused(opened, checkpoint):
    folder = checkpoint("llama", tie_word_embeddings=False)
    with pytest.raises(ModelError, match="would be random"):
        load(opened(folder, "summarization"), Head.causal, None)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(opened, checkpoint, bad):
    def spoil(tensors):
        tensors["bert.encoder.layer.0.output.dense.bias"][3] = bad
        return tensors

    with pytest.raises(ModelError, match="NaN or infinite") as caught:
        load(opened(rewrite(checkpoint("bert"), spoil)))
    assert "layer.0.output.dense.bias" in caught.value.found


def test_pickles_are_read_only_when_asked_for(opened, checkpoint):
    folder = checkpoint("bert")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors") as caught:
        load(opened(folder))
    assert "model.allow_pickle=true" in caught.value.fix
    assert torch.equal(
        load(opened(folder), allow_pickle=True).state_dict()["bert.embeddings.word_embeddings.weight"],
        load(opened("bert")).state_dict()["bert.embeddings.word_embeddings.weight"],
    )


def test_a_pickle_with_code_does_not_run_even_when_asked_for(opened, checkpoint, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    folder = checkpoint("bert")
    (folder / "model.safetensors").unlink()
    torch.save({"bert.x": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="would run code"):
        load(opened(folder), allow_pickle=True)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def classifier(opened, tmp_path):
    """A fine-tuned classifier with labels of its own."""

    def build(architecture="bert", names=("positivo", "negativo", "neutro")):
        base = opened(architecture)
        model = load(base, labels=names, seed=9)
        folder = tmp_path / "classifier"
        model.save_pretrained(folder)
        base.tokenizer.save_pretrained(folder)
        return folder

    return build


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt2", "t5"])
def test_a_classifier_with_the_same_labels_keeps_its_head_in_our_order(
    opened, classifier, logits, caplog, architecture
):
    folder = classifier(architecture)
    base = opened(folder)
    assert checkpoint_labels(base) == ["positivo", "negativo", "neutro"]
    with caplog.at_level(logging.INFO):
        model = load(base, labels=["negativo", "neutro", "positivo"])
    reference = logits(AutoModelForSequenceClassification.from_pretrained(folder), base, Head.sequence)
    assert torch.equal(logits(model, base, Head.sequence), reference[:, [1, 2, 0]])
    assert model.config.id2label == {0: "negativo", 1: "neutro", 2: "positivo"}
    assert "classifier is kept" in caplog.text


@pytest.mark.parametrize("labels", [("ruim", "bom", "médio"), ("ruim", "bom")])
def test_a_classifier_with_other_labels_starts_anew(opened, classifier, caplog, labels):
    folder = classifier()
    with caplog.at_level(logging.INFO):
        model = load(opened(folder), labels=labels)
    assert model.classifier.out_features == len(labels)
    old = load_file(folder / "model.safetensors")["classifier.weight"]
    assert not torch.equal(model.classifier.weight[:2], old[:2])
    assert torch.equal(
        model.bert.pooler.dense.weight, load_file(folder / "model.safetensors")["bert.pooler.dense.weight"]
    )
    assert (
        "is replaced by a new one" if len(labels) == 3 else "new weights, to be learned: classifier"
    ) in caplog.text


def test_labels_without_names_are_not_labels(opened, classifier):
    assert checkpoint_labels(opened(classifier(names=("LABEL_0", "LABEL_1")))) is None
    assert checkpoint_labels(opened("bert")) is None


def test_a_multi_label_checkpoint_becomes_single_label(opened, classifier):
    folder = classifier()
    file = folder / "config.json"
    stated = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**stated, "problem_type": "multi_label_classification"}), "utf-8")
    assert load(opened(folder)).config.problem_type == "single_label_classification"


def test_search_settings_of_a_checkpoint_are_not_inherited(opened, checkpoint):
    folder = checkpoint("bart")
    file = folder / "generation_config.json"
    stated = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**stated, "min_length": 56, "num_beams": 4, "do_sample": True}), "utf-8")
    base = opened(folder, "summarization")
    kept = load(base, Head.seq2seq, None).generation_config
    assert kept.min_length in (None, 0) and kept.num_beams in (None, 1) and not kept.do_sample
    assert kept.pad_token_id == base.tokenizer.pad_token_id
    assert kept.decoder_start_token_id == base.config.decoder_start_token_id


def test_a_checkpoint_without_pooler_gets_one(opened, checkpoint, tmp_path):
    base = opened("bert")
    assert base.family is Family.encoder
    assert not any("pooler" in name for name in load_file(checkpoint("bert") / "model.safetensors"))
    with_pooler = tmp_path / "pooler"
    BertModel.from_pretrained(base.path).save_pretrained(with_pooler)
    base.tokenizer.save_pretrained(with_pooler)
    pooler = load_file(with_pooler / "model.safetensors")["pooler.dense.weight"]
    assert torch.equal(load(opened(with_pooler)).bert.pooler.dense.weight, pooler)
