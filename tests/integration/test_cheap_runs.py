"""Whole runs of models without a neural network, through the command line."""

import csv
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import autotune
from autotune.pipeline.load import load_saved
from tests.support.forks import forks

METHODS = {
    "classification": ("tfidf", ("task.calibrate=temperature",)),
    "ordinal": ("tfidf", ("task.class_weights=balanced",)),
    "multi_label": ("tfidf", ("task.tune_threshold=true", "task.calibrate=temperature")),
    "regression": ("tfidf", ("model.C=3",)),
    "ner": ("tagger", ()),
    "summarization": ("first_sentences", ()),
}
TITLES = {
    "regression": "TF-IDF + ridge regression",
    "ner": "linear tagger",
    "summarization": "first sentences",
}


def order(folder, *words, code=0, **env):
    done = forks().start(*map(str, words), cwd=folder, **env).ended()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cheap")


@pytest.fixture(scope="module", params=METHODS)
def run(request, folder):
    """A finished run of each task, with what it printed."""
    task = request.param
    method, words = METHODS[task]
    words = (
        f"task={task}",
        f"model={method}",
        *words,
        "dataset.limit=60",
        "runs=.",
        "report=html",
        "hub.language=en",
    )
    return folder / task, order(folder, *words, f"name={task}"), words


def test_a_run_has_the_files_figures_and_words_of_any_run(run):
    path, printed, _ = run
    task = path.name
    method, _ = METHODS[task]
    assert "proof: a fresh process read the saved model and gave the same predictions" in printed
    assert f"model={method} learned from 60 rows" in printed and "GB of memory" in printed
    metrics = json.loads((path / "metrics.json").read_text())
    title = TITLES.get(task, "TF-IDF + logistic regression")
    beside = {*metrics["baseline"]["test"], *metrics.get("upper_bound", {}).get("test", {})}
    assert beside and title not in beside
    assert metrics["main"] in metrics["interval"]["test"] and metrics["slices"]["test"]
    assert {"validation", "test"} <= metrics.keys()
    for split in ("validation", "test"):
        assert lines(path / f"predictions_{split}.jsonl")
    record = json.loads((path / "model" / "autotune.json").read_text())
    assert record["baseline"] == method and record["config"]["model"]["baseline"] == method
    card = (path / "model" / "README.md").read_text()
    assert "It has no neural network" in card and title in card and "base model |" not in card
    assert "library_name: autotune" in card and "None" not in card.split("## Results")[1]
    report = (path / "report.html").read_text()
    assert "without a neural network" in report and "fine-tuned for" not in report
    assert {file.suffix for file in (path / "model").iterdir()} <= {".safetensors", ".json", ".md"}


def test_the_same_command_trains_nothing_again_and_after_a_kill_the_same_bytes(run):
    path, _, words = run
    files = [path / "predictions_test.jsonl", *sorted((path / "model").glob("*.*s*"))]
    before = [file.read_bytes() for file in files]
    assert "is finished; nothing was trained" in order(path.parent, *words, f"name={path.name}")
    if path.name not in ("classification", "ner"):
        return
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps(status | {"state": "running"}))
    (path / "model" / "model.safetensors").write_bytes(b"half of it")
    assert "learned from 60 rows" in order(path.parent, *words, f"name={path.name}")
    assert [file.read_bytes() for file in files] == before


def test_a_file_is_predicted_and_scored_as_in_the_run(run):
    path, _, _ = run
    assert "robustness" in order(
        path.parent, "evaluate", path.name, "-o", "scores.json", "--force", "--robustness"
    )
    scores = json.loads((path.parent / "scores.json").read_text())
    metrics = json.loads((path / "metrics.json").read_text())
    assert scores[metrics["main"]] == metrics["test"][metrics["main"]] and "precision" not in scores
    rows = lines(path / "predictions_test.jsonl")[:4]
    if path.name == "summarization":
        return
    loaded = autotune.load(path)
    texts = [row["text"] for row in rows]
    assert [row["prediction"] for row in loaded.predict(texts)] == [row["prediction"] for row in rows]


