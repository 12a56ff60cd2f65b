"""What is damaged or hostile ends with 0, 2 or 65 and a sentence: never a traceback, never a hang, nothing else learned.

The corpus is drawn from fixed seeds. AUTOTUNE_FUZZ=20 runs twenty times as many cases of each kind.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune.cli.main import main
from tests.integration.fuzz.corpus import RESULTS
from tests.support import SAMPLES
from tests.support.forks import forks

TIMES = int(os.environ.get("AUTOTUNE_FUZZ", "1"))
RUNS = {
    "sentiment": ["task=sentiment", "dataset.limit=24", "trainer.max_steps=2"],
    "adapter": ["task=ner", "peft=lora", "peft.merge=false", "dataset.limit=24", "trainer.max_steps=2"],
    "summarization": [
        "task=summarization", "dataset.limit=4", "trainer.max_steps=1", "task.max_new_tokens=8",
    ],
}  # fmt: skip
TEXT = ["--text", "a obra não foi boa"]
FUZZ = "from tests.integration.fuzz.corpus import main; main()"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished runs in `runs`, and a few rows for each to be scored on."""
    folder = tmp_path_factory.mktemp("fuzz")
    started = [
        forks().start(*words, "debug=smoke", f"runs={folder / 'runs'}", f"name={name}", cwd=folder)
        for name, words in RUNS.items()
    ]
    for name, run in zip(RUNS, started, strict=True):
        done = run.ended()
        assert done.returncode == 0, done.stderr
        rows = (
            (SAMPLES / RUNS[name][0].removeprefix("task=") / "test.jsonl")
            .read_text("utf-8")
            .splitlines(keepends=True)
        )
        (folder / f"{name}.jsonl").write_text("".join(rows[:2]), "utf-8")
    return folder


def cases(kind: str, count: int, base: Path) -> Iterator[dict[str, Any]]:
    """Results of so many cases, in two processes."""
    half = count * TIMES // 2
    started = []
    for first in (0, half):
        own = base / f"{kind}-{first}"
        own.mkdir()
        (own / "runs").symlink_to(base / "runs")
        for rows in base.glob("*.jsonl"):
            shutil.copy(rows, own)
        started.append((own, forks().start(kind, own, first, first + half, cwd=base, code=FUZZ)))
    for own, process in started:
        done = process.ended()
        found = [json.loads(line) for line in (own / RESULTS).read_text("utf-8").splitlines()]
        # A process that dies takes the case with it that killed it.
        assert done.returncode == 0 and len(found) == half, (done.returncode, len(found), done.stderr[-2000:])
        yield from found


@pytest.mark.parametrize(("kind", "count"), [("inputs", 30), ("runs", 40), ("tables", 30), ("configs", 30)])
def test_every_case_ends_with_a_sentence(base, kind, count):
    results = list(cases(kind, count, base))
    faults = [result for result in results if result["fault"]]
    for fault in faults[:3]:
        print(f"seed {fault['seed']} {fault['file']} {fault['words']}\n{fault['code']}: {fault['said']}")
    assert [(fault["seed"], fault["fault"]) for fault in faults] == []
    codes = Counter(result["code"] for result in results)
    # The corpus bites, and not everything is refused; a table is made again.
    assert codes[0] == len(results) if kind == "tables" else codes[2] > count / 3 and codes[0] > 0, codes


def weird(file: str, key: str, value: Any) -> Callable[[Path], None]:
    """Sets a value of a JSON file; a dotted key leads inside."""

    def spoil(run: Path) -> None:
        content = json.loads((run / file).read_text("utf-8"))
        *outer, last = key.split(".")
        inside = content
        for part in outer:
            inside = inside[part]
        if value is KeyError:
            del inside[last]
        else:
            inside[last] = value
        (run / file).write_text(json.dumps(content), "utf-8")

    return spoil


def whole(file: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / file).write_bytes(content) and None


def flipped(run: Path) -> None:
    """One bit of the word `finished`."""
    file = run / "status.json"
    file.write_bytes(file.read_bytes().replace(b"finished", b"finished".replace(b"n", b"o", 1)))


def pipe(run: Path) -> None:
    (run / "status.json").unlink()
    os.mkfifo(run / "status.json")


