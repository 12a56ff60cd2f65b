"""Words and entities: offsets to tags and back, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.data.words import Span, entities, split_words, words_from_spans
from autotune.errors import DataError

TEXTS = st.text(st.sampled_from("aãÉ9 .,-\n\u00a0º€😀\u200b"), max_size=40)


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text)]


def test_words_are_runs_of_letters_and_digits_and_each_other_sign():
    expected = ["Não", ":", "o", "nº", "1", ".", "º", "(", "pão", "-", "de", "-", "ló", ")", "…"]
    assert words("Não: o nº 1.º (pão-de-ló)…") == expected


@given(TEXTS)
def test_words_cover_all_that_is_not_blank_in_order(text):
    spans = split_words(text)
    assert "".join(text[start:end] for start, end in spans) == "".join(text.split())
    assert all(left[1] <= right[0] for left, right in zip(spans, spans[1:], strict=False))


def test_spans_become_tags():
    text = "Ana Sá vive em Natal-RN."
    tokens, starts, tags = words_from_spans(text, [Span(15, 20, "LOCAL"), Span(0, 6, "PESSOA")])
    assert tokens == ["Ana", "Sá", "vive", "em", "Natal", "-", "RN", "."]
    assert tags == ["B-PESSOA", "I-PESSOA", "O", "O", "B-LOCAL", "O", "O", "O"]
    assert [text[start : start + len(token)] for start, token in zip(starts, tokens, strict=True)] == tokens


def test_a_word_that_a_border_cuts_becomes_two():
    tokens, _, tags = words_from_spans("euroLisboa", [Span(4, 10, "LOCAL")])
    assert (tokens, tags) == (["euro", "Lisboa"], ["O", "B-LOCAL"])


@given(TEXTS, st.lists(st.tuples(st.integers(0, 40), st.sampled_from("PL")), max_size=8))
def test_no_entity_is_lost_and_none_is_moved(text, cuts):
    borders = sorted({min(cut, len(text)) for cut, _ in cuts})
    spans = [
        Span(start, end, "PL"[start % 2])
        for start, end in zip(borders, borders[1:], strict=False)
        if text[start:end].strip() and text[start:end] == text[start:end].strip()
    ]
    tokens, starts, tags = words_from_spans(text, spans)
    found = [
        Span(starts[first], starts[last - 1] + len(tokens[last - 1]), name)
        for name, first, last in entities(tags)
    ]
    assert found == spans


@pytest.mark.parametrize(
    ("spans", "part"),
    [
        ([Span(0, 4, "L"), Span(3, 8, "P")], "overlap"),
        ([Span(0, 4, "L"), Span(0, 4, "P")], "overlap"),
        ([Span(-1, 4, "L")], "-1..4"),
        ([Span(5, 99, "L")], "5..99"),
        ([Span(4, 4, "L")], "4..4"),
        ([Span(4, 5, "L")], "empty"),
    ],
)
def test_spans_that_fit_no_words_are_refused_with_their_offsets(spans, part):
    with pytest.raises(DataError, match=part):
        words_from_spans("João viu Belém", spans)


def test_entities_are_read_strictly():
    assert entities(["I-P", "B-P", "I-P", "I-L", "B-P", "B-P", "O"]) == [
        ("P", 1, 3),
        ("P", 4, 5),
        ("P", 5, 6),
    ]
    assert entities([]) == []
