"""Values of the environment whose variable says that they are secret are in no file and on no screen, in no form."""

import base64
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from autotune.cli.main import main
from autotune.config.compose import compose
from autotune.config.load import dump_config
from autotune.config.secrets import redact, secrets
from autotune.errors import AutotuneError
from autotune.run.folder import RunFolder
from tests.support.forks import forks

SECRET = 'Zq7/9+ç"x&Canary'
PLANTED = {
    "MY_SECRET": SECRET,
    "some_api_key": "0123456789_abcdef*cafe&",
    "DB_PASSWORD": "correcthorsebatterystaple",
    "DB_PASSWD": "tr0ub4dor&3",
    "AWS_CREDENTIALS": "first-line-of-them\nsecond-line-of-them",
    "HF_TOKEN": "of-another-form-than-hf",
}
ORDINARY = {
    "TOKENIZERS_PARALLELISM": "false", "KEY_REPEAT": "1", "SORT_KEY": "sentiment", "SECRET_LEVEL": "12345678",
    "TOKEN_FILE": "/etc/passwd", "KEYTIMEOUT": "", "LESSSECRETHISTFILE": "-",
}  # fmt: skip


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    for name in [name for name in os.environ if re.search("token|key|secret|passw|credential", name, re.I)]:
        monkeypatch.delenv(name)
    for name, value in (PLANTED | ORDINARY).items():
        monkeypatch.setenv(name, value)


def forms(secret: str) -> list[str]:
    """How a secret could stand in a text."""
    return [
        secret, f"x{secret}y", json.dumps({"a": secret}), json.dumps([secret], ensure_ascii=False), quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(), repr(secret),
    ]  # fmt: skip


def test_what_is_a_secret_and_what_is_not():
    lines = PLANTED["AWS_CREDENTIALS"].splitlines()
    assert set(secrets()) == {*PLANTED.values(), *lines}


@pytest.mark.parametrize("name", PLANTED)
def test_a_secret_is_hidden_wherever_it_stands_and_whatever_its_form(name):
    for text in [*forms(PLANTED[name].splitlines()[0]), PLANTED[name]]:
        said = redact(text)
        assert not [part for part in forms(PLANTED[name].splitlines()[0])[:1] if part in said], text
        assert ("hf_…" if name == "HF_TOKEN" else f"[{name}]") in said


@pytest.mark.parametrize("around", ["{}", "run_{}", "x_hf_{}", "é{}", "https://user:{}@host", "9{}9"])
def test_a_token_of_the_hub_needs_no_border(around):
    token = "hf_" + "A" * 34
    assert token not in redact(around.format(token)) and "A" * 17 not in redact(around.format(token))


def test_ordinary_words_stay():
    text = "false true 1 sentiment 12345678 /etc/passwd - half_a_word_of_hf_models"
    assert redact(text) == text


@pytest.mark.parametrize(
    "word",
    ["name=run_{}_2", "dataset.license=x-{}", "model.tokenizer_kwargs={{a: [{}]}}", "+dataset.nope={}", "dataset.labels=[{}]",
     "model.tokenizer_kwargs={{{}: 1}}"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["some_api_key", "HF_TOKEN", "DB_PASSWORD"])
def test_a_configuration_that_holds_one_is_refused_without_it(word, name):
    with pytest.raises(AutotuneError) as caught:
        compose([word.format(PLANTED[name])])
    assert name in str(caught.value) and PLANTED[name] not in str(caught.value)


def test_a_file_of_configuration_that_holds_one_is_refused_with_its_key(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.yaml").write_text(f"path: x\nlicense: a-{PLANTED['some_api_key']}\n")
    with pytest.raises(AutotuneError) as caught:
        compose(["--config-dir", str(tmp_path), "dataset=mine"])
    assert caught.value.where == "dataset.license" and PLANTED["some_api_key"] not in str(caught.value)


def test_the_screen_hides_them(capsys, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text("import os, sys\nfor name in os.environ: print(name, os.environ[name], file=sys.stderr)\n"
                      "raise ValueError(dict(os.environ))\n")  # fmt: skip
    assert main(["show", "--plugin", str(plugin)]) == 2
    said = "".join(capsys.readouterr())
    assert "[MY_SECRET]" in said and "DB_PASSWORD" in said and "KEY_REPEAT 1" in said
    assert not [value for value in PLANTED.values() for line in value.splitlines() if line in said]


def test_files_of_a_run_folder_hide_them(tmp_path):
    """Whatever data or libraries bring in; what is written stays JSON."""
    (config,) = compose([f"runs={tmp_path}", "name=run"])
    with RunFolder.open(config) as folder:
        folder.write_json("data.json", {"labels": [SECRET, "a"], SECRET: 1})
        folder.append_history({"step": 1, "rows": [SECRET]})
        folder.write_predictions("test", [{"id": SECRET, "prediction": "a"}])
        folder.update_status(reason=SECRET)
        folder._log.handle(_record(f"a row of {SECRET}"))
        assert json.loads((tmp_path / "run" / "data.json").read_text()) == {
            "labels": ["[MY_SECRET]", "a"],
            "[MY_SECRET]": 1,
        }
    assert (tmp_path / "run" / "config.yaml").read_text() == dump_config(config)
    for path, text in texts(tmp_path / "run").items():
        assert not [form for form in forms(SECRET) if form in text], path


def _record(message: str):
    import logging

    return logging.makeLogRecord({"levelname": "INFO", "msg": message})


def texts(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()}


def test_data_that_hold_one_leave_it_in_no_file_of_a_run_but_the_tables(tmp_path):
    """Texts and ids go into predictions, the card and the log; labels would go into the model, and are refused."""
    secret = PLANTED["some_api_key"]

    def run(text: str, label: str) -> tuple[int, str]:
        rows = [
            {"id": f"{n}-{text}", "text": f"linha {n} {text}", "label": (label, "b")[n % 2]}
            for n in range(60)
        ]
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        words = ["dataset=jsonl", "dataset.path=rows.jsonl", "debug=smoke", "name=run", "report.examples=2"]
        done = forks().start("task=sentiment", *words, cwd=tmp_path, **PLANTED).ended()
        return done.returncode, done.stdout + done.stderr

    code, said = run("bom", f"x-{secret}")
    assert code == 2 and "some_api_key is in a label" in said and secret not in said
    code, said = run(secret, "a")
    assert code == 0 and secret not in said, said
    written = texts(tmp_path / "runs" / "run")
    assert r"\[some\_api\_key\]" in written[str(tmp_path / "runs" / "run" / "model" / "README.md")]
    for path, text in written.items():
        assert path.endswith("tokenizer.json") or not [form for form in forms(secret) if form in text], path
