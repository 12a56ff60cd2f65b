"""Baselines as files: what is loaded predicts the same without scikit-learn, and damaged files are refused in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from autotune.baselines import saved
from autotune.baselines.tfidf import TfidfClassifier, TfidfLabels, TfidfRidge
from autotune.baselines.vectors import Vectors

TEXTS = [
    "O produto é ótimo, chegou antes do prazo!", "Péssimo: veio quebrado, e ninguém respondeu.",
    "Recomendo :) muito bom mesmo", "Não recomendo; material ruim", "Bom. Bom. Bom!", "ruim demais 😡",
    "Entrega rápida e produto bonito", "a b", "Horrível, nunca mais", "Gostei bastante da cor",
]  # fmt: skip
LABELS = ["bom", "ruim", "bom", "ruim", "bom", "ruim", "bom", "neutro", "ruim", "bom"]
UNSEEN = ["muito RUIM", "produto  ótimo e\tbonito", "", "xyz", "não gostei do prazo...", "é " * 4000]
PAIRS = list(zip(TEXTS, TEXTS[3:] + TEXTS[:3], strict=True))


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
}
"""Makes each model, and texts for it."""


def outputs(model, texts):
    return model.predict(texts) if isinstance(model, TfidfRidge) else model.predict_proba(texts)


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


@pytest.mark.parametrize("name", MODELS)
def test_what_is_loaded_predicts_the_same_and_is_saved_as_the_same_bytes(name, tmp_path):
    make, texts = MODELS[name]
    model = make()
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    assert (outputs(loaded, texts) == outputs(model, texts)).all()
    assert np.array_equal(loaded.predict(texts), model.predict(texts))
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    for file in (saved.WEIGHTS, saved.VOCABULARY):
        assert (again / file).read_bytes() == (tmp_path / file).read_bytes()
