"""Where models come from, and what is said when they do not."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from autotune.errors import ModelError
from autotune.models.spec import Head
from autotune.models.weights import load_model
from tests.support.forks import strangers

OPEN = """
import sys
from pathlib import Path
from typing import ClassVar
from autotune.config.schema import ModelConfig
from autotune.errors import ModelError
from autotune.models.base import open_base
from autotune.models.spec import Family, Head
for name in sys.argv[1:]:
    try:
        heads = {Family.encoder: Head.sequence}
        open_base(ModelConfig(name_or_path=name), heads, "task", "instead", "bert", list, Path())
    except ModelError as error:
        print(str(error).replace(chr(10), " "))
"""


class Hub(BaseHTTPRequestHandler):
    """Answers like the Hub does for repositories that cannot be read."""

    answers: ClassVar = {
        "gated": (401, "GatedRepo"),
        "gone": (401, "RepoNotFound"),
        "branch": (404, "RevisionNotFound"),
    }

    def do_GET(self):
        code, reason = next(answer for name, answer in self.answers.items() if name in self.path)
        self.send_response(code)
        self.send_header("X-Error-Code", reason)
        self.send_header("X-Error-Message", reason)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        """Keeps the test's output clean."""


def say(tmp_path: Path, names: list[str], **environment: str) -> list[str]:
    environment = {**os.environ, "HF_HOME": str(tmp_path), **environment}
    done = strangers().start(*names, code=OPEN, cwd=tmp_path, only=environment).ended()
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_hub_s_refusals_are_said_in_plain_words(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        said = say(
            tmp_path,
            ["org/gated", "org/gone", "org/branch", "not an id"],
            HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}",
            HF_HUB_OFFLINE="0",
        )
    finally:
        server.shutdown()
    gated, gone, branch, malformed = said
    assert (
        "gated" in gated and "accept the terms" in gated and "hf auth login" in gated and "org/gated" in gated
    )
    assert "no public model" in gone and "org/gone" in gone
    assert "no such revision" in branch
    assert "no public model" in malformed


def test_offline_the_message_names_the_ways_out(tmp_path):
    (said,) = say(tmp_path, ["org/model"], HF_HUB_OFFLINE="1")
    assert "Hub cannot be reached" in said and "hf download org/model" in said and "model=tiny" in said


@pytest.mark.parametrize("name", ["./modelos/não", "/nowhere/model", "~/nothing-here-at-all", "a/b/c"])
def test_a_folder_that_does_not_exist(opened, name):
    class Name(type(Path())):
        def __str__(self):
            return name

    with pytest.raises(ModelError, match="folder does not exist"):
        opened(Name(name))


def test_a_file_is_not_a_model(opened, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="not a file"):
        opened(file)


def test_a_folder_without_config(opened, tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        opened(tmp_path)


def test_an_unknown_kind_of_model(opened, checkpoint):
    with pytest.raises(ModelError, match="does not know this kind"):
        opened(checkpoint("bert", model_type="bertão"))


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_git_lfs_pointers_are_named(opened, checkpoint, file):
    folder = checkpoint("bert")
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "utf-8")
    with pytest.raises(ModelError, match="git-lfs pointer") as caught:
        opened(folder)
    assert file in caught.value.where and "lfs pull" in caught.value.fix


def test_web_pages_are_named(opened, checkpoint):
    folder = checkpoint("bert")
    (folder / "config.json").write_text("<!DOCTYPE html>\n<html><body>login</body></html>", "utf-8")
    with pytest.raises(ModelError, match="web page"):
        opened(folder)


def test_an_index_cannot_lead_out_of_the_folder(opened, checkpoint):
    folder = checkpoint("bert")
    index = {"weight_map": {"bert.x": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    with pytest.raises(ModelError, match="outside the folder"):
        opened(folder)


def test_cut_off_weights_are_called_damaged(opened, checkpoint):
    folder = checkpoint("bert")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged"):
        load_model(opened(folder), Head.sequence, ["a", "b"], None, allow_pickle=False, seed=0)
