"""Figures of the report against values computed by hand, and its texts against the template."""

import re
from importlib.resources import files
from string import Formatter

import numpy as np
import pytest

from autotune.reporting import charts
from autotune.reporting.classes import Classes
from autotune.reporting.curves import shorten
from autotune.reporting.entities import Span, errors, marked, spans
from autotune.reporting.summaries import novel_share, overlap
from autotune.reporting.texts import catalogue


def test_spans_are_those_of_the_strict_score():
    tags = ["I-PER", "B-PER", "I-PER", "I-LOC", "B-LOC", "B-LOC", "O", "B-ORG"]
    assert list(spans(tags)) == [Span(1, 3, "PER"), Span(4, 5, "LOC"), Span(5, 6, "LOC"), Span(7, 8, "ORG")]


@pytest.mark.parametrize(
    ("predicted", "kinds"),
    [
        ([Span(1, 3, "PER")], []),
        ([Span(1, 2, "PER")], ["boundary"]),
        ([Span(1, 3, "LOC")], ["type"]),
        ([Span(0, 2, "LOC")], ["type and boundary"]),
        ([], ["missed"]),
        ([Span(5, 6, "PER")], ["missed", "spurious"]),
    ],
)
def test_errors_of_entities_by_kind(predicted, kinds):
    assert list(errors([Span(1, 3, "PER")], predicted)) == kinds


def test_a_marked_sentence_keeps_every_word():
    words = ["A", "Câmara", "de", "São", "Luís", "aprovou"]
    segments = marked(words, [Span(3, 5, "LOCAL")])
    assert " ".join(segment.text for segment in segments) == " ".join(words)
    assert [segment.text for segment in segments if segment.label == "LOCAL"] == ["São Luís"]


def test_calibration_and_errors_of_classes():
    rows = [("a", "a", 0.9), ("b", "a", 0.9), ("b", "b", 0.6), ("b", "a", 0.7)]
    analysis = Classes("label", ["a", "b"])
    for number, (gold, predicted, confidence) in enumerate(rows):
        other = "b" if predicted == "a" else "a"
        probabilities = {predicted: confidence, other: 1 - confidence}
        analysis.add(number, {"id": str(number), "text": "uma frase", "label": gold, "prediction": predicted,
                              "probabilities": probabilities})  # fmt: skip
    results = analysis.results(seed=1)
    # Bins: 0.9 twice, half right; 0.6, right; 0.7, wrong.
    assert results["ece"] == pytest.approx((2 * 0.4 + 0.4 + 0.7) / 4)
    assert [row["id"] for row in results["errors"]] == ["1", "3"]


def test_intervals_of_a_class_hold_its_f1():
    counts, generator = Classes("label", ["a", "b"]), np.random.default_rng(0)
    hits = 0
    for number in range(400):
        right = generator.random() < 0.8
        hits += right
        counts.add(number, {"label": "a", "prediction": "a" if right else "b"})
    low, high = counts.results(seed=1)["f1_intervals"]["a"]
    f1 = 2 * hits / (400 + hits)
    spread = 1.96 * 2 * 400 / (400 + hits) ** 2 * (hits * (1 - hits / 400)) ** 0.5  # delta method
    assert (low, high) == pytest.approx((f1 - spread, f1 + spread), abs=0.006)


def test_overlap_and_novel_n_grams():
    assert overlap(["o", "time", "venceu"], ["o", "time", "perdeu"]) == pytest.approx(2 / 3)
    assert novel_share("o time venceu bem", "o time venceu o jogo", 1) == pytest.approx(1 / 4)
    assert novel_share("o time venceu bem", "o time venceu o jogo", 2) == pytest.approx(1 / 3)
    assert novel_share("", "o time", 1) is None


def test_long_curves_are_averaged():
    points = shorten([(step, float(step % 2)) for step in range(1000)], most=100)
    assert len(points) == 100 and {y for _, y in points} == {0.5}


def test_charts_take_their_colors_from_the_page():
    drawn = charts.bars("<título>", {"<a>": {"$x$ & <b>": 1}, "b": {"$x$ & <b>": 2}}, "x", "y")
    assert "var(--c1)" in drawn and "var(--c2)" in drawn and "#0000" not in drawn
    assert "&lt;título&gt;" in drawn and "$x$ &amp; &lt;b&gt;" in drawn and "<b>" not in drawn


def test_every_text_is_used_and_exists_in_both_languages():
    template = files("autotune").joinpath("assets", "report", "report.html.jinja").read_text("utf-8")
    for key, text in catalogue().items():
        assert set(text) == {"pt", "en"}, key
        names = [{name for _, name, _, _ in Formatter().parse(text[language]) if name} for language in text]
        assert names[0] == names[1], key
    code = "".join(
        file.read_text("utf-8") for file in files("autotune.reporting").iterdir() if file.is_file()
    )
    remarks = set(re.findall(r"""Remark\(\s*\w+, "(\w+)\"""", code))
    assert remarks and remarks <= set(catalogue())
    assert set(re.findall(r"""\bt\("([\w]+)"[,)]""", template)) <= set(catalogue())
