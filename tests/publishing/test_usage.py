"""The code on the card of a model without a neural network: pasted into a fresh interpreter, it predicts what the model does."""

import ast
import re
import subprocess
import sys

import numpy as np
import pytest

from autotune.baselines.extracts import Centroid, LeadSentences
from autotune.baselines.tagger import LinearTagger
from autotune.baselines.tfidf import TfidfClassifier, TfidfLabels, TfidfRidge
from autotune.config.enums import BaselineMethod
from autotune.publishing.card.usage import TEXTS, usage_code
from tests.baselines.test_baselines import TAGS, WORDS
from tests.baselines.test_saved import DOCUMENTS, LABELS, SUMMARIES
from tests.baselines.test_saved import TEXTS as TRAIN
from tests.support.forks import forks

PAIRS = list(zip(TRAIN, TRAIN[3:] + TRAIN[:3], strict=True))
TEXT, PAIR, DOCUMENT = TEXTS["text"], (TEXTS["text"], TEXTS["text_pair"]), TEXTS["document"]


def printed(model, folder, method, **options):
    """What the code prints."""
    model.save(folder)
    code = usage_code(method, str(folder), **options)
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    assert imported <= {"json", "re", "collections", "pathlib", "unicodedata", "numpy", "safetensors"}
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_on_the_card_of_a_run(tmp_path):
    words = ["task=sentiment", "model=tfidf", "dataset.limit=40", "check=none", "report=none", "runs=runs"]
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    (model,) = tmp_path.glob("runs/*/model")
    (code,) = re.findall(r"^```python\n(.*?)^```", (model / "README.md").read_text(), re.M | re.S)
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    (expected,) = TfidfClassifier.load(model).predict_proba([TEXT])
    assert numbers(ended.stdout) == pytest.approx(expected, abs=1e-12)


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)]


@pytest.mark.parametrize("is_pair", [False, True])
def test_of_classes(is_pair, tmp_path):
    model = TfidfClassifier().fit(PAIRS if is_pair else TRAIN, LABELS)
    model.temperature = 1.7
    text = printed(model, tmp_path, BaselineMethod.tfidf, is_pair=is_pair)
    (expected,) = model.predict_proba([PAIR if is_pair else TEXT])
    assert re.findall(r"'(\w+)'", text) == model.classes
    assert numbers(text) == pytest.approx(expected, abs=1e-12)


def test_of_labels(tmp_path):
    model = TfidfLabels(["a", "b"]).fit(TRAIN, [["ab"[len(text) % 2]] for text in TRAIN])
    text = printed(model, tmp_path, BaselineMethod.tfidf, problem="multi_label_classification")
    assert re.findall(r"'(\w+)'", text) == ["a", "b"]
    assert numbers(text) == pytest.approx(model.predict_proba([TEXT])[0], abs=1e-12)


def test_of_numbers(tmp_path):
    model = TfidfRidge().fit(TRAIN, np.array([[len(text) / 7] for text in TRAIN]))
    text = printed(model, tmp_path, BaselineMethod.tfidf, problem="regression")
    assert numbers(text) == pytest.approx(model.predict([TEXT])[0], abs=1e-6)


def test_of_tags(tmp_path):
    tagger = LinearTagger().fit(WORDS, TAGS)
    pairs = ast.literal_eval(printed(tagger, tmp_path, BaselineMethod.tagger))
    words = [word for word, _ in pairs]
    assert words == ["O", "atendimento", "não", "foi", "bom", "em", "São", "Luís", "."]
    assert [tag for _, tag in pairs] == tagger.predict([words])[0]
    assert pairs[-3:] == [("São", "B-LOC"), ("Luís", "I-LOC"), (".", "O")]


@pytest.mark.parametrize("kind", [LeadSentences, Centroid])
def test_of_sentences(kind, tmp_path):
    model = kind().fit(DOCUMENTS, SUMMARIES)
    model.count = 2
    method = BaselineMethod.first_sentences if kind is LeadSentences else BaselineMethod.centroid
    assert printed(model, tmp_path, method) == model.predict([DOCUMENT])[0]
    assert model.predict([DOCUMENT])[0].count(".") == 2


def test_of_a_model_on_the_hub():
    for method in BaselineMethod:
        code = usage_code(method, "ana/modelo", "last")
        ast.parse(code)
        assert 'folder = Path(snapshot_download("ana/modelo", revision="last"))' in code
        assert 'Path(snapshot_download("ana/modelo"))' in usage_code(method, "ana/modelo")
        assert "\nfrom huggingface_hub import snapshot_download\n" in code
        assert "\n\n\n\n" not in code and not code.startswith("\n")
