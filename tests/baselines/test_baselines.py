"""The baselines: what they learn, that they decode legally, and that large data are read in part."""

from itertools import product

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from autotune.baselines.extracts import LeadSentences, extractive_oracle
from autotune.baselines.gazetteer import Gazetteer
from autotune.baselines.sample import note, sample
from autotune.baselines.tagger import LinearTagger, most_words, shape
from autotune.baselines.tfidf import TfidfClassifier
from autotune.data.words import entities

SENTENCES = [
    (
        ["Maria", "Silva", "mora", "em", "São", "Luís", "."],
        ["B-PES", "I-PES", "O", "O", "B-LOC", "I-LOC", "O"],
    ),
    (
        ["João", "Souza", "visitou", "Belém", "em", "maio", "."],
        ["B-PES", "I-PES", "O", "B-LOC", "O", "O", "O"],
    ),
    (["A", "chuva", "caiu", "em", "Belém", "."], ["O", "O", "O", "O", "B-LOC", "O"]),
    (["Pedro", "mora", "em", "Recife", "."], ["B-PES", "O", "O", "B-LOC", "O"]),
]
WORDS, TAGS = map(list, zip(*SENTENCES, strict=True))


def test_characters_find_words_that_train_spells_otherwise():
    texts = ["produto maravilhoso", "entrega maravilhosa", "produto horrível", "entrega horrível"] * 3
    model = TfidfClassifier().fit(texts, ["bom", "bom", "ruim", "ruim"] * 3)
    unseen = ["maravilhosamente", "horriveis"]
    assert model.predict(unseen) == ["bom", "ruim"]
    probabilities = model.predict_proba(unseen)
    assert probabilities.shape == (2, 2) and probabilities.sum(axis=1) == pytest.approx(1)


def test_the_tagger_learns_shapes_and_neighbours():
    tagger = LinearTagger().fit(WORDS, TAGS)
    assert tagger.predict(WORDS) == TAGS
    assert tagger.predict([["Ana", "mora", "em", "Natal", "."], []]) == [
        ["B-PES", "O", "O", "B-LOC", "O"],
        [],
    ]
    assert tagger.predict(WORDS) == LinearTagger().fit(WORDS, TAGS).predict(WORDS)
    assert [shape(word) for word in ("STF", "2024", "Luís", "art.")] == ["A+", "0+", "Aa+", "a+."]


@given(st.lists(st.sampled_from([word for words in WORDS for word in words] + ["de", "Ω"]), max_size=8))
def test_predicted_tags_are_legal(words):
    (tags,) = LEARNED.predict([words])
    before = ["O", *tags]
    assert len(tags) == len(words)
    assert all(left[1:] == tag[1:] != "" for left, tag in zip(before, tags, strict=False) if tag[0] == "I")


LEARNED = LinearTagger(epochs=1).fit(WORDS, TAGS)


@pytest.mark.parametrize("seed", range(5))
def test_decoding_finds_the_best_legal_sequence(seed):
    draw = np.random.default_rng(seed)
    count = len(LEARNED.tags)
    emission = draw.integers(-9, 9, size=(4, count))
    transition = draw.integers(-9, 9, size=(count + 1, count))
    scores = {
        tags: sum(emission[word, tag] for word, tag in enumerate(tags))
        + sum(transition[left, right] for left, right in zip((count, *tags), tags, strict=False))
        for tags in product(range(count), repeat=4)
        if len(entities([LEARNED.tags[tag] for tag in tags]))
        == sum(LEARNED.tags[tag][0] == "B" for tag in tags)
        and all(
            tag[0] != "I" or left[1:] == tag[1:]
            for left, tag in zip(
                ["O", *(LEARNED.tags[tag] for tag in tags)], [LEARNED.tags[tag] for tag in tags], strict=False
            )
        )
    }
    path = tuple(LEARNED._decode(np.arange(4)[:, None], emission, transition))
    assert scores[path] == max(scores.values())


def test_the_gazetteer_takes_the_longest_entity_and_leaves_common_words_out():
    rows = [
        ["Rio", "Branco", "e", "Rio"],
        ["o", "Rio", "subiu"],
        ["o", "maio", "foi", "frio"],
        ["maio"],
        ["maio"],
    ]
    tags = [["B-LOC", "I-LOC", "O", "B-LOC"], ["O", "B-LOC", "O"], ["O"] * 4, ["O"], ["B-TEMPO"]]
    gazetteer = Gazetteer().fit(rows, tags)
    assert gazetteer.predict([["em", "Rio", "Branco", "em", "maio"], ["Rio"], []]) == [
        ["O", "B-LOC", "I-LOC", "O", "O"], ["B-LOC"], [],
    ]  # fmt: skip


def test_the_number_of_first_sentences_is_the_one_that_fits_best():
    document = "A câmara aprovou a obra. O custo é de dez mil. Choveu muito. Ninguém viu."
    lead = LeadSentences().fit([document] * 3, ["A câmara aprovou a obra; o custo é de dez mil."] * 3)
    assert lead.count == 2
    assert lead.predict([document, ""]) == ["A câmara aprovou a obra. O custo é de dez mil.", ""]


def test_the_oracle_takes_the_sentences_that_the_reference_shares():
    document = "Choveu muito. A câmara aprovou a obra. Ninguém viu. O custo é de dez mil."
    reference = "O custo é de dez mil, e a câmara aprovou."
    assert extractive_oracle(document, reference) == "A câmara aprovou a obra. O custo é de dez mil."
    assert extractive_oracle(document, "???") == ""


def test_large_data_are_read_in_part_and_it_is_said():
    train = Dataset.from_dict({"text": ["x" * 10] * 100, "id": list(range(100))})
    whole = sample(train, "text", rows=100, units=1000)
    assert len(whole) == 100 and note(whole, train) is None
    assert note(sample(train, "text", rows=30, units=1000), train) == "trained on 30 of 100 rows"
    part = sample(train, "text", rows=100, units=455)
    assert len(part) == 45 and part["id"] == sample(train, "text", rows=100, units=455)["id"]
    assert part["id"] != list(range(45))
    assert len(sample(train, "text", rows=100, units=1)) == 1
    assert most_words(13) == most_words(20) == 10 * most_words(200)
