"""`dataset.label_fixes`: corrections reach their rows, and what does not fit is refused."""

import pytest

from autotune.config.load import digest
from autotune.data.formats.formulas import guarded, unguarded
from autotune.errors import DataError
from tests.data.test_sources import CSV

HEADER = "id,gold,label\n"


@pytest.fixture
def fixed(load, write):
    """Loads 20 rows with labels a and b in turns, corrected by a file."""

    def rows(fixes, name="fixes.csv", **options):
        return load("sentiment", write("a.csv", CSV), label_fixes=str(write(name, fixes)), **options)

    return rows


def test_corrected_labels_are_learned_and_noted(fixed, load, write):
    before = load("sentiment", write("a.csv", CSV))
    rows = fixed(HEADER + "3,b,a\n4,a,b\n5,b,\n6,a,a\n")
    labels = rows.splits["train"]["label"]
    assert labels[2:7] == ["a", "a", "b", "b", "a"]
    assert rows.notes[-1] == "train: labels that dataset.label_fixes corrected: 2"
    assert rows.source["label_fixes"]["labels"] == {"train": 2}
    assert rows.fingerprint != before.fingerprint
    assert before.splits["train"]["text"] == rows.splits["train"]["text"]


def test_corrections_do_not_move_rows_between_splits(fixed, load, write):
    before = load("sentiment", write("a.csv", CSV), validation_fraction=0.3)
    rows = fixed(HEADER + "3,b,a\n4,a,b\n8,a,b\n", validation_fraction=0.3)
    assert {split: data["id"] for split, data in rows.splits.items()} == {
        split: data["id"] for split, data in before.splits.items()
    }
    assert sum(rows.source["label_fixes"]["labels"].values()) == 3


@pytest.mark.parametrize("fold", ["1/2", "2/2"])
def test_corrections_follow_rows_into_their_fold(fixed, fold):
    fixes = "split,id,gold,label\ntrain,3,b,a\ntrain,4,a,b\ntrain,8,a,b\ntest,99,a,b\n"
    rows = fixed(fixes, fold=fold)
    assert sum(rows.source["label_fixes"]["labels"].values()) == 3
    labels = {row["id"]: row["label"] for data in rows.splits.values() for row in data}
    assert [labels[name] for name in ("3", "4", "8")] == ["a", "b", "b"]
    assert rows.notes[-1].endswith("dataset.fold leaves out: 1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("99,b,a", "there is no such row"),
        ("3,a,b", "has another label than the file says"),
        ("3,b,c", "no row has the label 'c'"),
    ],
)
def test_what_does_not_fit_is_refused(fixed, line, said):
    with pytest.raises(DataError, match=said) as caught:
        fixed(HEADER + line + "\n")
    assert "fixes.csv, row 0" in str(caught.value)


def test_two_lines_that_contradict_each_other_are_refused(load, write):
    data = write("c.csv", "text,label\nx,a\ny,b\nz,c\n")
    fixes = write("f.csv", HEADER + "0,a,b\n0,a,b\n0,a,c\n")
    with pytest.raises(DataError, match="an earlier line gives the row another label"):
        load("sentiment", data, label_fixes=str(fixes))


def test_a_file_without_the_columns_or_that_is_not_there_is_refused(fixed, load, write):
    with pytest.raises(DataError, match="has no column gold"):
        fixed("id,label\n3,a\n")
    with pytest.raises(DataError, match="no such file"):
        load("sentiment", write("a.csv", CSV), label_fixes="nada.csv")


def test_ids_that_repeat_need_split_and_row(load, write):
    for split in ("train", "test"):
        folder = write(f"d/{split}.csv", "id,text,label\n1,x y,a\n1,z w,b\n2,u v,a\n").parent

    def labels(line):
        fixes = write("f.csv", f"split,row,id,gold,label\n{line}\n")
        rows = load("sentiment", folder, label_fixes=str(fixes))
        return {split: data["label"] for split, data in rows.splits.items()}

    assert labels("test,,2,a,b") == {"train": ["a", "b", "a"], "test": ["a", "b", "b"]}
    assert labels("train,1,1,b,a") == {"train": ["a", "a", "a"], "test": ["a", "b", "a"]}
    for line, count in ((",,2,a,b", 2), ("train,,1,b,a", 2)):
        with pytest.raises(DataError, match=f"{count} rows have this id"):
            labels(line)


def test_rows_beyond_a_limit_are_not_an_error(fixed):
    rows = fixed(HEADER + "1,b,a\n15,b,a\n", limit=4)
    assert rows.splits["train"]["label"] == ["a", "a", "a", "b"]
    assert rows.notes[-1] == "dataset.label_fixes: rows that dataset.limit or dataset.fold leaves out: 1"


def test_semicolons_and_numbers_of_a_spreadsheet_are_read(load, write):
    data = write("n.csv", "text,label\nx y,-1\nz w,1\n")
    fixes = write("f.csv", "id;gold;label\r\n0;-1.0;1\r\n".encode("cp1252"))
    assert load("sentiment", data, label_fixes=str(fixes)).splits["train"]["label"] == ["1", "1"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+x", "-x", "@a", "\tx", "'=x", "''-x", "-1", "+5", "não", "'aspas'", ""]
)
def test_no_cell_begins_a_formula_and_all_come_back(text):
    assert not guarded(text).startswith(("=", "@", "\t")) and guarded(text) not in ("+x", "-x")
    assert unguarded(guarded(text)) == text


def test_the_name_of_a_run_follows_the_content_of_the_file(tmp_path):
    from autotune.config.compose import compose

    def name(*words):
        return digest(compose(["task=sentiment", *words])[0])

    file, other = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text(HEADER)
    other.write_text(HEADER)
    first = name(f"dataset.label_fixes={file}")
    assert first == name(f"dataset.label_fixes={other}") != name()
    file.write_text(HEADER + "3,b,a\n")
    assert first != name(f"dataset.label_fixes={file}")
    assert (
        name()
        == name("task.calibrate=none", "task.tune_threshold=false")
        != name("task.calibrate=temperature")
    )
