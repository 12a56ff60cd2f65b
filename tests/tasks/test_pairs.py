"""Pairs of texts: the tokenizer's own template, windows over the longer text, and what comes of them."""

import pytest
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.baselines.vectors import Vectors
from autotune.data.duplicates import without_repeats
from autotune.data.noise import changed_rows, noises
from autotune.errors import DataError

ROWS = [
    {"id": "a", "text": "Choveu em São Luís.", "text_pair": "Houve chuva.", "label": "sim"},
    {"id": "b", "text": "O céu está azul.", "text_pair": "Houve chuva.", "label": "não"},
]
KINDS = ["bert", "roberta", "deberta", "t5", "gpt2", "llama"]
TEXTS = st.text(alphabet="aeoãçé bmd.,!", min_size=1, max_size=60).filter(str.strip)


@pytest.fixture(scope="module", params=KINDS)
def task(request, make_task):
    """A classification of pairs on each kind of tokenizer."""
    return make_task("classification", ROWS, request.param, max_length=24)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TEXTS, second=TEXTS)
def test_the_first_window_is_what_the_tokenizer_makes_of_the_pair(task, first, second):
    row = {"id": "x", "text": first, "text_pair": second}
    feature = next(iter(task.prepare([row])))
    expected = task.tokenizer(first, second, truncation=True, max_length=24)
    assert feature["input_ids"] == expected["input_ids"]
    if getattr(task.base.config, "type_vocab_size", 0) > 1:
        assert feature["token_type_ids"] == expected["token_type_ids"]
        assert set(feature["token_type_ids"]) == {0, 1}
    else:
        assert "token_type_ids" not in feature


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(longer=st.integers(1, 90), shorter=st.integers(1, 40), swapped=st.booleans())
def test_windows_cover_the_longer_text_and_keep_the_other(task, longer, shorter, swapped):
    texts = ["bom " * longer, "mau " * shorter]
    first, second = reversed(texts) if swapped else texts
    row = {"id": "x", "text": first.strip(), "text_pair": second.strip()}
    windows = list(task.prepare([row]))
    ids = sorted(task.encoder.ids([row["text"], row["text_pair"]]), key=len)
    room = task.encoder.max_content_tokens(24, 2)
    kept = min(len(ids[0]), room // 2)
    assert all(len(window["input_ids"]) <= 24 for window in windows)
    assert sum(window["weight"] for window in windows) == pytest.approx(1)
    # The other text is the same in all windows, and each token of the longer one is in at least one of them.
    assert windows[0]["lost"] == len(ids[0]) - kept and windows[0]["length"] == sum(map(len, ids)) + 24 - room
    read = sum(len(window["input_ids"]) - (24 - room) - kept for window in windows)
    assert read >= len(ids[1])
    if len(ids[0]) + len(ids[1]) <= room:
        assert len(windows) == 1


def test_too_long_a_pair_is_refused_or_cut_and_counted(make_task):
    long = [{**ROWS[0], "text": "céu " * 50}, ROWS[1]]
    cut = make_task("classification", long, max_length=24, on_overflow="truncate")
    (feature, _) = cut.prepare(long)
    whole = sum(map(len, cut.encoder.ids([long[0]["text"], long[0]["text_pair"]])))
    assert feature["lost"] == whole - cut.encoder.max_content_tokens(24, 2)
    features = Dataset.from_list(list(cut.prepare(long)))
    assert cut.length_report(Dataset.from_list(long), features).lost == {"tokens": sum(features["lost"])}
    with pytest.raises(DataError, match="row 0"):
        list(make_task("classification", long, max_length=24, on_overflow="error").prepare(long))


def test_added_positions_of_a_batch_have_type_0(make_task):
    task = make_task("classification", ROWS)
    batch = task.collate(list(task.prepare(ROWS))).pad_to_multiple(64, 7)
    assert batch.inputs["token_type_ids"].shape == batch.inputs["input_ids"].shape == (2, 64)
    assert not batch.inputs["token_type_ids"][:, 40:].any() and (batch.inputs["input_ids"][:, 60:] == 7).all()


def test_predictions_and_the_pipeline_have_both_texts(make_task):
    task = make_task("classification", ROWS)
    assert task.in_pipeline(ROWS[0]) == {"text": ROWS[0]["text"], "text_pair": ROWS[0]["text_pair"]}
    assert task.identification(ROWS[0]) == ROWS[0]


def test_vectors_of_pairs_tell_which_text_a_word_is_in_and_how_much_they_share():
    pairs = [("a casa azul", "a casa"), ("a casa", "a casa azul"), ("um dois", "três")]
    first, second, apart = Vectors.fit(pairs).matrix(pairs).toarray()
    assert (first != second).any()
    assert first[-4:].tolist() == pytest.approx([2 / 3, 2 / 3, 1, 6 / 11])
    assert apart[-4:-1].tolist() == [0, 0, 0]


def test_repeats_are_repeats_of_the_pair():
    rows = Dataset.from_list(
        [ROWS[0], {**ROWS[0], "text_pair": "Outra."}, {**ROWS[0], "text": "CHOVEU em sao luis"}]
    )
    assert without_repeats(rows, "text")["text_pair"][:] == ["Houve chuva.", "Outra."]


def test_noise_changes_both_texts(make_task):
    task = make_task("classification", ROWS)
    small = next(noise for noise in noises() if noise.name == "small letters")
    (first, _) = changed_rows(small, Dataset.from_list(ROWS), task.columns, 0)
    assert (first["text"], first["text_pair"]) == ("choveu em são luís.", "houve chuva.")
