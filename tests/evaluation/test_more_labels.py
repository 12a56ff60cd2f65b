"""What twice as many rows would bring is what they bring."""

import numpy as np
import pytest

from autotune.evaluation.more_labels import gain_of_more_labels

WORDS = [f"palavra{number}" for number in range(200)]


def texts_of(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts of six words, most of which are more frequent in one of two classes: each has to be learned."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(2, size=count)
    halves = np.where(draw.random((count, 6)) < 0.7, labels[:, None], 1 - labels[:, None])
    texts = [
        " ".join(WORDS[2 * index + half] for index, half in zip(indices, line, strict=True))
        for indices, line in zip(draw.integers(100, size=(count, 6)), halves, strict=True)
    ]
    return texts, [["não", "sim"][label] for label in labels]


def test_few_rows_gain_much_and_learned_rows_gain_nothing():
    few = gain_of_more_labels(*texts_of(200, seed=2), seed=0)
    assert few is not None
    assert 0.02 < few.gain < 0.1
    assert 0 < few.low < few.gain < few.high
    assert [rows for rows, _ in few.curve] == [40, 80, 160]
    scores = [score for _, score in few.curve]
    assert scores == sorted(scores)
    easy = ["bom livro", "mau livro"] * 100
    learned = gain_of_more_labels(easy, ["sim", "não"] * 100, seed=0)
    assert learned is not None
    assert (learned.low, learned.gain, learned.high) == (0, 0, 0)


def test_the_same_rows_give_the_same_gain_and_pairs_are_texts_too():
    texts, labels = texts_of(80, seed=2)
    first, second = (gain_of_more_labels(texts, labels, seed=3) for _ in range(2))
    assert first == second
    pairs = [(text, text[::-1]) for text in texts]
    assert gain_of_more_labels(pairs, labels, seed=3) is not None


def test_it_ends_when_the_time_is_up():
    texts, labels = texts_of(80, seed=2)
    asked = iter([False] * 14 + [True])
    assert gain_of_more_labels(texts, labels, seed=3, expired=lambda: next(asked)) is None
    assert next(asked, None) is None, "asked before each of the 15 fits"


@pytest.mark.parametrize("labels", [["a", "b"] * 20, ["a"] * 80, ["a"] * 79 + ["b"]])
def test_too_few_rows_say_nothing(labels):
    assert gain_of_more_labels(["um texto"] * len(labels), labels, seed=0) is None
