"""What rows become: nulls, empty texts, Unicode, lists, spans, identifiers."""

import pytest

from autotune.config.column_names import ColumnsConfig
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.sources import load_file
from autotune.data.texts import rows_from_texts
from autotune.data.words import entities
from autotune.errors import DataError
from tests.data.conftest import COLUMNS

GOOD = [{"text": "bom filme", "label": "pos"}, {"text": "mau filme", "label": "neg"}]


def refused(load, task, path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(task, path, **options)
    return str(caught.value)


def test_rows_are_numbered_unless_the_data_have_identifiers(load, write):
    assert load("sentiment", write("a.jsonl", GOOD)).splits["train"]["id"][:] == ["0", "1"]
    named = [{"id": f"r{number}", "n": number, **row} for number, row in enumerate(GOOD, 7)]
    path = write("b.jsonl", named)
    assert load("sentiment", path).splits["train"]["id"][:] == ["r7", "r8"]
    assert load("sentiment", path, columns={"id": "n"}).splits["train"]["id"][:] == ["7", "8"]


def test_an_identifier_that_is_not_there_is_said(load, write):
    rows = load("sentiment", write("a.jsonl", GOOD), columns={"id": "idx"})
    assert rows.splits["train"]["id"][:] == ["0", "1"]
    assert any("no column idx" in note for note in rows.notes)


@pytest.mark.parametrize("label", [None, "", "  ", float("nan")])
def test_rows_without_a_label_are_refused_with_their_number_and_places(load, write, label):
    path = write("a.jsonl", [*GOOD, *[{"text": "x", "label": label}] * 9])
    message = refused(load, "sentiment", path)
    assert "9 rows have no label" in message
    assert "row 2" in message
    assert "row 8" not in message


def test_a_row_that_lacks_the_key_is_a_row_without_a_label(load, write):
    assert "row 2" in refused(load, "sentiment", write("a.jsonl", [*GOOD, {"text": "x"}]))


def test_labels_of_any_type_become_names(load, write):
    rows = [
        {"text": str(number), "label": label} for number, label in enumerate([1, 1.0, "1", -1, True, "não"])
    ]
    labels = load("sentiment", write("a.jsonl", rows)).splits["train"]["label"][:]
    assert labels == ["1", "1", "1", "-1", "True", "não"]


def test_ratings_are_mapped_and_null_drops_the_row_with_a_note(load, write):
    rows = [{"text": str(stars), "label": stars} for stars in (1, 2.0, "3", "5.0", 5)]
    mapped = {1: "negativo", "2": "negativo", 3: None, 5.0: "positivo"}
    made = load("sentiment", write("a.jsonl", rows), label_map=mapped)
    assert made.splits["train"]["label"][:] == ["negativo", "negativo", "positivo", "positivo"]
    assert made.splits["train"]["id"][:] == ["0", "1", "3", "4"]
    assert any("null: 1" in note for note in made.notes)


def test_empty_texts_are_dropped_from_train_and_kept_in_test(load, write):
    rows = [*GOOD, {"text": " \n", "label": "neg"}, {"text": None, "label": "pos"}]
    write("d/train.jsonl", rows)
    write("d/test.jsonl", rows)
    made = load("sentiment", write("d/validation.jsonl", rows).parent)
    assert {split: len(data) for split, data in made.splits.items()} == {
        "train": 2,
        "validation": 4,
        "test": 4,
    }
    assert made.splits["test"]["text"][-1] == ""
    assert [note for note in made.notes if "empty" in note] == [
        "train: rows with an empty text were dropped: 2 (row 2, row 3)"
    ]


def test_a_sentence_without_words_is_dropped_everywhere(load, write):
    rows = [{"tokens": ["Belém"], "tags": ["B-L"]}, {"tokens": [], "tags": []}]
    write("d/train.jsonl", rows)
    made = load("ner", write("d/test.jsonl", rows).parent)
    assert [len(data) for data in made.splits.values()] == [1, 1]
    assert {
        "train: rows without a word were dropped: 1 (row 1)",
        "test: rows without a word were dropped: 1 (row 1)",
    } <= set(made.notes)


def test_nothing_is_left_when_all_rows_are_empty_and_it_is_said_why(load, write):
    message = refused(load, "sentiment", write("a.jsonl", [{"text": "", "label": "x"}] * 3))
    assert "train has no rows" in message
    assert "empty text were dropped: 3" in message


def test_texts_and_labels_are_normalised(load, write):
    rows = [{"text": "na\u0303o", "label": "na\u0303o"}, {"text": "não", "label": "não"}]
    made = load("sentiment", write("a.jsonl", rows))
    assert set(made.splits["train"]["text"][:]) == set(made.splits["train"]["label"][:]) == {"não"}
    assert any("normal form NFC and were normalised: 1" in note for note in made.notes)


def test_half_a_character_is_replaced(load, write):
    path = write("a.jsonl", '{"text": "bom \\ud83d", "label": "pos"}\n{"text": "mau 😀", "label": "neg"}\n')
    made = load("sentiment", path)
    assert made.splits["train"]["text"][:] == ["bom \ufffd", "mau 😀"]
    assert any("U+FFFD: 1" in note for note in made.notes)


@pytest.mark.parametrize("row", [{"text": ["a", "b"], "label": "x"}, {"text": "a", "label": ["x", "y"]}])
def test_a_cell_with_several_values_is_refused(load, write, row):
    assert "row 2" in refused(load, "sentiment", write("a.jsonl", [*GOOD, row]))


def test_words_have_their_places_in_the_text(load, write):
    path = write("a.jsonl", [{"tokens": ["São", "Paulo", "."], "tags": ["B-L", "I-L", "O"]}])
    (row,) = load("ner", path).splits["train"]
    assert row == {
        "id": "0",
        "tokens": ["São", "Paulo", "."],
        "tags": ["B-L", "I-L", "O"],
        "text": "São Paulo .",
        "starts": [0, 4, 10],
    }


def test_lists_written_as_text_are_read(load, write):
    path = write("a.csv", "tokens;tags\n\"['O', 'João']\";\"['O', 'B-PER']\"\n")
    (row,) = load("ner", path).splits["train"]
    assert (row["tokens"], row["tags"]) == (["O", "João"], ["O", "B-PER"])


@pytest.mark.parametrize("cell", ["João viu", "[João, viu", "['João', open('x')]", "{'João'}", "3"])
def test_what_is_no_list_is_refused_and_never_run(load, write, cell):
    message = refused(load, "ner", write("a.csv", f"tokens;tags\n\"{cell}\";\"['O', 'O']\"\n"))
    assert "row 0" in message
    assert "tokens" in message


def test_words_and_tags_must_be_as_many(load, write):
    path = write("a.jsonl", [{"id": "s1", "tokens": ["a", "b"], "tags": ["O"]}])
    assert "2 words, 1 tags" in refused(load, "ner", path)
    assert "(id s1)" in refused(load, "ner", path)


SPANS = {
    "id": "d1",
    "text": "Ana Sá mora em Belém.",
    "spans": [{"start": 0, "end": 6, "label": "P"}, [15, 20, "L"]],
}


def test_spans_become_tags(load, write):
    (row,) = load("ner", write("a.jsonl", [SPANS]), format=Format.spans).splits["train"]
    assert row["tokens"] == ["Ana", "Sá", "mora", "em", "Belém", "."]
    assert row["tags"] == ["B-P", "I-P", "O", "O", "B-L", "O"]
    assert row["text"] == SPANS["text"]


def test_blanks_at_the_borders_of_spans_are_trimmed_and_counted(load, write):
    made = load(
        "ner", write("a.jsonl", [{"text": "em Belém .", "spans": [[2, 9, "L"]]}]), format=Format.spans
    )
    assert made.splits["train"][0]["tags"] == ["O", "B-L", "O"]
    assert any("trimmed: 1" in note for note in made.notes)


@pytest.mark.parametrize(
    ("spans", "parts"),
    [
        ([[0, 6, "P"], [4, 8, "L"]], ["overlap", "0..6", "4..8"]),
        ([[15, 99, "L"]], ["15..99"]),
        ([[6, 7, "L"]], ["empty", "6..7"]),
        ([[0, 6]], ["start, end, label"]),
        (None, ["no spans"]),
    ],
)
def test_spans_that_cannot_be_are_refused_with_their_row(load, write, spans, parts):
    path = write("a.jsonl", [SPANS, {"id": "d7", "text": SPANS["text"], "spans": spans}])
    message = refused(load, "ner", path, format=Format.spans)
    for part in ["row 1 (id d7)", *parts]:
        assert part in message


def test_a_text_that_is_missing_is_reported_not_read_as_empty(load, write):
    path = write("a.jsonl", [{"conteudo": "Belém", "spans": []}])
    assert "there is no column text" in refused(load, "ner", path, format=Format.spans)


def test_offsets_follow_the_normalised_text(load, write):
    text = "na\u0303o e\u0301 Bele\u0301m, na\u0303o"
    start = text.index("B")
    rows = [{"text": text, "spans": [[start, start + 6, "L"]]}]
    (row,) = load("ner", write("a.jsonl", rows), format=Format.spans).splits["train"]
    ((name, first, last),) = entities(row["tags"])
    assert (name, row["tokens"][first:last]) == ("L", ["Belém"])
    assert row["text"] == "não é Belém, não"
    for token, begin in zip(row["tokens"], row["starts"], strict=True):
        assert row["text"][begin : begin + len(token)] == token


@pytest.fixture
def predict(tmp_path_factory):
    """Rows of a file for prediction."""
    cache = tmp_path_factory.mktemp("cache")

    def rows(task: str, path, **options):
        columns = ColumnsConfig(**options.pop("columns", {}))
        return load_file(
            str(path), DatasetConfig(path="x", columns=columns, **options), COLUMNS[task], cache=cache
        )

    return rows


def test_for_prediction_every_row_is_kept_and_targets_may_be_missing(predict, write):
    rows = predict("sentiment", write("a.jsonl", [{"text": "não"}, {"text": ""}, {"text": None}, {}]))
    assert rows.column_names == ["id", "text"]
    assert rows["text"][:] == ["não", "", "", ""]


def test_for_prediction_gold_values_are_kept_where_there_are_some(predict, write):
    rows = [{"text": "a"}] * 1001 + [{"text": "b", "label": 1}]
    path = write("a.jsonl", [{"label": None, **row} for row in rows])
    assert predict("sentiment", path, label_map={1: "bom"})["label"][-2:] == [None, "bom"]


def test_for_prediction_words_come_from_text_from_lists_or_from_columns(predict, write):
    assert predict("ner", write("a.csv", "text\nAna Sá.\n"))[0]["tokens"] == ["Ana", "Sá", "."]
    assert predict("ner", write("a.jsonl", [{"tokens": ["Ana", "Sá."]}]))[0]["tokens"] == ["Ana", "Sá."]
    assert predict("ner", write("a.conll", "Ana\nSá\n\nfim\n"))["tokens"][:] == [["Ana", "Sá"], ["fim"]]
    assert predict("ner", write("b.jsonl", [{"text": "Ana"}]), format=Format.spans)["tokens"][:] == [["Ana"]]


def test_for_prediction_columns_may_have_the_names_of_training_or_our_own(predict, write):
    for name in ("text", "comentário"):
        path = write("a.csv", f"{name};x\nbom;1\n")
        assert predict("sentiment", path, columns={"text": "comentário"})["text"][:] == ["bom"]


def test_a_file_to_predict_is_read_by_its_own_suffix(predict, write):
    path = write("a.csv", "text\nbom\n")
    for form in Format:
        assert predict("sentiment", path, format=form)["text"][:] == ["bom"]


def test_a_file_to_predict_that_is_missing_or_empty_is_refused(predict, write, tmp_path):
    with pytest.raises(DataError, match="avaliacoes.csv"):
        predict("sentiment", write("avaliacoes.csv", "text\n").with_name("avaliacao.csv"))
    with pytest.raises(DataError, match="no rows"):
        predict("sentiment", tmp_path / "avaliacoes.csv")


def test_rows_of_texts_have_what_a_task_needs():
    assert rows_from_texts(["não"], COLUMNS["sentiment"])[:] == {"id": ["0"], "text": ["não"]}
    assert rows_from_texts(["Ana Sá"], COLUMNS["ner"])["tokens"][:] == [["Ana", "Sá"]]
    assert rows_from_texts(["a", "b"], COLUMNS["summarization"])["document"][:] == ["a", "b"]
