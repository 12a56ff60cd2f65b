"""Changes of Portuguese texts: what they do, that they are the same every time, and that tags keep their words."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from autotune.config.columns import Column, Kind
from autotune.data.noise import changed_rows, noises, other_spelling
from tests.tasks.conftest import words_row

NOISES = {noise.name: noise for noise in noises()}
NER = (Column("tokens", Kind.words), Column("tags", Kind.tags, target=True))
TEXT = "Você não vai acreditar: a ação econômica do António foi ÓTIMA! Custou R$ 10,50 (loja.com) @joão"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("without accents", "Voce nao vai acreditar: a acao economica do Antonio foi OTIMA! Custou R$ 10,50 (loja.com) @joão"),
        ("small letters", "você não vai acreditar: a ação econômica do antónio foi ótima! custou r$ 10,50 (loja.com) @joão"),
        ("spelling of Portugal or Brazil",
         "Você não vai acreditar: a acção económica do Antônio foi ÓPTIMA! Custou R$ 10,50 (loja.com) @joão"),
    ],
)  # fmt: skip
def test_a_text_keeps_all_but_what_is_changed(name, expected):
    assert NOISES[name].text(TEXT, np.random.default_rng(0)) == expected


def test_messages_are_short_and_without_punctuation():
    text = NOISES["social media"].text(TEXT, np.random.default_rng(3))
    assert text.startswith("Vc n vai ") and "10,50" in text and "loja.com" in text
    assert not set("!:()") & set(text)


def test_typos_are_few_and_the_same_again():
    text = " ".join(["maravilhoso"] * 400)
    typed = NOISES["typos"].text(text, np.random.default_rng(1))
    wrong = [word for word in typed.split() if word != "maravilhoso"]
    assert 30 < len(wrong) < 90 and all(9 < len(word) < 13 for word in wrong)
    assert typed == NOISES["typos"].text(text, np.random.default_rng(1))


@given(
    st.sampled_from(sorted(NOISES)),
    st.lists(st.text(st.sampled_from("ãéçAbn.-1´Ω"), min_size=1, max_size=6) | st.sampled_from(["não", "econômico"]),
             min_size=1, max_size=8),
)  # fmt: skip
def test_each_word_keeps_its_tag_and_its_place(name, words):
    row = words_row(0, words, ["O"] * len(words))
    (changed,) = changed_rows(NOISES[name], Dataset.from_list([row]), NER, seed=1)
    if changed is None:
        return
    assert (
        changed["tokens"] != words and len(changed["tokens"]) == len(words) and changed["tags"] == row["tags"]
    )
    for word, start in zip(changed["tokens"], changed["starts"], strict=True):
        assert word and changed["text"][start : start + len(word)] == word


def test_a_row_does_not_depend_on_the_rows_before_it_and_gold_values_stay():
    columns = (Column("document", Kind.text), Column("summary", Kind.text, target=True))
    rows = [
        {"document": f"Uma notícia número {number} da câmara", "summary": "Notícia"} for number in range(9)
    ]
    data = Dataset.from_list(rows)
    for noise in noises():
        changed = list(changed_rows(noise, data, columns, seed=5))
        assert changed == list(changed_rows(noise, data, columns, seed=5))
        assert all(row is None or row["summary"] == "Notícia" for row in changed)
    assert list(changed_rows(NOISES["spelling of Portugal or Brazil"], data, columns, 5)) == [None] * 9


@pytest.mark.parametrize(
    ("brazil", "portugal"),
    [
        ("fato", "facto"),
        ("Amazônia", "Amazónia"),
        ("gênero", "género"),
        ("registro", "registo"),
        ("BEBÊ", "BEBÉ"),
    ],
)
def test_spellings_are_exchanged_in_both_directions(brazil, portugal):
    assert other_spelling(brazil) == portugal and other_spelling(portugal) == brazil
    assert other_spelling("fêmea") == "fêmea" and other_spelling("casa") == "casa"
