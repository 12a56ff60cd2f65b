"""Offsets lead into the text that was given, whatever a normal form does to it."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.given import Alignment, as_given
from autotune.data.sources import load_file
from autotune.data.texts import rows_from_texts
from autotune.registry import task
from autotune.tasks.base import FeatureOutput

TEXTS = {
    "decomposed": "Joa\u0303o mora em Sa\u0303o Lui\u0301s.",
    "several marks, not in order": "A\u0301\u0327ngelo q\u0307\u0323 Sa\u0303o",
    "longer in NFC": "\u0958लम, \u0958 Ana",
    "Hangul": "\u1112\u1161\u11ab\u1100\u1173\u11af Ana",
    "emoji": "👩\u200d👩\u200d👧 Joa\u0303o 👍🏽 Sa\u0303o",
    "a mark first": "\u0301Ana foi",
    "small dotted i": "I\u0307zmir e \u0130zmir, straße, STRASSE",
    "byte order mark": "\ufeffJoa\u0303o\ufeff viu\ufeff\ufeffAna",
    "line ends": "Joa\u0303o\r\nviu\r\n\r\nAna\t\u00a0a\u200bb\r",
    "ligatures": "o \ufb01m da \ufb03nada e \u00bd \u3323 nº 10ª",
    "half a character": "Ana \ud83d viu Joa\u0303o",
    "plain": "Ana viu João.",
}
NER, SENTIMENT = task("ner"), task("sentiment")
LETTERS = st.text(
    st.sampled_from("ab \u0301\u0327\u0323\u0958\u1100\u1161\u11a8\ufb03\u00bd\u0130ß\ufeff.\n👍\u1e9b"),
    max_size=14,
)


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
@settings(max_examples=60, deadline=None)
@given(LETTERS)
def test_pieces_are_normalised_by_themselves(form, text):
    alignment = Alignment(text, form)
    assert alignment.text == unicodedata.normalize(form, text)
    for start in range(len(alignment.text)):
        for end in range(start + 1, len(alignment.text) + 1):
            first, last = alignment.span(start, end)
            assert 0 <= first < last <= len(text)
            assert alignment.text[start:end] in unicodedata.normalize(form, text[first:last])


@pytest.mark.parametrize("form", ["nfc", "nfkc", "none"])
@pytest.mark.parametrize("what", TEXTS)
def test_each_word_is_at_its_offsets_in_the_text_of_a_file(tmp_path, what, form):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"text": TEXTS[what]}) + "\n", encoding="utf-8")
    config = DatasetConfig(path="train", format=Format.jsonl, normalize=form)
    (row,) = load_file(str(file), config, NER.columns, cache=tmp_path / "cache", given=True)
    text = as_given(row, "text")
    assert text == TEXTS[what].replace("\ud83d", "\ufffd")
    starts = row["starts"] if row["given_starts"] is None else row["given_starts"]
    ends = row["given_ends"] or [start + len(word) for start, word in zip(starts, row["tokens"], strict=True)]
    normal = "NFKC" if form == "nfkc" else "NFC"
    for word, start, end in zip(row["tokens"], starts, ends, strict=True):
        assert word in unicodedata.normalize(normal, text[start:end]) or form == "none"
        assert not text[start:end].startswith("\ufeff") and not text[start:end].endswith("\ufeff")


@pytest.mark.parametrize("what", TEXTS)
def test_entities_cut_themselves_out_of_the_text_that_was_given(make_task, what):
    own = make_task(
        "ner",
        [{"id": "0", "text": "Ana foi", "tokens": ["Ana", "foi"], "starts": [0, 4], "tags": ["B-P", "O"]}],
    )
    (row,) = rows_from_texts([TEXTS[what]], own.columns, given=True)
    words = list(range(len(row["tokens"])))
    answers = (words, [own.ids["B-P"]] * len(words), [1.0] * len(words))
    (prediction,) = own.join([row], [FeatureOutput(0, 0, answers)])
    assert prediction["text"] == TEXTS[what].replace("\ud83d", "\ufffd")
    assert [one["text"] for one in prediction["entities"]] == prediction["tokens"]
    for word, one in zip(row["tokens"], prediction["entities"], strict=True):
        cut = prediction["text"][one["start"] : one["end"]]
        assert one["text"] == cut and word in unicodedata.normalize("NFC", cut)


def test_words_that_were_given_are_printed_as_they_were(make_task, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"tokens": ["Joa\\u0303o", "viu", "Sa\\u0303o"]}\n', encoding="utf-8")
    (row,) = load_file(str(file), DatasetConfig(path="x"), NER.columns, cache=tmp_path, given=True)
    assert row["tokens"] == ["João", "viu", "São"] and row["given_text"] == "Joa\u0303o viu Sa\u0303o"
    assert [row["given_text"][a:b] for a, b in zip(row["given_starts"], row["given_ends"], strict=True)] == [
        "Joa\u0303o", "viu", "Sa\u0303o",
    ]  # fmt: skip


def test_a_class_is_told_beside_the_text_that_was_given(make_task):
    own = make_task("sentiment", [{"id": str(n), "text": t, "label": t} for n, t in enumerate("ab")])
    (row,) = rows_from_texts([TEXTS["decomposed"]], own.columns, given=True)
    assert row["text"] == "João mora em São Luís."
    (prediction,) = own.join([row], [FeatureOutput(0, 0, np.zeros(2))])
    assert prediction["text"] == TEXTS["decomposed"]
