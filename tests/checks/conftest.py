"""`autotune check … check.format=json` on files that a test writes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune.cli.main import main

TINY_CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForMaskedLM"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "pad_token_id": 0,
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(here: Path) -> Callable[[str, str], Path]:
    def put(name: str, text: str) -> Path:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return put


@pytest.fixture
def reviews(write) -> Callable[..., str]:
    """A CSV of texts and labels; gives its path."""

    def put(rows: list[tuple[str, str]], name: str = "reviews.csv") -> str:
        lines = "".join('"{}",{}\n'.format(text.replace('"', '""'), label) for text, label in rows)
        return str(write(name, f"text,label\n{lines}"))

    return put


@pytest.fixture
def vocabulary(here: Path) -> Callable[..., str]:
    """A folder with a BERT config and vocabulary, and a file of weights that is empty: a check reads none."""

    def put(pieces: list[str], *, lower: bool = False) -> str:
        folder = here / "base"
        folder.mkdir(exist_ok=True)
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
        (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
        (folder / "model.safetensors").touch()
        (folder / "config.json").write_text(json.dumps({**TINY_CONFIG, "vocab_size": len(pieces)}))
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"do_lower_case": lower, "tokenizer_class": "BertTokenizer"})
        )
        return str(folder)

    return put


class Checked:
    """What `autotune check` said."""

    def __init__(self, code: int, report: dict[str, Any]) -> None:
        self.code, self.report = code, report

    def of(self, area: str, severity: str | None = None) -> list[dict[str, Any]]:
        return [
            finding
            for finding in self.report["findings"]
            if finding["area"] == area and severity in (None, finding["severity"])
        ]

    def one(self, phrase: str) -> dict[str, Any]:
        """The one finding that says this."""
        found = [finding for finding in self.report["findings"] if phrase in finding["what"]]
        assert len(found) == 1, [finding["what"] for finding in self.report["findings"]]
        return found[0]

    def says(self, phrase: str) -> bool:
        return any(phrase in finding["what"] for finding in self.report["findings"])


@pytest.fixture
def check(here: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Checked]]:
    def run(*words: str) -> Checked:
        capsys.readouterr()
        code = main(["check", *words, "check.format=json"])
        return Checked(code, json.loads(capsys.readouterr().out))

    yield run
