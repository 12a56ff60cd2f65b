"""NER: every gold word is scored, whatever the tokenizer and the window do to it."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.baselines.tagger import LinearTagger
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError
from autotune.registry import task as find
from autotune.tasks.base import IGNORED, FeatureOutput, score
from tests.tasks.conftest import words_row

ROWS = [
    words_row(
        0,
        ["João", "Conceição", "vive", "em", "São", "Luís"],
        ["B-PESSOA", "I-PESSOA", "O", "O", "B-LOCAL", "I-LOCAL"],
    ),
    words_row(1, ["Choveu"], ["O"]),
]
WORDS = st.lists(
    st.sampled_from(["João", "São", "\uf0be", "inconstitucionalissimamente", "água", "\u00ad", ".", "3ª"]),
    min_size=1,
    max_size=60,
)


def answer(task, features):
    """Pieces of a model that predicts the gold tags at every position it answers for."""
    pieces = []
    for number, feature in enumerate(features):
        words = np.array(feature["words"])
        labels = np.array(feature["labels"])
        chosen = words != -1
        pieces.append(
            FeatureOutput(feature["row"], number, (words[chosen], labels[chosen], np.ones(chosen.sum())))
        )
    return pieces


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta", "llama"])
@pytest.mark.parametrize("max_length", [16, 512])
def test_every_word_is_learned_once_and_predicted_once(make_task, architecture, max_length):
    task = make_task(
        "ner", ROWS, architecture, max_length=min(max_length, 128) if max_length == 512 else max_length
    )

    @settings(max_examples=25, deadline=None)
    @given(WORDS, st.data())
    def check(words, data):
        tags = [data.draw(st.sampled_from(["O", "B-LOCAL", "B-PESSOA"])) for _ in words]
        row = words_row(0, words, tags)
        features = list(task.prepare([row]))
        labelled = [label for feature in features for label in feature["labels"] if label != IGNORED]
        assert sorted(labelled) == sorted(task.ids[tag] for tag in tags)
        assert all(len(feature["input_ids"]) <= task.max_length for feature in features)
        (prediction,) = task.join([row], answer(task, features))
        assert prediction["prediction"] == tags
        assert score(task, [row], [prediction]).values["entity_f1"] == (1.0 if set(tags) != {"O"} else 0.0)

    check()


def test_the_first_piece_carries_the_label_and_the_others_none(make_task):
    task = make_task("ner", ROWS)
    (feature, _) = task.prepare(ROWS)
    words = task.tokenizer(ROWS[0]["tokens"], is_split_into_words=True).word_ids()
    for position, word in enumerate(words):
        first = word is not None and (position == 0 or words[position - 1] != word)
        assert (feature["labels"][position] != IGNORED) == first


def test_windowed_features_equal_the_plain_one_when_the_text_fits(make_task):
    task = make_task("ner", ROWS)
    plain = task.tokenizer(ROWS[0]["tokens"], is_split_into_words=True)["input_ids"]
    assert next(iter(task.prepare(ROWS)))["input_ids"] == plain


def test_entities_have_offsets_into_the_text(make_task):
    task = make_task("ner", ROWS)
    predictions = list(task.join(ROWS, answer(task, list(task.prepare(ROWS)))))
    entities = predictions[0]["entities"]
    assert [(entity["label"], entity["text"]) for entity in entities] == [
        ("PESSOA", "João Conceição"),
        ("LOCAL", "São Luís"),
    ]
    for entity in entities:
        assert predictions[0]["text"][entity["start"] : entity["end"]] == entity["text"]


def test_the_baselines_find_the_entities_of_train():
    rows = Dataset.from_list(ROWS)
    baselines = list(find("ner").baselines(rows, rows, None))
    assert [baseline.name for baseline in baselines] == ["gazetteer of train", "linear tagger"]
    for baseline in baselines:
        assert next(iter(baseline.predictions))["prediction"] == ROWS[0]["tags"]


def test_a_baseline_that_nobody_reads_learns_nothing(monkeypatch):
    """A run of a tagger is not compared with itself."""
    rows, learned, fit = Dataset.from_list(ROWS), [], LinearTagger.fit
    monkeypatch.setattr(LinearTagger, "fit", lambda *given: learned.append(given) or fit(*given))
    *_, tagger = find("ner").baselines(rows, rows, None)
    assert not learned
    assert tagger.note() is None and len(learned) == 1
    list(tagger.predictions)
    assert len(learned) == 1


def test_an_entity_type_that_train_lacks_is_refused_with_the_way_out():
    kind = find("ner")
    splits = {
        "train": Dataset.from_list(ROWS),
        "validation": Dataset.from_list([words_row(0, ["IBGE"], ["B-ORGANIZACAO"])]),
    }
    with pytest.raises(DataError, match=r"(?s)ORGANIZACAO.*dataset.label_map"):
        kind.fit_labels(kind.Config(), DatasetConfig(path="memory"), splits)
