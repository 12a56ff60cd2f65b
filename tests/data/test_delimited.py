"""CSV and TSV: what other readers let pass in silence is read right or refused with its line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.config.schema import DatasetConfig
from autotune.data.formats.delimited import read_delimited
from autotune.errors import ConfigError, DataError


def read(path, **options):
    notes: list[str] = []
    return list(read_delimited(path, DatasetConfig(path=str(path), **options), notes)), notes


def refused(path, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(write, delimiter):
    path = write("a.csv", f"texto{delimiter}rótulo\nótimo{delimiter}1\n")
    assert read(path)[0] == [{"texto": "ótimo", "rótulo": "1"}]


def test_tsv_is_cut_at_tabs_even_where_the_header_has_commas(write):
    assert read(write("a.tsv", "a,b,c\td\n1,2\t3\n"))[0] == [{"a,b,c": "1,2", "d": "3"}]


def test_a_delimiter_that_was_given_counts(write):
    path = write("a.csv", "text|label\na,b;c|1\n")
    assert read(path, delimiter="|")[0] == [{"text": "a,b;c", "label": "1"}]
    with pytest.raises(ConfigError, match="one character"):
        read(path, delimiter="||")


def test_nothing_is_converted(write):
    values = ["NA", "None", "null", "nan", "007", "1.0", "True", " x "]
    rows, _ = read(write("a.csv", "text,label\n" + "".join(f"{value},1\n" for value in values)))
    assert [row["text"] for row in rows] == values


def test_a_byte_order_mark_is_no_part_of_the_first_name(write):
    path = write("a.csv", "text,label\nolá,1\n".encode("utf-8-sig"))
    for encoding in (None, "utf-8"):
        assert read(path, encoding=encoding)[0] == [{"text": "olá", "label": "1"}]


def test_what_is_not_utf8_is_read_as_windows_writes_it_and_said(write):
    rows, notes = read(write("a.csv", "text;label\n“não” – coração;1\n".encode("cp1252")))
    assert rows == [{"text": "“não” – coração", "label": "1"}]
    assert "cp1252" in notes[0]


def test_an_encoding_that_does_not_fit_is_refused(write):
    path = write("a.csv", "text,label\nnão,1\n".encode("cp1252"))
    assert "dataset.encoding" in refused(path, encoding="utf-8")
    assert "unknown encoding" in refused(path, encoding="utf-800")


def test_utf16_with_its_mark_is_read(write):
    assert read(write("a.csv", "text\tlabel\nnão\t1\n".encode("utf-16")))[0] == [
        {"text": "não", "label": "1"}
    ]


def test_line_breaks_delimiters_and_quotes_inside_quotes_are_text(write):
    path = write("a.csv", 'text,label\n"um, dois\ntrês\r\n""quatro""",1\n')
    assert read(path)[0] == [{"text": 'um, dois\ntrês\r\n"quatro"', "label": "1"}]


@pytest.mark.parametrize("row", ["a", "a,b,c", "um texto, com vírgula,1"])
def test_a_row_of_another_length_is_refused_with_its_line(write, row):
    path = write("a.csv", f'text,label\n"x\ny",1\n{row}\n')
    assert f"{path}:4" in refused(path)


def test_a_lone_carriage_return_does_not_make_a_row(write):
    path = write("a.csv", "text,label\num\rdois,1\n")
    assert f"{path}:2" in refused(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["x,1", "y,0", '"bom,1', "ruim,0", 'mau",0', "z,1"],  # two stray quotes, three rows apart
        ["x,1", "y,0", '"bom,1', 'mau",0', "z,1"],
        ["x,1", "y,0", '"bom,1', "ruim,0", "mau,0"],  # one, never closed
    ],
)
def test_a_stray_quote_that_swallows_rows_is_refused_with_its_line(write, lines):
    path = write("a.csv", "\n".join(["text,label", *lines, ""]))
    message = refused(path)
    assert f"{path}:4" in message
    assert "quote" in message


def test_a_stray_quote_is_found_where_the_label_comes_first(write):
    path = write("a.csv", 'label,text\n1,x\n0,y\n1,"bom\n0,ruim\n1,mau"\n')
    assert f"{path}:4" in refused(path)


def test_a_text_of_several_lines_is_not_taken_for_swallowed_rows(write):
    rows = [
        {"text": "Gostei, muito\nmas a entrega, não\nvoltarei", "label": "1"},
        {"text": "Comprei 2,5 kg\nveio 1,0", "label": "0"},
        {"text": "simples", "label": "1"},
    ]
    for names in (("text", "label"), ("label", "text")):
        text = io.StringIO()
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        assert [dict(row) for row in read(write("a.csv", text.getvalue()))[0]] == [
            {name: row[name].replace("\r\n", "\n") for name in names} for row in rows
        ]


def test_a_field_over_hundreds_of_lines_is_an_open_quote(write):
    path = write("a.csv", "text,label\nx,1\n" + '"a' + "\nlinha,1" * 600 + '",1\n')
    assert f"{path}:3" in refused(path)


def test_nul_bytes_are_refused_with_their_line(write):
    path = write("a.csv", b"text,label\nx,1\na\0b,1\n")
    assert f"{path}:3" in refused(path)


def test_two_columns_of_one_name_are_refused(write):
    assert "'text'" in refused(write("a.csv", "text,text\na,b\n"))


def test_names_in_the_header_are_normalised(write):
    assert read(write("a.csv", " ro\u0301tulo ,x\n1,2\n"))[0] == [{"rótulo": "1", "x": "2"}]


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.uuids()),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(",;\t"),
)
def test_what_csv_writes_is_read_back(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow(["text", "code"])
        writer.writerows((text, str(code)) for text, code in rows)
    assert [(row["text"], row["code"]) for row in read(path)[0]] == [(text, str(code)) for text, code in rows]
