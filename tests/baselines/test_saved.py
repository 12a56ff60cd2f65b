"""Baselines as files: what is loaded predicts the same without scikit-learn, and damaged files are refused in words."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from autotune.baselines.extracts import Centroid, LeadSentences
from autotune.baselines.saved import VOCABULARY, WEIGHTS
from autotune.baselines.tagger import LinearTagger
from autotune.baselines.tfidf import TfidfClassifier, TfidfLabels, TfidfRidge
from autotune.baselines.vectors import Vectors
from autotune.errors import ModelError
from tests.baselines.test_baselines import TAGS, WORDS

TEXTS = [
    "O produto é ótimo, chegou antes do prazo!", "Péssimo: veio quebrado, e ninguém respondeu.",
    "Recomendo :) muito bom mesmo", "Não recomendo; material ruim", "Bom. Bom. Bom!", "ruim demais 😡",
    "Entrega rápida e produto bonito", "a b", "Horrível, nunca mais", "Gostei bastante da cor",
]  # fmt: skip
LABELS = ["bom", "ruim", "bom", "ruim", "bom", "ruim", "bom", "neutro", "ruim", "bom"]
UNSEEN = ["muito RUIM", "produto  ótimo e\tbonito", "", "xyz", "não gostei do prazo...", "é " * 4000]
PAIRS = list(zip(TEXTS, TEXTS[3:] + TEXTS[:3], strict=True))
DOCUMENTS = [
    "A câmara se reuniu ontem. O prefeito anunciou a obra da ponte. A ponte custa dez mil. Choveu muito.",
    "Bom dia! A obra da ponte começou. O prefeito visitou a obra da ponte. Ninguém viu.",
]
SUMMARIES = ["O prefeito anunciou a obra; a ponte custa dez mil.", "O prefeito visitou a obra da ponte."]


def classifier(labels=LABELS):
    model = TfidfClassifier().fit(TEXTS, labels)
    model.temperature = 1.7
    return model


MODELS = {
    "classes": (classifier, UNSEEN),
    "two classes": (lambda: classifier(["bom" if label == "bom" else "ruim" for label in LABELS]), UNSEEN),
    "pairs": (lambda: TfidfClassifier(1.0, balanced=False).fit(PAIRS, LABELS), PAIRS[::-1]),
    "labels": (
        lambda: TfidfLabels(["a", "todos", "nenhum", "z"]).fit(
            TEXTS, [["todos", *("az"[len(text) % 2])] for text in TEXTS]
        ),
        UNSEEN,
    ),
    "numbers": (
        lambda: TfidfRidge().fit(TEXTS, np.array([[len(text), text.count(" ")] for text in TEXTS], float)),
        UNSEEN,
    ),
    "tags": (lambda: LinearTagger().fit(WORDS, TAGS), [*WORDS, ["Ana", "Σ", "mora", "em", "Natal"], []]),
    "first": (lambda: LeadSentences().fit(DOCUMENTS, SUMMARIES), DOCUMENTS),
    "central": (lambda: Centroid().fit(DOCUMENTS, SUMMARIES), [*DOCUMENTS, "Uma frase nova. Obra nova.", ""]),
}
"""Makes each model, and texts for it."""


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {name: make() for name, (make, _) in MODELS.items()}


@pytest.mark.parametrize("rows", [5, 1200])
def test_vectors_are_those_of_scikit_learn(rows):
    texts = (TEXTS * 120)[:rows] + ["só uma vez"]
    least = 2 if rows > 1000 else 1
    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True, min_df=least),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=least),
    ).fit(texts)
    vectors = Vectors.fit(texts)
    assert [*vectors.sides[0]["words"], *vectors.sides[0]["characters"]] == [
        name.partition("__")[2] for name in union.get_feature_names_out()
    ]
    everything = [*texts[:12], *UNSEEN[:-1]]
    assert abs(vectors.matrix(everything) - union.transform(everything)).max() < 1e-12


VECTORS = Vectors.fit(TEXTS)
UNION = make_union(
    TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True),
    TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
).fit(TEXTS)


@given(st.lists(st.sampled_from([*"abom .,!\n\t\u00a0\u2028\u0301ÉéßİΣ😡_", "bom ", "produto"]), max_size=20))
def test_any_text_has_the_vector_of_scikit_learn(parts):
    text = "".join(parts)
    assert abs(VECTORS.matrix([text]) - UNION.transform([text])).max() < 1e-12


def test_probabilities_are_those_of_scikit_learn():
    matrix = UNION.transform(TEXTS)
    for labels in (LABELS, ["bom" if label == "bom" else "ruim" for label in LABELS]):
        model = TfidfClassifier(3.0).fit(TEXTS, labels)
        theirs = LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000).fit(matrix, labels)
        expected = theirs.predict_proba(UNION.transform(UNSEEN[:-1]))
        assert model.predict_proba(UNSEEN[:-1]) == pytest.approx(expected, abs=1e-6)
        logits = model.log_odds(UNSEEN)
        model.temperature = 2.0
        assert model.log_odds(UNSEEN) == pytest.approx(logits / 2)
        assert model.predict(UNSEEN) == [model.classes[index] for index in logits.argmax(axis=1)]


def test_labels_that_all_texts_have_or_none_are_probable_and_improbable(models):
    probabilities = models["labels"].predict_proba(UNSEEN)
    assert (probabilities[:, 1] > 0.9).all() and (probabilities[:, 2] < 0.1).all()
    assert all(labels in (["a", "todos"], ["todos", "z"]) for labels in models["labels"].predict(TEXTS))


def test_the_most_central_sentences_are_chosen_as_many_as_fit_best():
    central = Centroid().fit(DOCUMENTS[1:], SUMMARIES[1:])
    assert central.count == 1
    assert central.predict(DOCUMENTS[1:]) == ["O prefeito visitou a obra da ponte."]
    assert Centroid().fit(DOCUMENTS[:1], SUMMARIES[:1]).predict(DOCUMENTS[:1]) == [
        "O prefeito anunciou a obra da ponte. A ponte custa dez mil."
    ]
    assert central.predict(["", "  ", "!!! ???", "Só uma."]) == ["", "", "!!! ???", "Só uma."]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_loaded_predicts_the_same_and_is_saved_as_the_same_bytes(name, models, tmp_path):
    model, texts = models[name], MODELS[name][1]
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    assert list(map(list, loaded.predict(texts))) == list(map(list, model.predict(texts)))
    if hasattr(model, "predict_proba"):
        assert np.array_equal(loaded.predict_proba(texts), model.predict_proba(texts))
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    written = {path.name: path.read_bytes() for path in again.iterdir()}
    assert written and written == {
        path.name: path.read_bytes() for path in tmp_path.iterdir() if path != again
    }


FRESH = """
import sys
from pathlib import Path
from autotune.baselines.tfidf import TfidfClassifier
print(TfidfClassifier.load(Path(sys.argv[1])).predict_proba(["muito RUIM", "não gostei do prazo..."]).tolist())
print([name for name in ("sklearn", "scipy", "torch", "transformers", "datasets", "pyarrow") if name in sys.modules])
"""


def test_a_fresh_process_predicts_the_same_with_numpy_alone(models, tmp_path):
    models["classes"].save(tmp_path)
    done = subprocess.run([sys.executable, "-c", FRESH, tmp_path], capture_output=True, text=True, check=True)
    probabilities, loaded = map(json.loads, done.stdout.splitlines())
    assert loaded == []
    assert probabilities == models["classes"].predict_proba(["muito RUIM", "não gostei do prazo..."]).tolist()


def refused(kind: Any, folder: Path) -> str:
    """The words with which a model is refused."""
    with pytest.raises(ModelError) as caught:
        type(kind).load(folder)
    assert caught.value.where.startswith(str(folder)) and caught.value.fix
    return f"{caught.value.what}: {caught.value.found}"


@pytest.mark.parametrize("name", ["classes", "tags", "central"])
def test_every_flipped_bit_is_refused(name, models, tmp_path):
    """In the header and the vocabulary of all, and of the weights."""
    models[name].save(tmp_path)
    for file in (VOCABULARY, WEIGHTS):
        intact = (tmp_path / file).read_bytes()
        for position in np.linspace(0, len(intact) * 8 - 1, 97, dtype=int).tolist():
            flipped = bytearray(intact)
            flipped[position // 8] ^= 1 << position % 8
            (tmp_path / file).write_bytes(flipped)
            refused(models[name], tmp_path)
        for size in (0, 7, len(intact) // 2, len(intact) - 1):
            (tmp_path / file).write_bytes(intact[:size])
            refused(models[name], tmp_path)
        (tmp_path / file).unlink()
        assert refused(models[name], tmp_path).startswith(f"there is no {file}")
        (tmp_path / file).write_bytes(intact)
    type(models[name]).load(tmp_path)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda values: values.pop(key)


TENSORS: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "missing": ("classes", without("idf"), "holds the tensors coefficients, intercept, not"),
    "another": ("classes", lambda tensors: tensors.update(more=np.zeros(2)), "intercept, more, not"),
    "shape": ("classes", lambda tensors: tensors.update(idf=tensors["idf"][:, None]), "idf has the shape"),
    "fewer": ("classes", lambda tensors: tensors.update(idf=tensors["idf"][1:]), "idf has the shape"),
    "type": (
        "classes",
        lambda tensors: tensors.update(idf=tensors["idf"].astype("f4")),
        "idf has the type F32",
    ),
    "small": (
        "tags",
        lambda tensors: tensors.update(emission=tensors["emission"].astype("i1")),
        "the type I8",
    ),
    "NaN": ("classes", lambda tensors: tensors["idf"].__setitem__(3, np.nan), "not finite"),
    "infinite": ("pairs", lambda tensors: tensors["coefficients"].__setitem__((0, 0), -np.inf), "not finite"),
    "huge": (
        "tags",
        lambda tensors: tensors.update(transition=tensors["transition"] + np.int64(2**50)),
        "too large",
    ),
    "negative": ("central", lambda tensors: tensors["frequencies"].__setitem__(0, -1), "too small"),
    "other": ("classes", lambda tensors: tensors["idf"].__setitem__(0, 1.0), "its checksum is not that"),
}
"""Changes of the tensors of a model, and how they are refused."""


@pytest.mark.parametrize("change", TENSORS)
def test_tensors_that_do_not_fit_are_refused(change, models, tmp_path):
    name, damage, words = TENSORS[change]
    models[name].save(tmp_path)
    tensors = {key: value.copy() for key, value in load_file(tmp_path / WEIGHTS).items()}
    damage(tensors)
    (tmp_path / WEIGHTS).write_bytes(save(tensors, {"sha256": "0" * 64}))
    assert words in refused(models[name], tmp_path)


@pytest.mark.parametrize("elements", [10**12, 2**62, 2**64])
def test_a_header_that_promises_too_much_allocates_nothing(elements, models, tmp_path):
    models["classes"].save(tmp_path)
    entry = {"dtype": "F64", "shape": [elements], "data_offsets": [0, 8 * elements]}
    header = json.dumps({"idf": entry, "coefficients": entry, "intercept": entry}).encode()
    (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)
    assert "Error while deserializing header" in refused(models["classes"], tmp_path)
    (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", elements % 2**64) + header)
    refused(models["classes"], tmp_path)


def test_a_file_of_terabytes_is_not_read(models, tmp_path):
    """A file with a hole: its header fits the vocabulary, and its length the header."""
    names = 30_000
    labels = json.dumps({"labels": [f"l{number}" for number in range(names)],
                         "sides": [{"words": [f"w{number}" for number in range(names)], "characters": []}]})  # fmt: skip
    (tmp_path / VOCABULARY).write_text(labels)
    header, end = {}, 0
    for name, dtype, shape, size in (
        ("idf", "F64", [names], 8), ("coefficients", "F32", [names, names], 4), ("intercept", "F64", [names], 8),
    ):  # fmt: skip
        begin, end = end, end + size * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with (tmp_path / WEIGHTS).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    assert "more than 2,000,000,000 bytes" in refused(models["labels"], tmp_path)


SIDES = [{"words": ["a"], "characters": []}]
VALUES: dict[str, tuple[str, dict[str, Any], str]] = {
    "twice": ("classes", {"sides": [{"words": ["a", "b", "a"], "characters": []}]}, "'a' occurs twice"),
    "number": ("classes", {"sides": [{"words": ["a", 1], "characters": []}]}, "sides.0.words.1"),
    "null": ("classes", {"sides": [{"words": None, "characters": []}]}, "sides.0.words"),
    "no side": ("classes", {"sides": []}, "sides"),
    "three sides": ("classes", {"sides": SIDES * 3}, "sides"),
    "another number of sides": ("pairs", {"sides": SIDES}, "has the shape"),
    "one class": ("classes", {"classes": ["bom"]}, "classes"),
    "class twice": ("classes", {"classes": ["bom", "ruim", "bom"]}, "'bom' occurs twice"),
    "no classes": ("classes", {"classes": "bom"}, "classes"),
    "temperature": ("classes", {"temperature": 0}, "temperature"),
    "text": ("classes", {"temperature": "1.0"}, "temperature"),
    "infinite": ("classes", {"temperature": float("inf")}, "Infinity"),
    "targets": ("numbers", {"targets": 10**12}, "targets"),
    "half": ("numbers", {"targets": 1.5}, "targets"),
    "label": ("labels", {"labels": ["\ud800"]}, "surrogates not allowed"),
    "tags": ("tags", {"tags": []}, "tags"),
    "features": ("tags", {"features": ["", "x"]}, "features.0"),
    "sentences": ("first", {"sentences": 0}, "sentences"),
    "more sentences": ("central", {"sentences": 10**9}, "sentences"),
    "words": ("central", {"words": {"a": 1}}, "words"),
}
"""Changes of the JSON of a model, and how they are refused."""


@pytest.mark.parametrize("change", VALUES)
def test_a_vocabulary_that_does_not_fit_is_refused(change, models, tmp_path):
    name, values, words = VALUES[change]
    models[name].save(tmp_path)
    (path,) = tmp_path.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    assert words in refused(models[name], tmp_path)


def test_files_of_two_models_are_refused(models, tmp_path):
    models["classes"].save(tmp_path)
    other = TfidfClassifier().fit(TEXTS, ["x" if label == "bom" else label for label in LABELS])
    weights = (tmp_path / WEIGHTS).read_bytes()
    other.save(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(weights)
    assert "its checksum is not that" in refused(other, tmp_path)
