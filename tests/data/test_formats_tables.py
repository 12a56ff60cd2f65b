"""Tables as spreadsheets and other tools leave them: quotes, delimiters, names and rows that csv alone reads wrongly."""

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.config.schema import DatasetConfig
from autotune.data.formats.delimited import read_delimited
from autotune.errors import DataError


def read(path, **options):
    notes: list[str] = []
    return list(read_delimited(path, DatasetConfig(path=str(path), **options), notes)), notes


@pytest.mark.parametrize(
    "content",
    [
        'text,label\n"bom, mesmo", "pos"\n',
        '"text", "label"\n"bom, mesmo", "pos"\n',
        'text,label\n "bom, mesmo" ,"pos" \n',
        'text;label\n"bom, mesmo";\t"pos"\n',
        'text\tlabel\nbom, mesmo\t "pos"\n',
        'text , "label"\n"bom, mesmo",pos\n',
    ],
)
def test_blanks_outside_of_quotes_are_no_part_of_the_cell(write, content):
    assert read(write("a.csv", content)) == ([{"text": "bom, mesmo", "label": "pos"}], [])


def test_a_quoted_field_behind_a_blank_may_hold_lines_and_quotes(write):
    rows, _ = read(write("a.csv", 'label,text\npos, "bom,\n ""muito"", sim"\nneg, "mau"\n'))
    assert [row["text"] for row in rows] == ['bom,\n "muito", sim', "mau"]


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ('text,label\nx,1\n"bom" mesmo,pos\n', 3, "line 3, column text, character 5"),
        ('text,label\nx, "po"s\n', 2, "line 2, column label"),
        ('label,text\npos, "bom,\nmesmo" ruim\n', 2, "line 3, column text"),
        ('text,label\n"bom, mesmo,pos\n"mau",neg\n', 2, "line 3, column text"),
    ],
)
def test_text_behind_a_closing_quote_is_refused_with_line_and_column(write, content, line, told):
    with pytest.raises(DataError) as caught:
        read(write("a.csv", content))
    assert f"a.csv:{line}" in str(caught.value)
    assert told in str(caught.value)


def test_quotes_after_a_backslash_are_refused_with_what_to_do(write):
    with pytest.raises(DataError, match="sed"):
        read(write("a.csv", 'text,label\n"ele disse \\"oi\\" e saiu",pos\n'))


@pytest.mark.parametrize("text", ['TV de 50" boa', 'disse "oi" e saiu', 'fim"'])
def test_quotes_inside_of_a_field_without_quotes_are_text_and_it_is_said(write, text):
    rows, (note,) = read(write("a.csv", f"text;label\nx;1\n{text};2\n"))
    assert rows[1] == {"text": text, "label": "2"}
    assert "1 (line 3, column text)" in note


@settings(deadline=None)
@given(st.lists(st.lists(st.text('ab" ,', max_size=4), min_size=2, max_size=2), min_size=1, max_size=4))
def test_what_is_quoted_as_it_should_be_is_never_touched(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    cells = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    path.write_text("a,b\n" + "".join(f"{line}\n" for line in cells) + "fim,fim\n", encoding="utf-8")
    assert [list(row.values()) for row in read(path)[0]] == [*rows, ["fim", "fim"]]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
def test_the_line_that_names_the_delimiter_is_no_header(write, first):
    path = write("a.csv", f"{first}\r\ntext;label\r\num, dois;pos\r\n;\r\n")
    rows, _ = read(path)
    assert rows == [{"text": "um, dois", "label": "pos"}]
    with pytest.raises(DataError, match=r"b\.csv:4"):
        read(write("b.csv", "sep=|\ntext|label\na|b\na\n"))


def test_a_tab_may_be_named(write):
    assert read(write("a.csv", "sep=\t\na,b\tc\n1\t2\n"))[0] == [{"a,b": "1", "c": "2"}]


@pytest.mark.parametrize(
    ("content", "noted"),
    [
        ("text;label;;\nbom;pos;;\n", []),
        (";text;label\n;bom;pos\n", []),
        ("text;;label\nbom; ;pos\n;;\n;;\n", ["at the end were left out: 2"]),
        (";text;label\n0;bom;pos\n", ["without a name were not read: column 1 from line 2"]),
        ("text;label\nbom;pos;;\n", []),
    ],
)
def test_columns_without_a_name_are_no_columns(write, content, noted):
    rows, notes = read(write("a.csv", content))
    assert rows == [{"text": "bom", "label": "pos"}]
    assert len(notes) == len(noted) and all(part in note for part, note in zip(noted, notes, strict=True))


def test_empty_rows_between_others_are_kept(write):
    assert read(write("a.csv", "text,label\n,\nx,1\n,\n"))[0] == [
        {"text": "", "label": ""},
        {"text": "x", "label": "1"},
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_without_a_header_columns_have_numbers(load, tmp_path, name):
    rows = [["Adorei o produto.", "pos"], ["Não gostei.", "neg"]]
    if name == "a.csv":
        (tmp_path / name).write_text("".join(f"{';'.join(row)}\n" for row in rows), encoding="utf-8")
    else:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / name)
    made = load("sentiment", tmp_path / name, header=False, columns={"text": "0", "label": "1"})
    assert [[row["text"], row["label"]] for row in made.splits["train"]] == rows
    with pytest.raises(
        DataError, match="dataset.header=false dataset.columns.text=0 dataset.columns.label=1"
    ):
        load("sentiment", tmp_path / name)


def test_columns_of_excel_without_name_and_values_are_no_columns(load, tmp_path):
    book = openpyxl.Workbook()
    for row in ([None, "text", None, "label"], [0, "bom", None, "pos"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    rows = load("sentiment", tmp_path / "a.xlsx")
    assert rows.splits["train"]["text"][:] == ["bom"]
    assert any("column A has no name" in note for note in rows.notes)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": "x", "label": "y"}\n', 2),
        (
            "a.json",
            '[{"text": "a \\"label\\": {", "label": "x"},\n {"text": "b",\n "label": "x",\n "label": "y"}]',
            4,
        ),
        ("a.jsonl", '{"text": "a", "label": "x", "meta": {"k": 1, "k": [2]}}\n', 1),
        ("a.jsonl", '{"text": "a", "label": "x", "te\\u0078t": "b"}\n', 1),
    ],
)
def test_a_key_with_two_values_is_refused_with_its_line(load, write, name, content, line):
    with pytest.raises(DataError, match="occurs twice") as caught:
        load("sentiment", write(name, content))
    assert f"{name}:{line}" in str(caught.value)


def test_a_key_twice_with_one_value_loses_nothing(load, write):
    rows = load("sentiment", write("a.jsonl", '{"text": "a", "label": "x", "label": "x"}\n'))
    assert rows.splits["train"]["label"][:] == ["x"]
