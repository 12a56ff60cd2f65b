"""Data sets of the Hub: real `datasets` on folders in the Hub's layout, and on a server that answers like the Hub."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from autotune.config.enums import Format
from autotune.errors import DataError
from tests.support.forks import strangers

CARD = """---
configs:
- config_name: {name}
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
"""
REVIEWS = Features({"text": Value("string"), "label": ClassLabel(names=["negativo", "positivo"])})
SENTENCES = Features(
    {"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=["O", "B-LOCAL", "I-LOCAL"]))}
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")


def write_repository(folder: Path, rows: Dataset, name: str = "default") -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(CARD.format(name=name), encoding="utf-8")
    for split in ("train", "test"):
        rows.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def reviews(tmp_path) -> Path:
    """A repository with four reviews in each of two splits."""
    rows = {"text": ["mau", "bom", "ruim", "ótimo"], "label": [0, 1, 0, 1]}
    return write_repository(tmp_path / "reviews", Dataset.from_dict(rows, features=REVIEWS))


def refused(load, path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load("sentiment", path, format=Format.hub, **options)
    return str(caught.value)


def test_a_folder_in_the_hubs_layout_is_read_with_the_names_of_its_labels(load, reviews):
    rows = load("sentiment", reviews, format=Format.hub, splits={"train": "train[:3]"})
    assert rows.splits["train"]["label"][:] == ["negativo", "positivo", "negativo"]
    assert len(rows.splits["test"]) == 4
    assert rows.source["commit"] is None


def test_splits_of_a_repository_may_be_added_and_sliced(load, reviews):
    splits = {"train": "train[:50%]+test[3:]", "test": "test[:3]"}
    rows = load("sentiment", reviews, format=Format.hub, splits=splits)
    assert rows.splits["train"]["text"][:] == ["mau", "bom", "ótimo"]
    assert rows.splits["train"]["id"][:] == ["0", "1", "3"]
    assert len(rows.splits["test"]) == 3
    assert "dataset.splits.train" in refused(load, reviews, splits={"train": "train+extra"})


def test_names_of_tags_are_read_and_sentences_without_words_dropped(load, tmp_path):
    rows = Dataset.from_dict({"tokens": [["São", "Luís"], []], "ner_tags": [[1, 2], []]}, features=SENTENCES)
    made = load(
        "ner", write_repository(tmp_path / "r", rows), format=Format.hub, columns={"tags": "ner_tags"}
    )
    assert made.splits["train"]["tags"][:] == [["B-LOCAL", "I-LOCAL"]]
    assert any("without a word" in note for note in made.notes)


def test_a_row_whose_label_is_hidden_has_none(load, tmp_path):
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [1, -1]}, features=REVIEWS)
    assert "1 rows have no label" in refused(load, write_repository(tmp_path / "r", rows))


def test_a_split_that_does_not_exist_is_refused_with_those_that_do(load, reviews):
    message = refused(load, reviews, splits={"test": "teste"})
    assert "splits: train, test" in message
    assert "dataset.splits.test=test" in message


def test_configurations_are_listed_when_none_or_a_wrong_one_is_named(load, tmp_path):
    rows = Dataset.from_dict({"text": ["a"], "label": [1]}, features=REVIEWS)
    folder = write_repository(tmp_path / "r", rows, "plain_text")
    card = folder / "README.md"
    other = CARD.format(name="outra").partition("configs:\n")[2]
    card.write_text(CARD.format(name="plain_text").removesuffix("---\n") + other, encoding="utf-8")
    assert "dataset.name=plain_text" in refused(load, folder)
    message = refused(load, folder, name="terceira")
    assert "'terceira'" in message
    assert "plain_text, outra" in message
    assert len(load("sentiment", folder, format=Format.hub, name="outra").splits["train"]) == 1


def test_a_repository_with_a_script_alone_is_pointed_to_the_hubs_conversion(load, write):
    folder = write("lener_br/lener_br.py", "raise SystemExit('run')").parent
    assert "dataset.revision=refs/convert/parquet" in refused(load, folder)


def test_the_hubs_conversion_has_files_and_no_configurations(load, tmp_path):
    for split, text in (("train", "bom"), ("test", "ruim")):
        file = tmp_path / "r" / "pt" / split / "0000.parquet"
        file.parent.mkdir(parents=True)
        Dataset.from_list([{"text": text, "label": "x"}]).to_parquet(file)
    branch = {"revision": "refs/convert/parquet"}
    message = refused(load, tmp_path / "r", name="pt", **branch)
    assert "dataset.data_files={train: pt/train/*.parquet, test: pt/test/*.parquet}" in message.replace(
        '"', ""
    )
    files = {split: f"pt/{split}/*.parquet" for split in ("train", "test")}
    rows = load(
        "sentiment", tmp_path / "r", format=Format.hub, data_files=files, validation_fraction=0.0, **branch
    )
    assert {split: data["text"][:] for split, data in rows.splits.items()} == {
        "train": ["bom"],
        "test": ["ruim"],
    }


def test_files_are_chosen_by_pattern(load, write):
    write("r/textos.jsonl", [{"text": "a", "label": "x"}])
    folder = write("r/copia.csv", "a;b\n").parent
    rows = load("sentiment", folder, format=Format.hub, data_files=["*.jsonl"])
    assert len(rows.splits["train"]) == 1
    assert "dataset.data_files" in refused(load, folder, data_files=["*.parquet"])


def test_a_folder_without_data_is_refused(load, write):
    assert "no data files" in refused(load, write("r/LEIAME.md", "nada").parent)


def test_an_id_that_is_not_in_the_cache_is_refused_when_offline(load):
    message = refused(load, "ninguem/nada")
    assert "dataset.path=ninguem/nada" in message
    assert "cannot be reached" in message


def test_a_split_of_our_own_stands_beside_those_of_the_repository(load, reviews, write):
    own = write("tweets.jsonl", [{"text": "x", "label": "positivo"}])
    rows = load("sentiment", reviews, format=Format.hub, splits={"train": str(own)})
    assert {split: len(data) for split, data in rows.splits.items()} == {"train": 1, "test": 4}


COMMIT = hashlib.sha1(b"commit").hexdigest()
FILES = {"README.md": b"# plain\n", "train.jsonl": b'{"text": "bom", "label": "positivo"}\n' * 3}


class Hub(BaseHTTPRequestHandler):
    """Answers for org/plain (one data file), org/script (one script), org/gated; there is nothing else."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].replace("%2F", "/")
        if "/org/gated" in path:
            self.refuse(401, "GatedRepo", "Access to dataset org/gated is restricted.")
        elif "/org/plain" not in path and "/org/script" not in path:
            self.refuse(401, "RepoNotFound", "Repository not found")
        elif "/revision/nenhuma" in path or "/resolve/nenhuma" in path:
            self.refuse(404, "RevisionNotFound", "Invalid rev id")
        elif "/resolve/" in path:
            self.file(path.rpartition("/")[2], "script" in path)
        elif "/tree/" in path or "/paths-info/" in path:
            entries = [
                {"type": "file", "path": name, "size": len(text), "oid": name} for name, text in FILES.items()
            ]
            self.answer(json.dumps(entries).encode())
        elif path.startswith("/api/datasets/"):
            siblings = [{"rfilename": name} for name in FILES]
            self.answer(json.dumps({"id": "org/plain", "sha": COMMIT, "siblings": siblings}).encode())
        else:
            self.refuse(404, "EntryNotFound", "Entry not found")

    do_HEAD = do_POST = do_GET

    def file(self, name: str, script: bool) -> None:
        text = (
            {"script.py": b"raise SystemExit", "README.md": b"# x\n"}.get(name) if script else FILES.get(name)
        )
        if text is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
        else:
            self.answer(text, ETag=f'"{hashlib.sha1(text).hexdigest()}"', **{"X-Repo-Commit": COMMIT})

    def refuse(self, status: int, code: str, message: str) -> None:
        self.answer(b"{}", status, **{"X-Error-Code": code, "X-Error-Message": message})

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def ask(tmp_path) -> Iterator:
    """Loads data sets from the server in a fresh process, for Hugging Face libraries read their settings when
    imported; gives rows of train and commit, or the error, of each."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    names = ("HF_", "HUGGING", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(names)}

    def load_all(wanted: list[dict], **environment: str) -> list:
        code = f"""
