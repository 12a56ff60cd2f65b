"""Several values for each row: several label columns, lists and separated texts, through every reader."""

import re

import pytest
from datasets import Dataset, DatasetDict

from autotune.config.column_names import ColumnsConfig
from autotune.config.columns import Column, Kind
from autotune.config.compose import compose
from autotune.config.formats import Form
from autotune.config.schema import DatasetConfig, SplitsConfig
from autotune.data.export import export
from autotune.data.sources import load_file, load_rows
from autotune.errors import AutotuneError, DataError

LABELS = (Column("text", Kind.text), Column("label", Kind.labels, target=True))
NUMBERS = (Column("text", Kind.text), Column("label", Kind.numbers, target=True))
NAMES = ["insulto", "racismo"]
ROWS = [
    {"text": "um", "insulto": 1, "racismo": 0},
    {"text": "dois", "insulto": 1, "racismo": 1},
    {"text": "três", "insulto": 0, "racismo": 0},
]
EXPECTED = [["insulto"], ["insulto", "racismo"], []]


def config(path, labels=None, **options) -> DatasetConfig:
    columns = ColumnsConfig(labels=labels, **options.pop("columns", {}))
    return DatasetConfig(
        path=str(path),
        columns=columns,
        splits=SplitsConfig(validation=None, test=None),
        validation_fraction=0.0,
        **options,
    )


def labels_of(tmp_path, path, columns=LABELS, labels=NAMES, **options) -> list:
    rows = load_rows(config(path, labels, **options), columns, cache=tmp_path / "cache")
    return rows.splits["train"]["label"][:]


def refused(tmp_path, path, columns=LABELS, labels=NAMES, **options) -> str:
    with pytest.raises(DataError) as caught:
        labels_of(tmp_path, path, columns, labels, **options)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "parquet", "xlsx", "arrow"])
def test_label_columns_become_lists_in_every_format(tmp_path, suffix):
    path, data = tmp_path / f"a.{suffix}", Dataset.from_list(ROWS)
    if suffix == "csv":
        data.to_csv(path)
    elif suffix == "jsonl":
        data.to_json(path)
    elif suffix == "json":
        data.to_json(path, lines=False)
    elif suffix == "parquet":
        data.to_parquet(path)
    elif suffix == "xlsx":
        data.to_pandas().to_excel(path, index=False)
    else:
        DatasetDict({"train": data}).save_to_disk(path)
    assert labels_of(tmp_path, path) == EXPECTED


def test_a_streamed_train_set_has_label_columns_too(tmp_path, write):
    options = {"streaming": True, "section_rows": 2}
    rows = load_rows(config(write("a.jsonl", ROWS), NAMES, **options), LABELS, cache=tmp_path / "cache")
    assert rows.sections is not None
    assert [rows.sections(number)["label"][:] for number in (0, 1)] == [EXPECTED[:2], EXPECTED[2:]]


@pytest.mark.parametrize(
    ("yes", "no"),
    [(1.0, 0.0), ("1,0", "0"), (True, False), ("TRUE", "false"), ("Sim", "NÃO"), ("s", "nao"), ("Yes", "n")],
)
def test_yes_and_no_are_written_in_many_ways(tmp_path, write, yes, no):
    rows = [{"text": "a", "insulto": yes, "racismo": no}, {"text": "b", "insulto": no, "racismo": no}]
    assert labels_of(tmp_path, write("a.jsonl", rows)) == [["insulto"], []]


@pytest.mark.parametrize("value", [2, "talvez", -1, 0.5])
def test_anything_else_is_refused_with_its_row_and_column(tmp_path, write, value):
    message = refused(tmp_path, write("a.jsonl", [*ROWS, {"text": "x", "insulto": 0, "racismo": value}]))
    assert "neither yes nor no" in message and "row 3, column racismo" in message
    assert "dataset.label_threshold=1" in message


def test_votes_count_from_the_threshold_on(tmp_path, write):
    rows = [{"text": "a", "insulto": 3, "racismo": "1,0"}, {"text": "b", "insulto": 2, "racismo": 0}]
    path = write("a.jsonl", rows)
    assert labels_of(tmp_path, path, label_threshold=1) == [["insulto", "racismo"], ["insulto"]]
    assert labels_of(tmp_path, path, label_threshold=2) == [["insulto"], ["insulto"]]
    assert labels_of(tmp_path, path, label_threshold=3) == [["insulto"], []]
    assert "row 0, column insulto" in refused(
        tmp_path, write("b.jsonl", [{"text": "a", "insulto": "sim", "racismo": 1}]), label_threshold=1
    )


def test_a_row_with_an_empty_cell_has_no_label(tmp_path, write):
    message = refused(tmp_path, write("a.csv", "text,insulto,racismo\num,1,0\ndois,,1\n"))
    assert "1 rows have no label" in message and "row 1" in message and "insulto, racismo" in message


def test_a_missing_label_column_is_refused_and_the_nearest_one_proposed(tmp_path, write):
    message = refused(tmp_path, write("a.jsonl", ROWS), labels=["insultos", "racismo", "xyz"])
    assert "there is no column insultos, xyz" in message
    assert "dataset.columns.labels=[insulto,racismo]" in message.replace("'", "")


