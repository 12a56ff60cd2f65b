"""The baselines on real corpora: as good as measured, fitted in seconds, and the same after saving and loading."""

import csv
import time
from itertools import islice
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from autotune.baselines.tagger import LinearTagger
from autotune.baselines.tfidf import TfidfClassifier
from autotune.data.words import entities

pytestmark = pytest.mark.slow


def rows(file: Path) -> dict[str, str]:
    """The label of each text."""
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["text"]: row["label"] for row in csv.DictReader(lines)}


def reloaded(model, folder):
    model.save(folder)
    return type(model).load(folder)


@pytest.mark.parametrize(("name", "least"), [("repro", 0.94), ("reli", 0.79)])
def test_tfidf(name, least, shared_data, tmp_path):
    """As good as measured, with the first rows of train: enough for a stable score."""
    test = rows(shared_data / name / f"{name}_test.csv")
    learned = {
        text: label
        for text, label in rows(shared_data / name / f"{name}_train.csv").items()
        if text not in test
    }
    train = dict(islice(learned.items(), 2000 if name == "repro" else None))
    started = time.process_time()
    model = TfidfClassifier().fit(list(train), list(train.values()))
    print(f"fit: {time.process_time() - started:.1f} s of CPU")
    probabilities = model.predict_proba(list(test))
    some = list(test)[:200]
    assert (reloaded(model, tmp_path).predict_proba(some) == probabilities[:200]).all()
    predicted = [model.classes[index] for index in probabilities.argmax(axis=1)]
    assert f1_score(list(test.values()), predicted, average="macro") >= least


def sentences(file: Path) -> tuple[list[list[str]], list[list[str]]]:
    """The words and the tags of each sentence."""
    blocks = file.read_text(encoding="utf-8").strip().split("\n\n")
    pairs = [[line.split() for line in block.splitlines() if line.strip()] for block in blocks]
    return [[pair[0] for pair in block] for block in pairs], [[pair[-1] for pair in block] for block in pairs]


def test_the_tagger(shared_data, tmp_path):
    words, tags = (part[:1000] for part in sentences(shared_data / "lener_br" / "train.conll"))
    test, gold = (part[:500] for part in sentences(shared_data / "lener_br" / "test.conll"))
    started = time.process_time()
    model = LinearTagger().fit(words, tags)
    print(f"fit: {time.process_time() - started:.1f} s of CPU")
    predicted = model.predict(test)
    assert reloaded(model, tmp_path).predict(test[:100]) == predicted[:100]
    pairs = [(set(entities(right)), set(entities(tags))) for right, tags in zip(gold, predicted, strict=True)]
    hits = sum(len(right & tags) for right, tags in pairs)
    assert 2 * hits / sum(len(right) + len(tags) for right, tags in pairs) >= 0.75
