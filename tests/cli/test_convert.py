"""The verb `convert`: any form in, any form out, the task found by its columns."""

import json

import pytest

from autotune.cli.main import main

NER = [
    {"text": f"Ana {number} viu Belém.", "label": [[0, 3, "P"], [10 + (number > 9), 15 + (number > 9), "L"]]}
    for number in range(12)
]
REVIEWS = [{"review": "bom", "stars": 5}, {"review": 'ruim; "é"', "stars": 1}]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes rows as JSON Lines where the command is run; gives the name."""
    monkeypatch.chdir(tmp_path)

    def put(name, rows):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return name

    return put


def test_the_task_is_found_and_the_suffix_says_the_form(write, tmp_path, capsys):
    assert main(["convert", write("a.jsonl", NER), "b.conll"]) == 0
    lines = (tmp_path / "b.conll").read_text(encoding="utf-8").splitlines()
    assert lines[:6] == ["Ana\tB-P", "0\tO", "viu\tO", "Belém\tB-L", ".\tO", ""]
    said = capsys.readouterr().err
    assert "b.conll (ner): train 12 rows" in said
    assert "no test split" not in said


def test_through_every_form_and_back(write, tmp_path):
    write("a.jsonl", NER)
    chain = ["a.jsonl", "b", "c.jsonl", "d.parquet", "e", "f.xlsx", "g.json", "h.tsv", "i.jsonl"]
    wanted = {"b": "brat", "c.jsonl": "spans", "e": "arrow", "i.jsonl": "spans"}
    for source, target in zip(chain, chain[1:], strict=False):
        to = ["--to", wanted[target]] if target in wanted else []
        assert main(["convert", source, target, "task=ner", *to]) == 0, target
    assert (tmp_path / "i.jsonl").read_text() == (tmp_path / "c.jsonl").read_text()


def test_overrides_are_those_of_training(write, tmp_path):
    write("a.jsonl", REVIEWS)
    words = [
        "a.jsonl",
        "b.csv",
        "task=sentiment",
        "dataset.columns.text=review",
        "dataset.columns.label=stars",
    ]
    assert main(["convert", *words, "dataset.label_map={1: ruim, 5: bom}"]) == 0
    assert (tmp_path / "b.csv").read_text() == 'id,text,label\n0,bom,bom\n1,"ruim; ""é""",ruim\n'


def test_a_folder_of_splits_becomes_one(write, tmp_path):
    write("d/train.jsonl", NER)
    write("d/dev.jsonl", NER[:2])
    assert main(["convert", "d", "e", "--to=xlsx", "task=ner"]) == 0
    assert sorted(path.name for path in (tmp_path / "e").iterdir()) == ["train.xlsx", "validation.xlsx"]
    assert main(["convert", "e", "f", "--to", "arrow", "task=ner"]) == 0
    assert main(["convert", "f", "g.csv", "task=ner", "dataset.splits.validation=null"]) == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["b.csv"], ["columns of no task", "ner:", "sentiment:", "summarization:", "task=NAME"]),
        (["b.doc"], ["has no known suffix", "--to FORM"]),
        (["a.jsonl"], ["never overwritten"]),
        (["b.csv", "--to", "doc"], ["unknown output format 'doc'"]),
        (["b.csv", "task=nerr"], ["nerr"]),
        (["b.csv", "dataset.delimitr=x"], ["dataset.delimiter"]),
        ([], ["required: OUT", "autotune convert"]),
    ],
)
def test_what_cannot_be_done_is_said(write, capsys, words, parts):
    assert main(["convert", write("a.jsonl", REVIEWS), *words]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in parts), said


def test_several_splits_are_not_one_file(write, capsys):
    write("d/train.jsonl", NER)
    write("d/test.jsonl", NER)
    assert main(["convert", "d", "e.csv", "task=ner"]) == 2
    assert "e --to csv" in capsys.readouterr().err


def test_columns_of_several_tasks_need_a_word(write, capsys):
    rows = [{"autotrain_text": "a", "autotrain_label": "b"}]
    assert main(["convert", write("a.jsonl", rows), "b.csv"]) == 2
    said = capsys.readouterr().err
    assert "tasks: classification, summarization" in said and "task=classification" in said
    assert main(["convert", "a.jsonl", "b.csv", "task=summarization"]) == 0


def test_a_file_that_does_not_exist_is_refused_once(write, capsys):
    write("corpus.csv", [])
    assert main(["convert", "./corpos.csv", "b.csv"]) == 2
    assert "corpus.csv" in capsys.readouterr().err