CONFIG, RECORD, TOKENIZER = "model/config.json", "model/autotune.json", "model/tokenizer.json"
LABELS = "facts.labels"
PREDICT: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a text for a dropout": (weird(CONFIG, "hidden_dropout_prob", "x"), ["config.json"]),
    "a list for the vocabulary's size": (weird(CONFIG, "vocab_size", [1]), ["config.json"]),
    "a text for the epsilon of layer norms": (weird(CONFIG, "layer_norm_eps", "x"), ["config.json"]),
    "10,000,000 layers": (weird(CONFIG, "num_hidden_layers", 10_000_000), ["config.json", "10000000"]),
    "config.json is 5": (whole(CONFIG, b"5"), ["config.json is damaged", "valid dictionary"]),
    "config.json is deep": (whole(CONFIG, b'{"a":' * 5000), ["config.json is damaged", "64 levels"]),
    "labels of the config are a number": (weird(CONFIG, "id2label", 5), ["config.json"]),
    "ids of a template are texts": (
        weird(TOKENIZER, "post_processor", {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {
            "[CLS]": {"id": "[CLS]", "ids": ["x"], "tokens": ["[CLS]"]}}}), ["tokenizer.json"]),
    "the vocabulary is a list": (weird(TOKENIZER, "model.vocab", [1, "x"]), ["tokenizer.json"]),
    "the vocabulary is empty": (weird(TOKENIZER, "model.vocab", {}), ["tokenizer"]),
    "ids beyond the embeddings": (weird(TOKENIZER, "model.vocab.ob", 10**6), ["highest id 1000000"]),
    "tokenizer.json is no UTF-8": (whole(TOKENIZER, b"\xff\xfe"), ["tokenizer.json"]),
    "tokenizer_config.json is 5": (whole("model/tokenizer_config.json", b"5"), ["tokenizer_config.json is damaged"]),
    "a number for a token": (weird("model/tokenizer_config.json", "pad_token", 5), ["model/tokenizer_config.json"]),
    "autotune.json without max_length": (weird(RECORD, "max_length", KeyError), ["max_length: the key is missing"]),
    "more positions than there are": (weird(RECORD, "max_length", 10**6), ["autotune.json", "max_length"]),
    "labels are a text": (weird(RECORD, LABELS, "ab"), ["autotune.json", "labels", "valid list"]),
    "a label less": (weird(RECORD, LABELS, ["a", "b"]), ["autotune.json", "2 names for 3 outputs"]),
    "a label twice": (weird(RECORD, LABELS, ["a", "b", "a"]), ["autotune.json", "2 names for 3 outputs"]),
    "no such precision": (weird(RECORD, "precision", "banana"), ["autotune.json", "precision"]),
    "the head of another task": (weird(RECORD, "head", "token classification"), ["autotune.json"]),
    "no such task": (weird(RECORD, "config.task.name", 5), ["autotune.json", "config.task.name"]),
    "a key that is none": (weird(RECORD, "config.seed", "x"), ["autotune.json", "seed"]),
    "config.yaml holds itself": (whole("config.yaml", b"x: &a [*a]"), ["config.yaml is damaged", "mv "]),
    "config.yaml has other types": (
        whole("config.yaml", b"task: {name: sentiment}\nseed: x"), ["config.yaml is damaged", "seed"]),
    "the index names numbers": (
        whole("model/model.safetensors.index.json", b'{"weight_map": {"a": 5}}'), ["index.json is damaged"]),
    "the weights are text": (whole("model/model.safetensors", b"weights"), ["model/model.safetensors"]),
}  # fmt: skip


def copied(base: Path, name: str, to: Path) -> Path:
    """A copy whose status.json states no sums: who tampers with files can write those, too."""
    shutil.copytree(base / "runs" / name, to / name)
    status = json.loads((to / name / "status.json").read_text())
    del status["saved"]
    (to / name / "status.json").write_text(json.dumps(status))
    return to / name


@pytest.mark.parametrize("case", PREDICT)
def test_predict_names_the_file_that_was_tampered_with(base, tmp_path, capsys, case):
    run = copied(base, "sentiment", tmp_path)
    spoil, expected = PREDICT[case]
    spoil(run)
    assert main(["predict", str(run), *TEXT]) == 2
    said = capsys.readouterr().err
    assert (
        [line[:7] for line in said.splitlines()].count("error: ") == 1
        and "fix: " in said
        and "Traceback" not in said
    ), said
    assert [word for word in expected if word not in said] == [], said


STATUS: dict[str, Callable[[Path], None]] = {
    "banana": weird("status.json", "state", "banana"),
    "5": whole("status.json", b"5"),
    "[[1]]": whole("status.json", b"[[1]]"),
    "deep": whole("status.json", b"[" * 100_000),
    "empty": whole("status.json", b""),
    "no UTF-8": whole("status.json", b'{"state": "\xe9"}'),
    "twice": whole("status.json", b'{"state": "finished", "state": "failed"}'),
    "a pipe": pipe,
    "one bit": flipped,
}


