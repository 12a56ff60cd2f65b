"""Excel workbooks: the first sheet with rows, and what is refused."""

import datetime
import sys
import zipfile

import openpyxl
import pytest

from autotune.errors import DataError


@pytest.fixture
def book(tmp_path):
    """Writes sheets, each a list of rows, by name; gives the path."""

    def put(name="a.xlsx", **sheets):
        made = openpyxl.Workbook()
        made.remove(made.active)
        for title, rows in sheets.items():
            sheet = made.create_sheet(title)
            for row in rows:
                sheet.append(row)
        made.save(tmp_path / name)
        return tmp_path / name

    return put


HEADER = ["text", "label"]


def train(load, path, **options):
    return load("sentiment", path, **options).splits["train"]


def refused(load, path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load("sentiment", path, **options)
    return str(caught.value)


def test_text_numbers_and_booleans_are_read_as_csv_would_hold_them(load, book):
    rows = [["não", 1], ["sim", 2.0], ["talvez", True], [7, "x"], [1.5, "x"], ["  á_x000D_\n;", "x"]]
    data = train(load, book(folha=[HEADER, *rows]))
    assert data["label"][:] == ["1", "2", "True", "x", "x", "x"]
    assert data["text"][:] == ["não", "sim", "talvez", "7", "1.5", "  á\r\n;"]


def test_dates_are_iso_8601(load, book):
    rows = [["text", "label", "dia"], ["a", "x", datetime.date(2024, 5, 1)]]
    data = train(load, book(folha=rows), columns={"group": "dia"})
    assert data["group"][0].startswith("2024-05-01")


def test_the_first_sheet_with_rows_counts_and_it_is_said(load, book):
    path = book(capa=[], dados=[[], HEADER, ["a", "x"]], outra=[HEADER, ["b", "y"]])
    rows = load("sentiment", path)
    assert rows.splits["train"]["text"][:] == ["a"]
    assert any("'dados' was read; not read: capa, outra" in note for note in rows.notes)
    assert load("sentiment", book("b.xlsx", folha=[HEADER, ["a", "x"]])).notes == [rows.notes[-1]]


def test_empty_rows_are_skipped_and_columns_without_name_and_values_too(load, book):
    rows = [[*HEADER, None], ["a", "x"], [None, None], ["b", "y", None], [None], []]
    assert train(load, book(folha=rows))["text"][:] == ["a", "b"]


def test_words_and_tags_may_be_lists_in_cells(load, book):
    rows = [["tokens", "tags"], ['["Ana", "ri"]', '["B-P", "O"]']]
    assert load("ner", book(folha=rows)).splits["train"]["tokens"][:] == [["Ana", "ri"]]


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([["text", None, "label"], ["a", "b", "x"]], ["column B has no name", "row 2", "'b'", "merged"]),
        ([HEADER, ["a", "x", "z"]], ["column C has no name", "row 2", "'z'"]),
        ([["text", "text "], ["a", "x"]], ["same name", "rename"]),
        ([HEADER, ["a", "#N/A"]], ["cell B holds the error #N/A", "row 2"]),
        ([HEADER], ["no rows"]),
        ([], ["no rows"]),
        ([HEADER, ["a", None]], ["no label", "row 0"]),
    ],
)
def test_what_is_no_table_is_refused(load, book, rows, parts):
    message = refused(load, book(folha=rows))
    assert all(part in message for part in ["a.xlsx", *parts]), message


def test_merged_cells_in_the_header_are_refused(load, book):
    path = book(folha=[["text", "autor", "label"], ["a", "b", "x"]])
    made = openpyxl.load_workbook(path)
    made.active.merge_cells("A1:B1")
    made.save(path)
    assert "merged cells" in refused(load, path)


def test_a_file_that_is_no_workbook_is_refused(load, write, book):
    assert "not a readable Excel" in refused(load, write("b.xlsx", "text,label\na,b\n"))
    whole = book(folha=[HEADER, *[["a" * 99, "x"]] * 99]).read_bytes()
    assert "CSV UTF-8" in refused(load, write("c.xlsx", whole[: len(whole) // 2]))


@pytest.mark.parametrize("name", ["a.xls", "a.ods"])
def test_older_and_other_forms_are_refused_with_advice(load, write, name):
    message = refused(load, write(name, "x"))
    assert ".xlsx" in message and "CSV UTF-8" in message


def test_without_openpyxl_the_way_to_get_it_is_said(load, book, monkeypatch):
    path = book(folha=[HEADER, ["a", "x"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    message = refused(load, path)
    assert "pip install 'autotune[xlsx]'" in message and "CSV UTF-8" in message


def test_files_of_a_folder_may_be_workbooks(load, book, tmp_path):
    for name in ("train", "dev"):
        book(f"{name}.xlsx", folha=[HEADER, ["a", "x"]])
    (tmp_path / "~$train.xlsx").write_bytes(b"lock")
    assert list(load("sentiment", tmp_path).splits) == ["train", "validation"]


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_before_it_is_read(load, book):
    path = book(a=[HEADER, ["bom", "positivo"]])
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/more.xml", "w") as part,
    ):
        for _ in range(120):
            part.write(bytes(1_000_000))
    assert path.stat().st_size < 1_000_000
    message = refused(load, path)
    assert "120 MB in a file of" in message and "CSV" in message
