"""Bad input: one screen that says what is wrong, where and what fixes it; exit code 2; no traceback; no model."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autotune.cli import main

REVIEWS = "text,label\n" + "".join(f"avaliação número {n},{'bom' if n % 2 else 'ruim'}\n" for n in range(20))
TAGGED = "João B-PESSOA\nviu O\nBelém B-LOCAL\n\n" * 10


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text(REVIEWS, encoding="utf-8")
    (tmp_path / "tagged.conll").write_text(TAGGED, encoding="utf-8")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


CSV = ["dataset=csv", "dataset.path=reviews.csv"]
CASES = {
    "unknown override": (
        [*CSV, "trainer.lerning_rate=1"],
        {},
        ["trainer.lerning_rate", "trainer.learning_rate"],
    ),
    "unknown override with plus": (
        [*CSV, "+trainer.lerning_rate=1"],
        {},
        ["lerning_rate", "trainer.learning_rate"],
    ),
    "unknown group option": (["task=nerr"], {}, ["nerr", "ner"]),
    "value out of range": ([*CSV, "trainer.batch_size=0"], {}, ["trainer.batch_size", "greater than 0"]),
    "wrong type": ([*CSV, "trainer.learning_rate=abc"], {}, ["trainer.learning_rate", "abc"]),
    "missing column": (
        ["dataset=csv", "dataset.path=r.csv"],
        {"r.csv": REVIEWS.replace("text,", "texto,")},
        ["text", "texto", "dataset.columns.text=texto"],
    ),
    "missing file": (["dataset=csv", "dataset.path=nada.csv"], {}, ["nada.csv"]),
    "empty file": (["dataset=csv", "dataset.path=r.csv"], {"r.csv": ""}, ["r.csv", "empty"]),
    "header only": (["dataset=csv", "dataset.path=r.csv"], {"r.csv": "text,label\n"}, ["r.csv"]),
    "ragged row": (["dataset=csv", "dataset.path=r.csv"], {"r.csv": REVIEWS + "a,b,c\n"}, ["r.csv", "22"]),
    "unknown label in validation": (
        ["dataset=csv", "dataset.path=d"],
        {"d/train.csv": REVIEWS, "d/validation.csv": "text,label\noi,ótimo\n"},
        ["validation", "ótimo", "dataset.label_map"],
    ),
    "null label": (
        ["dataset=csv", "dataset.path=r.csv"],
        {"r.csv": REVIEWS + "sem rótulo,\n"},
        ["label", "r"],
    ),
    "one class": (
        ["dataset=csv", "dataset.path=r.csv"],
        {"r.csv": REVIEWS.replace("ruim", "bom")},
        ["one class", "bom"],
    ),
    "wrong tag scheme": (
        ["task=ner", "dataset=conll", "dataset.path=r.conll"],
        {"r.conll": TAGGED.replace("B-", "")},
        ["PESSOA", "dataset.tag_scheme=io"],
    ),
    "tag in another column": (
        ["task=ner", "dataset=conll", "dataset.path=r.conll"],
        {"r.conll": "João B-PESSOA NOUN\nviu O VERB\n\n" * 5},
        ["NOUN", "dataset.tag_column"],
    ),
    "broken jsonl": (
        ["dataset=jsonl", "dataset.path=r.jsonl"],
        {"r.jsonl": '{"text": "a", "label": "b"}\n{"text": \n'},
        ["r.jsonl", "2"],
    ),
    "model folder that does not exist": (
        [*CSV, "model=custom", "model.name_or_path=./nenhum/modelo"],
        {},
        ["nenhum/modelo"],
    ),
    "model id that cannot be had": (
        [*CSV, "model=custom", "model.name_or_path=ninguem/nenhum", "hub.offline=always"],
        {},
        ["ninguem/nenhum"],
    ),
    "task and model": (
        ["task=summarization", "model=tiny_bert"],
        {},
        ["summarization", "model=ptt5_base"],
    ),
    "task and data set": (["task=sentiment", "dataset=lener_br"], {}, ["ner", "task=ner"]),
    "more tokens than the model takes": ([*CSV, "task.max_length=100000"], {}, ["task.max_length"]),
    "fp16 for t5": (["task=summarization", "trainer.precision=fp16"], {}, ["fp16", "bfloat16"]),
    "no such split": ([*CSV, "dataset.splits.test=prova"], {}, ["prova"]),
    "no run to predict with": (["predict", "runs/nada", "--text", "oi"], {}, ["runs/nada"]),
    "unknown verb": (["trian"], {}, ["train"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_screen_with_the_fix(here, capsys, case):
    words, files, expected = CASES[case]
    for name, text in files.items():
        write(here, name, text)
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert len(printed.splitlines()) <= 24
    for part in expected:
        assert part in printed
    assert not list(here.glob("runs/*/model"))


class Gate(BaseHTTPRequestHandler):
    """The Hub's answer to a stranger who asks for a gated model."""

    def do_GET(self) -> None:
        body = json.dumps({"error": "Access to model org/gated is restricted."}).encode()
        self.send_response(401)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("X-Error-Message", "Access to model org/gated is restricted.")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Silent."""


def test_a_gated_model_without_a_token_says_how_to_get_in(here):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))
    }
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(here / "hf")}
    done = subprocess.run(
        [sys.executable, "-m", "autotune", *CSV, "model=custom", "model.name_or_path=org/gated"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    server.shutdown()
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for part in ("org/gated", "hf auth login"):
        assert part in done.stderr