def test_runs_are_compared_and_listed(run):
    path, _, words = run
    printed = order(path.parent, "table", ".")
    assert METHODS[path.name][0] in printed and path.name in printed
    order(path.parent, "report", path.name)
    if path.name != "classification":
        return
    order(path.parent, *words, "model.C=0.1", "name=other")
    assert "model.C" in order(path.parent, "compare", path.name, "other")
    order(path.parent, "suspects", path.name, "-o", "suspects.csv", "--force")
    assert (path.parent / "suspects.csv").is_file()
    shutil.rmtree(path.parent / "other")


def test_a_damaged_model_is_refused_in_words(run, tmp_path):
    """Without the checksums of a run folder, as after a download."""
    path, _, _ = run
    draw = random.Random(path.name)
    for number in range(12):
        copy = tmp_path / str(number)
        shutil.copytree(path / "model", copy)
        victim = draw.choice(sorted(file for file in copy.iterdir() if file.suffix != ".md"))
        content = bytearray(victim.read_bytes())
        if number % 3 == 0:
            content = content[: draw.randrange(len(content))]
        elif number % 3 == 1:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        else:
            victim.unlink()
        if victim.exists():
            victim.write_bytes(content)
        try:
            model = load_saved(str(copy), lambda config: config)
        except autotune.errors.AutotuneError as error:
            assert "bug" not in error.what and str(copy) in str(error)
        else:
            # A bit of a text in autotune.json, such as a date or a file name, may differ without consequences.
            assert victim.name == "autotune.json" and number % 3 == 1 and model.task is not None


def test_predicting_imports_no_torch(folder):
    """One process predicts with both runs: those of the tests above, or shorter ones."""
    runs = [folder / task for task in ("classification", "ner")]
    for run in runs:
        if not run.exists():
            task, (method, _) = run.name, METHODS[run.name]
            order(folder, f"task={task}", f"model={method}", "dataset.limit=60", "runs=.", f"name={task}")
    code = (
        "import sys; from autotune.cli.main import main; "
        f"codes = [main(['predict', run, '--text', 'Ana foi a Lisboa.']) for run in {[*map(str, runs)]!r}]; "
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules; sys.exit(any(codes))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(json.loads(line)["prediction"] for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 2


def test_folds_pool_every_row_and_keys_without_effect_are_named(folder):
    words = (
        "task=sentiment",
        "model=tfidf",
        "dataset.limit=60",
        "dataset.validation_fraction=0",
        "trainer.epochs=9",
    )
    printed = order(folder, *words, "folds=2", "runs=folds")
    assert "mean nothing to a model without a neural network: trainer.epochs" in printed
    (sweep,) = (folder / "folds").glob("sweep-*")
    (pooled,) = json.loads((sweep / "folds.json").read_text())["pooled"]
    assert pooled["rows"] == 60
    assert {row["state"] for row in csv.DictReader((sweep / "sweep.csv").open()) if row["run"]} == {
        "finished"
    }


def test_a_bundle_trains_the_same_model_and_there_is_nothing_to_plan(folder):
    words = ("task=sentiment", "model=tfidf", "dataset.limit=40", "check=none")
    order(folder, *words, "runs=.", "name=direct")
    order(folder, "bundle", *words, "output=small.tar", "runs=.")
    order(folder, "train", "bundle=small.tar", "runs=.", "name=bundled")
    direct, bundled = (
        (folder / name / "model/model.safetensors").read_bytes() for name in ("direct", "bundled")
    )
    assert direct == bundled
    assert "no steps that could be measured" in order(folder, "plan", *words, code=2)


def test_pairs_are_read_as_pairs(tmp_path):
    rows = [
        {"a": f"O time {n} venceu o jogo.", "b": "Houve vitória." if n % 2 else f"Houve {n} chuvas.",
         "label": "sim" if n % 2 else "não"}
        for n in range(60)
    ]  # fmt: skip
    (tmp_path / "rte.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    order(tmp_path, "task=classification", "model=tfidf", "dataset=jsonl", "dataset.path=rte.jsonl", "runs=.", "name=r",
          "dataset.columns.text=a", "dataset.columns.text_pair=b", "dataset.test_fraction=0.2", "check=none")  # fmt: skip
    printed = order(tmp_path, "predict", "r", "--text", "O time venceu.", "--text-pair", "Houve vitória.")
    assert json.loads(printed.strip().splitlines()[-1])["prediction"] == "sim"
    assert "takes pairs of texts" in order(tmp_path, "predict", "r", "--text", "O time venceu.", code=2)
