"""Tables in every form: aligned, and safe against what data may hold."""

import csv
import io

import pytest

from autotune.runtime.table import FORMATS, Table, render

TABLE = Table(
    ["run", "macro_f1", "folder"],
    [["[a]|b", "-0.5000 [-1.0000, 0.2500]", "runs/x_1"], ["<b>&", "0.75 ± 0.01", "runs/-2"]],
    "50 % <title>",
    texts_right=1,
)


def test_latex_has_no_character_that_is_a_command():
    text = TABLE.latex()
    assert text.splitlines()[:3] == ["% 50 % <title>", r"\begin{tabular}{lrl}", r"\toprule"]
    assert r"{[}a]\textbar{}b & $-$0.5000 [$-$1.0000, 0.2500] & runs/x\_1 \\" in text
    assert r"\textless{}b\textgreater{}\& & 0.75 $\pm$ 0.01 & runs/-2 \\" in text


def test_html_and_markdown_escape_markup():
    text = TABLE.html()
    assert "<b>" not in text and "&lt;b&gt;&amp;" in text and "<caption>50 % &lt;title&gt;</caption>" in text
    assert text.count('class="n"') == 3
    assert r"[a]\|b" in TABLE.markdown() and "<b>" not in TABLE.markdown()
    assert TABLE.markdown().splitlines()[3].endswith(": | -------- |")


def test_text_is_aligned_and_csv_is_read_back():
    header, first, second = TABLE.untitled().text().splitlines()
    assert header.index("folder") == first.index("runs/") == second.index("runs/")
    assert list(csv.reader(io.StringIO(TABLE.csv()))) == [list(TABLE.header), *map(list, TABLE.rows)]


@pytest.mark.parametrize("form", FORMATS)
def test_several_tables_with_sentences(form):
    text = render([TABLE, Table(["x"], [])], form, ["A is better"])
    assert ("A is better" in text) == (form != "csv")
    assert text.count("runs/x") == 1 and "\n\n\n" not in text and not text.startswith("\n")