def test_classes_of_columns_are_renamed_joined_and_dropped(tmp_path, write):
    path = write("a.jsonl", ROWS)
    mapped = labels_of(tmp_path, path, label_map={"insulto": "ofensa", "racismo": None})
    assert mapped == [["ofensa"], ["ofensa"], []]
    assert labels_of(tmp_path, path, label_map={"insulto": "x", "racismo": "x"}) == [["x"], ["x"], []]
    none = write("b.jsonl", [{"text": "a", "insulto": 0, "racismo": 0}])
    assert labels_of(tmp_path, none, label_map={"insulto": "x", "racismo": "y"}) == [[]], (
        "known without a row"
    )


def test_number_columns_become_lists_of_numbers(tmp_path, write):
    rows = [{"text": "a", "insulto": "4,5", "racismo": 1}, {"text": "b", "insulto": -2, "racismo": "1e3"}]
    assert labels_of(tmp_path, write("a.jsonl", rows), NUMBERS) == [[4.5, 1.0], [-2.0, 1000.0]]
    bad = write("b.jsonl", [*rows, {"text": "c", "insulto": 1, "racismo": "muito"}])
    assert "row 2, column racismo" in refused(tmp_path, bad, NUMBERS)


@pytest.mark.parametrize("cell", [[4.5, 2], "[4.5, 2]", 3, "3,5"])
def test_one_column_holds_one_number_or_a_list(tmp_path, write, cell):
    path = write("a.jsonl", [{"text": "a", "label": cell}])
    expected = {3: [3.0], "3,5": [3.5]}.get(cell if isinstance(cell, int | str) else None, [4.5, 2.0])
    assert labels_of(tmp_path, path, NUMBERS, None) == [expected]


@pytest.mark.parametrize("cell", [None, [], ""])
def test_a_row_without_numbers_is_refused(tmp_path, write, cell):
    path = write("a.jsonl", [{"text": "a", "label": cell}])
    assert "1 rows have no label" in refused(tmp_path, path, NUMBERS, None)


@pytest.mark.parametrize(("separator", "cell"), [("|", "a|b"), (";", " a ; b ;"), (",", "a, b, a")])
def test_a_separated_text_is_a_list_only_where_the_separator_is_named(tmp_path, write, separator, cell):
    path = write("a.jsonl", [{"text": "x", "label": cell}, {"text": "y", "label": ["c"]}])
    assert labels_of(tmp_path, path, labels=None, label_separator=separator) == [["a", "b"], ["c"]]
    message = refused(tmp_path, path, labels=None)
    assert "row 0, column label" in message
    assert f"dataset.label_separator={separator}" in re.sub("[\"']", "", message)


def test_an_empty_text_is_a_row_without_classes_and_null_is_missing(tmp_path, write):
    path = write("a.csv", 'text,label\nx,a|b\ny,""\nz,\n')
    assert labels_of(tmp_path, path, labels=None, label_separator="|") == [["a", "b"], [], []]
    null = write("b.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": None}])
    assert "1 rows have no label" in refused(tmp_path, null, labels=None, label_separator="|")
    lists = write("c.csv", 'text,label\nx,"[\'a\']"\ny,""\nz,[]\n')
    assert "1 rows have no label" in refused(tmp_path, lists, labels=None), "a list is not separated"


@pytest.mark.parametrize("form", [Form.csv, Form.jsonl, Form.parquet, Form.xlsx, Form.arrow])
@pytest.mark.parametrize("columns", [LABELS, NUMBERS])
def test_what_is_written_is_read_back_as_the_same_rows(tmp_path, write, form, columns):
    options = config(write("a.jsonl", ROWS), NAMES)
    rows = load_rows(options, columns, cache=tmp_path / "cache").splits["train"]
    suffix = "" if form is Form.arrow else f".{form}"
    export({"train": rows}, columns, tmp_path / f"out{suffix}", form)
    # The run that reads it has the names of the label columns, and the file its own column.
    again = load_file(str(tmp_path / f"out{suffix}"), options, columns, cache=tmp_path / "cache")
    assert again["label"][:] == rows["label"][:]


def test_a_file_to_predict_needs_no_label_columns_and_one_to_score_may_have_them(tmp_path, write):
    options = config("x", NAMES)
    bare = load_file(str(write("a.jsonl", [{"text": "um"}])), options, LABELS, cache=tmp_path / "cache")
    assert "label" not in bare.column_names
    scored = load_file(str(write("b.jsonl", ROWS)), options, LABELS, cache=tmp_path / "cache")
    assert scored["label"][:] == EXPECTED


def test_the_names_of_the_columns_are_part_of_what_is_cached(tmp_path, write):
    path = write("a.jsonl", ROWS)
    assert labels_of(tmp_path, path) == EXPECTED
    assert labels_of(tmp_path, path, labels=["racismo"]) == [[], ["racismo"], []]


REFUSED = {
    "task=sentiment dataset.columns.labels=[a,b]": "takes one label per row",
    "task=sentiment dataset.label_separator=|": "separator",
    "task=sentiment dataset.label_threshold=1": "threshold",
}


@pytest.mark.parametrize("words", REFUSED)
def test_keys_of_several_labels_are_refused_for_one(words):
    with pytest.raises(AutotuneError) as caught:
        compose([*words.split(), "dataset=csv", "dataset.path=a.csv"])
    assert REFUSED[words] in str(caught.value)


def test_a_list_of_entities_is_no_list_of_classes(tmp_path, write):
    message = refused(tmp_path, write("a.jsonl", [{"text": "um", "label": [[0, 2, "P"]]}]), labels=None)
    assert "row 0" in message and "task=ner dataset.format=spans" in message