import json
from pathlib import Path
from autotune.config.schema import DatasetConfig
from autotune.data.sources import load_rows
from autotune.errors import DataError
from tests.data.conftest import COLUMNS
answers = []
for options in {wanted!r}:
    try:
        config = DatasetConfig(validation_fraction=0.0, **options)
        rows = load_rows(config, COLUMNS["sentiment"], cache=Path({str(tmp_path / "rows")!r}))
        answers.append([len(rows.splits["train"]), rows.source["commit"]])
    except DataError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""
        environment = clean | {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub")} | environment
        done = strangers().start(code=code, only=environment, cwd=tmp_path).ended()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    yield load_all
    server.shutdown()


def test_what_the_hub_refuses_is_said_with_the_way_in(ask):
    gated, missing, script, revision = ask(
        [
            {"path": "org/gated"},
            {"path": "org/nada"},
            {"path": "org/script"},
            {"path": "org/plain", "revision": "nenhuma"},
        ]
    )
    assert "https://huggingface.co/datasets/org/gated" in gated
    assert "hf auth login" in gated
    assert "no such data set" in missing
    assert "hf auth login" in missing
    assert "dataset.revision=refs/convert/parquet" in script
    assert "'nenhuma'" in revision


def test_the_commit_is_recorded_and_known_from_the_cache_too(ask):
    assert ask([{"path": "org/plain"}]) == [[3, COMMIT]]
    assert ask([{"path": "org/plain"}], HF_HUB_OFFLINE="1") == [[3, COMMIT]]