@pytest.mark.parametrize("case", STATUS)
def test_a_status_that_cannot_be_read_says_how_to_repair_it(base, tmp_path, capsys, case):
    """And the command that it prints does."""
    run = copied(base, "sentiment", tmp_path)
    STATUS[case](run)
    words = [*RUNS["sentiment"], "debug=smoke", f"runs={tmp_path}", "name=sentiment"]
    for verb in (
        (["push", str(run), "--dry-run"], ["train", *words])
        if case in ("banana", "one bit")
        else (["push", str(run)],)
    ):
        assert main(verb) == 2
        said = capsys.readouterr().err
        assert "status.json is damaged" in said and "Traceback" not in said, said
    repair = said.partition("fix:")[2].strip().partition("   (")[0]
    subprocess.run(repair, shell=True, check=True)
    assert main(["push", str(run), "--dry-run"]) == 0
    assert main(["predict", str(run), *TEXT]) == 0


def test_a_damaged_status_of_a_run_that_was_cut_off_lets_it_go_on(base, tmp_path, capsys):
    run = copied(base, "sentiment", tmp_path)
    shutil.rmtree(run / "model")
    (run / "status.json").write_text("{")
    assert main(["push", str(run)]) == 2
    said = capsys.readouterr().err
    subprocess.run(said.partition("fix:")[2].strip().partition("   (")[0], shell=True, check=True)
    assert json.loads((run / "status.json").read_text()) == {"state": "interrupted"}
    assert main(["push", str(run)]) == 2
    assert "its state is interrupted" in capsys.readouterr().err


def test_without_its_config_a_run_still_predicts(base, tmp_path, capsys):
    run = copied(base, "sentiment", tmp_path)
    (run / "config.yaml").write_bytes(b"\xff")
    assert main(["predict", str(run), *TEXT]) == 2
    command = capsys.readouterr().err.partition("work without it: ")[2].splitlines()[0]
    subprocess.run(shlex.split(command), check=True)
    assert main(["predict", str(run), *TEXT]) == 0


PUSH: dict[str, tuple[Callable[[Path], None], str]] = {
    "metrics without baselines": (weird("metrics.json", "baseline", {}), "metrics.json is damaged"),
    "figures are texts": (
        weird("metrics.json", "baseline.test", {"a": {"macro_f1": "x"}}),
        "metrics.json is damaged",
    ),
    "no figures": (lambda run: (run / "metrics.json").unlink(), "there is no metrics.json"),
    "the result is of another split": (
        weird("metrics.json", "baseline", {"dev": {}}),
        "metrics.json is damaged",
    ),
    "rows are texts": (weird("data.json", "rows", {"test": "x"}), "data.json is damaged"),
    "no data.json": (lambda run: (run / "data.json").unlink(), "there is no data.json"),
    "an environment that is a list": (whole("environment.json", b"[]"), "environment.json is damaged"),
    "a command with open quotes": (weird("status.json", "command", "autotune 'a"), ""),
    "labels that are numbers": (weird(RECORD, LABELS, [1, 2, 3]), "autotune.json is damaged"),
}


@pytest.mark.parametrize("case", PUSH)
def test_push_names_the_file_that_was_tampered_with(base, tmp_path, capsys, case):
    run = copied(base, "sentiment", tmp_path)
    spoil, expected = PUSH[case]
    spoil(run)
    code = main(["push", str(run), "--dry-run"])
    said = capsys.readouterr().err
    assert code == (2 if expected else 0) and expected in said and "Traceback" not in said, said


@pytest.mark.parametrize(
    ("name", "spoil", "expected"),
    [
        (
            "adapter",
            weird("model/adapter_config.json", "base_model_name_or_path", 5),
            "adapter_config.json is damaged",
        ),
        ("adapter", weird("model/adapter_config.json", "r", "x"), "adapter_model.safetensors"),
        ("adapter", whole("model/adapter_model.safetensors", b"x" * 100), "safetensors"),
        ("summarization", weird("model/generation_config.json", "num_beams", "x"), "config.json"),
        ("summarization", weird(RECORD, "facts.max_new_tokens", -1), "max_new_tokens"),
        ("summarization", weird(CONFIG, "d_kv", "x"), "config.json"),
    ],
)
def test_other_kinds_of_models_are_told_likewise(base, tmp_path, capsys, name, spoil, expected):
    run = copied(base, name, tmp_path)
    spoil(run)
    assert main(["predict", str(run), *TEXT]) == 2
    said = capsys.readouterr().err
    assert expected in said and "fix: " in said and "Traceback" not in said, said
