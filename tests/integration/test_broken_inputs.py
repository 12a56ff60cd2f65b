"""Broken input of every kind, through the command line: refused with what, where and the fix; exit code 2; no
traceback; no model is loaded; nothing is left but the run's status."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotune.cli.main import main
from autotune.pipeline import prepare

REVIEWS = "text,label\n" + "".join(f"avaliação número {n},{'bom' if n % 2 else 'ruim'}\n" for n in range(20))
TAGGED = "João B-PESSOA\nviu O\nBelém B-LOCAL\n\n" * 10
BERT = {"model_type": "bert", "vocab_size": 6, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 8, "max_position_embeddings": 16}  # fmt: skip
VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n"
Content = str | bytes | Callable[[], bytes]
Case = tuple[list[str], dict[str, Content], list[str]]


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def parquet(**columns: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        return sink.getvalue()

    return make


def sheet(*rows: list[Any]) -> Callable[[], bytes]:
    def make() -> bytes:
        from openpyxl import Workbook

        book, sink = Workbook(), io.BytesIO()
        for row in rows:
            book.active.append(row)
        book.save(sink)
        return sink.getvalue()

    return make


def spans(*found: Any, text: str = "João viu Belém") -> str:
    return lines({"text": text, "spans": list(found)}) * 4


GOOD_TEXTS = [{"text": f"texto {n}", "label": "ab"[n % 2]} for n in range(10)]
R_CSV, R_JSONL = ["dataset=csv", "dataset.path=r.csv"], ["dataset=jsonl", "dataset.path=r.jsonl"]
R_CONLL = ["task=ner", "dataset=conll", "dataset.path=r.conll"]
R_SPANS = ["task=ner", "dataset=spans", "dataset.path=r.jsonl"]
R_SUMMARIES = ["task=summarization", *R_JSONL]
FOLDER = ["dataset=csv", "dataset.path=d"]
BASE = [*R_CSV, "model=custom", "model.name_or_path=base"]
REVIEWS_FILE = {"r.csv": REVIEWS}

CSV_FILES: dict[str, Case] = {
    "no file": (["dataset=csv", "dataset.path=nada.csv"], {}, ["nada.csv", "no such file"]),
    "a near name": (["dataset=csv", "dataset.path=revews.csv"], {"reviews.csv": REVIEWS}, ["reviews.csv"]),
    "empty": (R_CSV, {"r.csv": ""}, ["r.csv", "empty"]),
    "header only": (R_CSV, {"r.csv": "text,label\n"}, ["train has no rows", "r.csv"]),
    "ragged row": (R_CSV, {"r.csv": REVIEWS + "a,b,c\n"}, ["r.csv:22", "3 fields"]),
    "open quote": (R_CSV, {"r.csv": REVIEWS + '"nunca fechada,bom\n' + "x,bom\n" * 600}, ["quote", "r.csv"]),
    "two stray quotes": (R_CSV, {"r.csv": REVIEWS + '"a,bom\nb,ruim\nc",bom\n'}, ["quote", "r.csv:22"]),
    "same column twice": (R_CSV, {"r.csv": "text,label,text\na,b,c\n"}, ["same name", "'text'"]),
    "missing text": (R_CSV, {"r.csv": REVIEWS.replace("text,", "texto,")}, ["dataset.columns.text=texto"]),
    "missing label": (R_CSV, {"r.csv": REVIEWS.replace(",label", ",Polaridade")}, ["dataset.columns.label=Polaridade"]),
    "mapped column that is not there": (
        [*R_CSV, "dataset.columns.text=coment"], {"r.csv": REVIEWS.replace("text,", "comentario,")},
        ["coment", "dataset.columns.text=comentario"],
    ),
    "wrong delimiter": ([*R_CSV, "dataset.delimiter=';'"], REVIEWS_FILE, ["text,label"]),
    "delimiter of two letters": ([*R_CSV, "dataset.delimiter='||'"], REVIEWS_FILE, ["dataset.delimiter", "one character"]),
    "NUL bytes": (R_CSV, {"r.csv": REVIEWS.encode() + b"a\0b,bom\n"}, ["NUL", "r.csv:22"]),
    "utf-16 without a mark": (R_CSV, {"r.csv": REVIEWS.encode("utf-16-le")}, ["UTF-16", "dataset.encoding=utf-16"]),
    "not in the encoding that is named": (
        [*R_CSV, "dataset.encoding=ascii"], REVIEWS_FILE, ["ascii", "dataset.encoding=null"]),
    "an encoding that does not exist": ([*R_CSV, "dataset.encoding=utf-9"], REVIEWS_FILE, ["utf-9", "dataset.encoding"]),
    "null labels": (R_CSV, {"r.csv": REVIEWS + "sem rótulo,\n"}, ["1 rows have no label", "row 20"]),
    "one class": (R_CSV, {"r.csv": REVIEWS.replace("ruim", "bom")}, ["only one class", "bom"]),
    "all labels dropped": (
        [*R_CSV, "dataset.label_map={bom: null, ruim: null}"], REVIEWS_FILE, ["label_map"]),
    "a label that dataset.labels lacks": (
        [*R_CSV, "dataset.labels=[bom,mau]"], REVIEWS_FILE, ["ruim", "dataset.labels=[bom,mau,ruim]"]),
    "only empty texts": (R_CSV, {"r.csv": "text,label\n" + ' ,bom\n"",ruim\n' * 3}, ["train has no rows", "empty text"]),
}  # fmt: skip

SPLITS: dict[str, Case] = {
    "a label that train lacks": (
        FOLDER, {"d/train.csv": REVIEWS, "d/validation.csv": "text,label\noi,ótimo\n"},
        ["validation", "ótimo", "dataset.label_map"],
    ),
    "folder without train": (FOLDER, {"d/test.csv": REVIEWS}, ["no file for train", "test.csv"]),
    "empty folder": (FOLDER, {"d/LEIAME.md": "nada"}, ["no data files"]),
    "two files for train": (FOLDER, {"d/a_train.csv": REVIEWS, "d/b_train.csv": REVIEWS}, ["several files", "a_train.csv"]),
    "no such split": ([*R_CSV, "dataset.splits.test=prova"], REVIEWS_FILE, ["'prova'", "dataset.splits.test=FILE"]),
    "no such slice": ([*R_CSV, "dataset.splits.train='train[:x]'"], REVIEWS_FILE, ["slice", "train[:1000]"]),
    "an empty slice": ([*R_CSV, "dataset.splits.train='train[100:]'"], REVIEWS_FILE, ["train has no rows"]),
    "one row": (R_CSV, {"r.csv": "text,label\na,b\n"}, ["one row"]),
    "one group": (
        [*R_CSV, "dataset.columns.group=autor"],
        {"r.csv": "text,label,autor\n" + "a,b,eu\nc,d,eu\n" * 5}, ["one group", "dataset.columns.group=null"],
    ),
    "a slice that streams": (
        [*R_CSV, "dataset.streaming=true", "trainer.max_steps=3", "dataset.splits.train='train[:9]'"],
        REVIEWS_FILE, ["dataset.splits.train=train"]),
}  # fmt: skip

JSON_FILES: dict[str, Case] = {
    "broken line": (R_JSONL, {"r.jsonl": '{"text": "a", "label": "b"}\n{"text": \n'}, ["r.jsonl:2", "JSON"]),
    "a list in place of lines": (R_JSONL, {"r.jsonl": json.dumps(GOOD_TEXTS, indent=1)}, ["dataset.format=json"]),
    "lines in place of a list": (
        ["dataset=json", "dataset.path=r.json"], {"r.json": lines(*GOOD_TEXTS)}, ["dataset.format=jsonl"]),
    "a line that is no object": (R_JSONL, {"r.jsonl": "[1, 2]\n"}, ["r.jsonl:1", "object"]),
    "an object with two lists": (
        ["dataset=json", "dataset.path=r.json"], {"r.json": '{"a": [], "b": []}'}, ["lists: a, b"]),
    "nested too deeply": (["dataset=json", "dataset.path=r.json"], {"r.json": "[" * 100_000}, ["r.json", "JSON"]),
    "a list where a label should be": (R_JSONL, {"r.jsonl": lines({"text": "a", "label": ["b", "c"]})}, ["several values"]),
    "null labels in JSON": (R_JSONL, {"r.jsonl": lines(*GOOD_TEXTS, {"text": "x", "label": None})}, ["no label", "row 10"]),
    "damaged parquet": (["dataset=parquet", "dataset.path=r.parquet"], {"r.parquet": b"PAR1 nada"}, ["r.parquet", "Parquet"]),
    "parquet without the column": (
        ["dataset=parquet", "dataset.path=r.parquet"], {"r.parquet": parquet(texto=["a"], label=["b"])},
        ["dataset.columns.text=texto"],
    ),
    "damaged arrow": (["dataset.path=r.arrow", "dataset.format=arrow"], {"r.arrow": b"ARROW1\0\0 nada"}, ["r.arrow", "Arrow"]),
    "no workbook": (["dataset=xlsx", "dataset.path=r.xlsx"], {"r.xlsx": b"PK nada"}, ["r.xlsx"]),
    "an old workbook": (["dataset=xlsx", "dataset.path=r.xls"], {"r.xls": b"\xd0\xcf\x11\xe0"}, ["xls"]),
    "a sheet without the column": (
        ["dataset=xlsx", "dataset.path=r.xlsx"], {"r.xlsx": sheet(["frase", "label"], ["a", "b"])},
        ["dataset.columns.text=frase"],
    ),
    "an unknown suffix": (["dataset.path=r.dat"], {"r.dat": REVIEWS}, ["format of the file is unknown", "dataset.format="]),
    "references that are missing": (
        ["task=summarization", "dataset=jsonl", "dataset.path=d"],
        {"d/train.jsonl": lines({"document": "a b", "summary": "a"}) * 9,
         "d/test.jsonl": lines({"document": "c d", "summary": None})},
        ["no summary", "row 0"],
    ),
    "summaries without the column": (
        R_SUMMARIES, {"r.jsonl": lines({"document": "a", "resumo": "b"})}, ["dataset.columns.summary=resumo"]),
}  # fmt: skip

TAGS: dict[str, Case] = {
    "tags in another column": (R_CONLL, {"r.conll": "João B-PESSOA NOUN\nviu O VERB\n\n" * 5}, ["NOUN", "dataset.tag_column"]),
    "tags without prefixes and without O": (R_CONLL, {"r.conll": "João NOME\nviu VERBO\n\n" * 5}, ["dataset.tag_scheme=io"]),
    "tags that are numbers": (
        ["task=ner", *R_JSONL], {"r.jsonl": lines({"tokens": ["a"], "tags": [3]}) * 9}, ["numbers", "dataset.label_map"]),
    "one misspelled tag": (R_CONLL, {"r.conll": TAGGED + "Ana B_PESSOA\n"}, ["B_PESSOA", "B-PESSOA"]),
    "a line with too few columns": (R_CONLL, {"r.conll": TAGGED + "Ana\n"}, ["r.conll:41", "1 columns"]),
    "a column that is not there": ([*R_CONLL, "dataset.tag_column=5"], {"r.conll": TAGGED}, ["dataset.tag_column", "2 columns"]),
    "an illegal transition that is to be refused": (
        [*R_CONLL, "dataset.tag_repair=error"], {"r.conll": TAGGED + "Ana I-X\n"}, ["I-X", "dataset.tag_repair=repair"]),
    "no entity": (R_CONLL, {"r.conll": "viu O\nisso O\n\n" * 5}, ["no entity", "dataset.columns.tags"]),
    "more words than tags": (
        ["task=ner", *R_JSONL], {"r.jsonl": lines({"tokens": ["a", "b"], "tags": ["B-X"]})}, ["2 words, 1 tags", "row 0"]),
    "a type that train lacks": (
        ["task=ner", "dataset=conll", "dataset.path=d"],
        {"d/train.conll": TAGGED, "d/test.conll": "hoje B-TEMPO\n\n"}, ["'TEMPO'", "dataset.label_map={TEMPO: O}"],
    ),
    "an entity outside of its text": (R_SPANS, {"r.jsonl": spans([0, 99, "PESSOA"])}, ["leaves its text", "0..99"]),
    "entities that overlap": (R_SPANS, {"r.jsonl": spans([0, 8, "A"], [5, 14, "B"])}, ["overlap", "0..8"]),
    "an entity without a label": (R_SPANS, {"r.jsonl": spans({"start": 0, "end": 4})}, ["not {start, end, label}"]),
    "texts without spans": (R_SPANS, {"r.jsonl": lines({"text": "a", "spans": None})}, ["has no spans", "row 0"]),
    "brat without its text": (
        ["task=ner", "dataset=brat", "dataset.path=d"], {"d/a.ann": "T1\tPESSOA 0 4\tJoão\n"}, ["a.txt"]),
    "brat without annotation": (["task=ner", "dataset=brat", "dataset.path=d"], {"d/a.txt": "João"}, ["a.ann"]),
    "brat with a broken line": (
        ["task=ner", "dataset=brat", "dataset.path=d"],
        {"d/a.txt": "João", "d/a.ann": "T1\tPESSOA zero 4\tJoão\n"}, ["a.ann:1"],
    ),
    "brat with parts": (
        ["task=ner", "dataset=brat", "dataset.path=d"],
        {"d/a.txt": "João e Ana", "d/a.ann": "T1\tPESSOA 0 4;7 10\tJoão Ana\n"}, ["a.ann:1", "discontinuous"],
    ),
}  # fmt: skip

MODELS: dict[str, Case] = {
    "no folder": ([*R_CSV, "model=custom", "model.name_or_path=./nenhum/modelo"], REVIEWS_FILE, ["nenhum/modelo"]),
    "nothing in the cache": (
        [*R_CSV, "model=custom", "model.name_or_path=ninguem/nenhum", "hub.offline=always"], REVIEWS_FILE, ["ninguem/nenhum"]),
    "a folder without a config": (BASE, {**REVIEWS_FILE, "base/vocab.txt": VOCABULARY}, ["base", "config.json"]),
    "a config that is no JSON": (BASE, {**REVIEWS_FILE, "base/config.json": "{"}, ["base"]),
    "a kind that nobody knows": (BASE, {**REVIEWS_FILE, "base/config.json": '{"model_type": "berto"}'}, ["berto"]),
    "a model without a tokenizer": (BASE, {**REVIEWS_FILE, "base/config.json": json.dumps(BERT)}, ["no tokenizer"]),
    "a tokenizer of another model": (
        BASE, {**REVIEWS_FILE, "base/config.json": json.dumps({**BERT, "vocab_size": 3}), "base/vocab.txt": VOCABULARY},
        ["highest id 5", "3 rows"],
    ),
    "no weights": (
        BASE, {**REVIEWS_FILE, "base/config.json": json.dumps(BERT), "base/vocab.txt": VOCABULARY},
        ["no weights", "config.json, vocab.txt"],
    ),
    "only pickled weights": (
        BASE, {**REVIEWS_FILE, "base/config.json": json.dumps(BERT), "base/vocab.txt": VOCABULARY,
               "base/pytorch_model.bin": b"nada"},
        ["safetensors form", "model.allow_pickle=true"],
    ),
    "a git-lfs pointer": (
        BASE, {**REVIEWS_FILE, "base/model.safetensors": "version https://git-lfs.github.com/spec/v1\n"}, ["git-lfs pointer"]),
    "a web page": (BASE, {**REVIEWS_FILE, "base/config.json": "<!DOCTYPE html><html>"}, ["web page", "config.json"]),
    "code of its own": (
        BASE, {**REVIEWS_FILE, "base/config.json": '{"model_type": "meu", "auto_map": {"AutoConfig": "meu.Config"}}'}, ["base"]),
    "task and model": (["task=summarization", "model=tiny_bert"], {}, ["summarization", "model=ptt5_base"]),
    "longer than the model": (
        [*BASE, "task.max_length=64"], {**REVIEWS_FILE, "base/config.json": json.dumps(BERT), "base/vocab.txt": VOCABULARY},
        ["at most 16", "task.max_length=16"],
    ),
    "lora on a layer that is not there": (
        [*BASE, "peft=lora", "peft.target_modules=[queri]"],
        {**REVIEWS_FILE, "base/config.json": json.dumps(BERT), "base/vocab.txt": VOCABULARY}, ["queri", "query"],
    ),
    "fp16 on a CPU": ([*R_CSV, "trainer.precision=fp16"], REVIEWS_FILE, ["fp16", "trainer.precision=auto"]),
    "a longer text that is to be refused": (
        [*R_CSV, "task.on_overflow=error", "task.max_length=8"], {"r.csv": REVIEWS + f"{'palavra ' * 40},bom\n"},
        ["task.on_overflow=window", "row "],
    ),
}  # fmt: skip

CALLS: dict[str, Case] = {
    "an unknown key": (["trainer.lerning_rate=1"], {}, ["trainer.lerning_rate", "trainer.learning_rate"]),
    "an unknown key with a plus": (["+trainer.lerning_rate=1"], {}, ["lerning_rate", "trainer.learning_rate"]),
    "an unknown option": (["task=nerr"], {}, ["nerr", "ner"]),
    "an unknown group": (["modle=tiny"], {}, ["modle", "model"]),
    "out of range": (["trainer.batch_size=0"], {}, ["trainer.batch_size", "greater than 0"]),
    "a wrong type": (["trainer.learning_rate=abc"], {}, ["trainer.learning_rate", "abc"]),
    "task and data set": (["task=sentiment", "dataset=lener_br"], {}, ["portuguese_benchmark", "task=ner"]),
    "a token in the configuration": (["name=hf_abcdefghijklmnopqrstuvwxyz"], {}, ["token", "hf auth login"]),
    "an unknown verb": (["chek"], {}, ["check"]),
    "a plug-in that is not there": (["--plugin", "nada.py"], {}, ["--plugin", "nada.py"]),
    "a folder of configurations that is not there": (["--config-dir", "nada"], {}, ["nada"]),
    "no run to predict with": (["predict", "runs/nada", "--text", "oi"], {}, ["runs/nada"]),
    "no file to convert": (["convert", "nada.csv", "fora.jsonl"], {}, ["nada.csv"]),
}  # fmt: skip

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "csv": CSV_FILES, "splits": SPLITS, "json": JSON_FILES, "tags": TAGS, "models": MODELS, "calls": CALLS,
    }.items()
    for name, case in cases.items()
}  # fmt: skip
STATUS = {"status.json", "config.yaml", "log.txt", ".lock"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "load_model", refuse)
    return tmp_path


def put(folder: Path, files: dict[str, Content]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = content() if callable(content) else content
        path.write_bytes(made if isinstance(made, bytes) else made.encode())


@pytest.mark.parametrize("case", CASES)
def test_broken_input_is_one_screen_with_the_fix(here, capsys, case):
    words, files, expected = CASES[case]
    put(here, files)
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert len(printed.splitlines()) <= 24
    assert max(map(len, printed.splitlines())) <= 600
    for part in expected:
        assert part in printed
    for run in [folder for folder in here.glob("runs/*") if folder.name != ".cache"]:
        assert {file.name for file in run.iterdir()} <= STATUS
        assert json.loads((run / "status.json").read_text("utf-8"))["state"] == "failed"


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("calls")][::4])
def test_the_check_alone_says_the_same_and_writes_no_run(here, capsys, case):
    words, files, expected = CASES[case]
    put(here, files)
    assert main(["check", *words]) == 2
    printed = "".join(capsys.readouterr())
    assert "Traceback" not in printed
    for part in expected:
        assert part in printed
    assert not [folder for folder in here.glob("runs/*") if folder.name != ".cache"]


def test_there_are_more_than_sixty_and_each_is_told_apart():
    assert len(CASES) >= 90
    assert len({tuple(expected) for _, _, expected in CASES.values()}) >= 60
