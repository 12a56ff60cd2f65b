"""Special tokens in texts: those of a vocabulary's own words keep their ids, those that shape an input are text; what
autotune reads, `transformers.pipeline` reads from the saved model."""

import json
import shutil

import pytest
import torch
from datasets import Dataset
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer

from autotune.config.schema import DatasetConfig, ModelConfig
from autotune.data.texts import rows_from_texts
from autotune.errors import TrainingError
from autotune.evaluation.served import differences, rows_to_compare
from autotune.models.base import open_base
from autotune.models.saved_model import load_saved_model, save_model
from autotune.models.special_tokens import shaping_tokens
from autotune.models.weights import load_model
from autotune.pipeline.round_trip import verify_pipeline
from autotune.registry import task as find
from autotune.tasks.base import FeatureOutput

WORDS = ["[URL]", "@USUARIO", "<e1>"]
TEXT = "vovó pôs [URL] na mesa, @USUARIO viu <e1> e </s> [SEP] <extra_id_0> <mask> <|endoftext|> acabou"
ENCODERS = ["bert", "roberta", "deberta", "modernbert"]
SENTIMENT = [{"text": "Bom @USUARIO", "label": "sim"}, {"text": "Mau [URL] dia", "label": "não"}]
NER = [
    {"text": "Ana viu [URL]", "tokens": ["Ana", "viu", "[", "URL", "]"], "starts": [0, 4, 8, 9, 12],
     "tags": ["B-PESSOA", "O", "O", "O", "O"]},
]  # fmt: skip
SUMMARIES = [{"document": "Choveu [URL] ontem.", "summary": "Choveu [URL]."}]
ROWS = {"sentiment": SENTIMENT, "ner": NER, "summarization": SUMMARIES}


@pytest.fixture
def made(opened, tmp_path):
    """A task on a tiny model to whose vocabulary somebody has added special tokens, and its rows."""

    def make(name: str, architecture: str, **options):
        kind = find(name)
        folder = tmp_path / f"{name}-{architecture}"
        shutil.copytree(opened(architecture).path, folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_special_tokens({"additional_special_tokens": WORDS})
        tokenizer.save_pretrained(folder)
        auto = AutoModelForSeq2SeqLM if name == "summarization" and architecture == "t5" else AutoModel
        plain = auto.from_pretrained(folder)
        plain.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        plain.save_pretrained(folder)
        base = open_base(
            ModelConfig(name_or_path=str(folder)),
            kind.heads,
            name,
            kind.examples.models,
            kind.examples.tiny,
            lambda: [],
            tmp_path,
        )
        rows = [{"id": str(number), **row} for number, row in enumerate(ROWS[name])]
        splits = {"train": Dataset.from_list(rows)}
        own = kind.Config(**options)
        task = kind(own, base, kind.fit_labels(own, DatasetConfig(path="memory"), splits))
        task.measure_tokens(splits)
        return task, rows

    return make


def names(task, ids) -> list[str]:
    return task.tokenizer.convert_ids_to_tokens(ids)


@pytest.mark.parametrize("architecture", [*ENCODERS, "t5", "bart", "gpt2", "llama"])
def test_words_keep_their_ids_and_what_shapes_the_input_is_text(made, architecture):
    task, _ = made("sentiment", architecture)
    (feature,) = task.prepare([{"id": "0", "text": TEXT, "label": "sim"}])
    bare = names(task, feature["input_ids"][len(task.encoder.prefix) :])
    bare = bare[: len(bare) - len(task.encoder.suffix)]
    assert [token for token in bare if token in WORDS] == WORDS
    # An unknown character is the unknown token in any case.
    assert not {*bare} & (shaping_tokens(task.tokenizer) - {task.tokenizer.unk_token})


@pytest.mark.parametrize("architecture", ["t5", "gpt2"])
def test_prompts_and_summaries_hold_them_too(made, architecture):
    task, rows = made("summarization", architecture, prompt="<e1> {document} @USUARIO")
    (feature,) = task.prepare(rows)
    said = [token for token in names(task, feature["input_ids"]) if token in WORDS]
    assert said == ["<e1>", "[URL]", "@USUARIO"]
    assert "[URL]" in names(task, feature["target_ids"])
    assert "[URL]" in task.tokenizer.decode(feature["target_ids"], skip_special_tokens=True)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_words_that_are_one_token_together_are_read_so_and_each_has_a_tag(made, architecture):
    task, rows = made("ner", architecture)
    (feature,) = task.prepare(rows)
    assert "[URL]" in names(task, feature["input_ids"])
    asked = [word for word in feature["words"] if word >= 0]
    assert {*asked} == {0, 1, 2}
    token_of_three = [("B-PESSOA", 0.5), ("O", 0.5), ("B-PESSOA", 0.9)]
    value = ([0, 1, 2], [task.ids[tag] for tag, _ in token_of_three], [sure for _, sure in token_of_three])
    (prediction,) = task.join(rows, [FeatureOutput(0, 0, value)])
    assert prediction["prediction"] == ["B-PESSOA", "O", "B-PESSOA", "I-PESSOA", "I-PESSOA"]
    assert [(one["text"], one["probability"]) for one in prediction["entities"]] == [
        ("Ana", 0.5),
        ("[URL]", 0.9),
    ]


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("sentiment", one) for one in ("bert", "deberta", "gpt2", "t5")]
    + [("ner", one) for one in ("bert", "roberta", "deberta", "llama")],
)
def test_the_saved_model_reads_the_same_in_the_pipeline(made, shake, tmp_path, name, architecture):
    task, rows = made(name, architecture, max_length=24)
    model = load_model(
        task.base, task.heads[task.base.family], task.labels(), None, allow_pickle=False, seed=1
    )
    shake(model)
    save_model(model, task.base, tmp_path / "model", {})
    compared = rows_to_compare(task, rows)
    assert len(compared) == 4 and any("[URL]" in row["text"] for row in compared)
    assert list(differences(task, tmp_path / "model", compared)) == []
    verify_pipeline(task, tmp_path / "model", Dataset.from_list(rows))
    # What predict opens reads as training did, whatever transformers leaves of a saved tokenizer.
    base, _, _ = load_saved_model(tmp_path / "model")
    again = type(task)(task.config, base, task.facts)
    asked = [*rows, *rows_from_texts([TEXT], task.columns)]
    assert list(again.prepare(asked)) == list(task.prepare(asked))


def test_a_tokenizer_that_reads_otherwise_fails_the_proof(made, tmp_path):
    task, rows = made("sentiment", "bert")
    model = load_model(
        task.base, task.heads[task.base.family], task.labels(), None, allow_pickle=False, seed=1
    )
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)
    save_model(model, task.base, tmp_path / "model", {})
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "split_special_tokens": False}))
    with pytest.raises(TrainingError, match="pipeline answers differently"):
        verify_pipeline(task, tmp_path / "model", Dataset.from_list(rows))
