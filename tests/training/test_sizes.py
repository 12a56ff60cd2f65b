"""What a training takes from its rows: steps, rows per step, and whether validation chooses the weights."""

import json
from pathlib import Path

import pytest

from autotune.config.compose import compose
from autotune.config.enums import Keep
from autotune.config.load import diff, dump_config, load_config, to_dict
from autotune.training.sizes import sizes
from tests.support.forks import forks

FORMER = ("trainer.min_steps=0", "trainer.batch_size=32", "trainer.keep=best")
"""What held before few rows were thought of."""
REAL = ("task=sentiment", "model=bertimbau_base", "model.epochs=3")


@pytest.mark.parametrize(
    ("words", "rows", "validation", "line"),
    [
        ([], 58, 6, "58 rows: 200 steps (25 epochs of 8), batch 8, last weights kept: 6 validation rows cannot choose"),
        ([], 360, 40, "360 rows: 207 steps (9 epochs of 23), batch 16, last weights kept: 40 validation rows cannot choose"),
        ([], 900, 100, "900 rows: 203 steps (7 epochs of 29), batch 32, best weights kept: 100 validation rows choose"),
        ([], 9000, 1000, "9000 rows: 846 steps (3 epochs of 282), batch 32, best weights kept: 1000 validation rows choose"),
        (["trainer.max_steps=50"], 58, 0,
         "58 rows: 50 steps (6.25 epochs of 8), batch 8, last weights kept: there is no validation"),
        (["trainer.keep=best", "trainer.patience=3"], 58, 0,
         "58 rows: 200 steps (25 epochs of 8), batch 8, last weights kept: there is no validation"),
        (["trainer.patience=3"], 58, 6,
         "58 rows: 200 steps (25 epochs of 8), batch 8, best weights kept: 6 validation rows choose"),
        (["trainer.epochs=2", "trainer.keep=last"], 900, 100,
         "900 rows: 58 steps (2 epochs of 29), batch 32, last weights kept: trainer.keep=last"),
        (FORMER, 58, 6, "58 rows: 6 steps (3 epochs of 2), batch 32, best weights kept: 6 validation rows choose"),
        (["dataset.streaming=true", "trainer.max_steps=70"], 40, 0,
         "a stream: 70 steps, batch 32, last weights kept: there is no validation"),
    ],
)  # fmt: skip
def test_few_rows_get_steps_small_batches_and_their_last_weights(words, rows, validation, line):
    (config,) = compose([*REAL, *words])
    assert sizes(config, rows, validation).line(config) == line


def test_short_epochs_are_not_all_evaluated_and_saved():
    (config,) = compose([*REAL])
    few, many = sizes(config, 58, 6).config, sizes(config, 9000, 1000).config
    assert (few.trainer.evaluate_every, few.checkpoint.every) == ("20st", "20st")
    assert (many.trainer.evaluate_every, many.checkpoint.every) == ("1ep", "1ep")
    (config,) = compose([*REAL, "trainer.evaluate_every=7st", "checkpoint.every=9ep"])
    asked = sizes(config, 58, 6).config
    assert (asked.trainer.evaluate_every, asked.checkpoint.every) == ("7st", "9ep")
    (config,) = compose([*REAL, "trainer.max_steps=20"])
    short = sizes(config, 58, 6).config.trainer
    assert (short.evaluate_every, short.epochs) == ("1ep", 3.0), (
        "no pass is added that max_steps would cut off"
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["task=ner", "peft=lora", *FORMER], "ner-sample-tiny-lora-235d2a88"),
        (
            ["task=summarization", "trainer.epochs=2", "trainer.batch_size=4", "trainer.keep=best"],
            "summarization-sample-tiny-2ab2502a",
        ),
    ],
)
def test_former_values_give_the_former_name(words, name):
    assert compose(words)[0].name == name


def test_with_epochs_min_steps_tells_no_runs_apart():
    given, other = (
        compose([*REAL, "trainer.epochs=3", *words])[0] for words in ([], ["trainer.min_steps=9"])
    )
    assert given.name == other.name and diff(to_dict(given), other) == []
    (open_,), (fewer,) = compose([*REAL]), compose([*REAL, "trainer.min_steps=9"])
    assert open_.name != fewer.name and diff(to_dict(open_), fewer) == ["trainer.min_steps: 200 -> 9"]


def test_a_run_saved_before_these_keys_chooses_its_weights_by_validation(tmp_path):
    (config,) = compose([*REAL, *FORMER])
    lines = dump_config(config).splitlines()
    file = tmp_path / "config.yaml"
    file.write_text(
        "\n".join(line for line in lines if not line.strip().startswith(("keep: best", "min_steps:")))
    )
    loaded = load_config(file).trainer
    assert (loaded.keep, loaded.min_steps, loaded.epochs) == (Keep.best, 0, 3.0)


def train(folder: Path, name: str, *words: str) -> tuple[str, dict]:
    """A run of a few rows whose validation cannot become better than at first: one row, which any model gets right."""
    words = ("task=sentiment", "dataset=jsonl", "dataset.path=rows.jsonl", "check=none", "report=none", "guard=none",
             "trainer.min_steps=12", "trainer.evaluate_every=3st", "runs=runs", f"name={name}", *words)  # fmt: skip
    done = forks().start(*words, cwd=folder).ended()
    run = folder / "runs" / name
    assert done.returncode in (0, 75), done.stdout + done.stderr
    return done.stdout, json.loads((run / "metrics.json").read_text()) if done.returncode == 0 else {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    rows = [{"text": f"{'muito bom' if i % 2 else 'nada bom'} {i}", "label": "ab"[i % 2]} for i in range(24)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def whole(folder) -> tuple[str, dict]:
    """What the run `last` has printed, and its metrics."""
    return train(folder, "last", "model.epochs=1", "dataset.test_fraction=0.2")


def test_a_run_of_few_rows_is_scored_with_its_last_weights(folder, whole):
    out, metrics = whole
    assert (
        "17 rows: 12 steps (4 epochs of 3), batch 8, last weights kept: 2 validation rows cannot choose"
        in out
    )
    assert "<- the main score" in out and "(best)" not in out
    training = metrics["training"]
    assert (training["steps"], training["best_step"], training["kept"]) == (12, 12, "last")
    history = [json.loads(line) for line in (folder / "runs/last/history.jsonl").read_text().splitlines()]
    assert (
        training["best"] == [line for line in history if "validation" in line][-1]["validation"]["macro_f1"]
    )
    assert metrics["validation"]["macro_f1"] == pytest.approx(training["best"])
    data = json.loads((folder / "runs/last/data.json").read_text())["training"]
    assert data == {"steps": 12, "epochs": 4.0, "batch_size": 8, "keep": "last"}
    # Nothing more is written than what a run needs that keeps its last weights.
    assert not (folder / "runs/last/best.safetensors").exists()


def test_paused_at_its_end_and_resumed_it_keeps_the_same_weights(folder, whole):
    words = ("model.epochs=1", "dataset.test_fraction=0.2")
    train(folder, "paused", *words, "trainer.pause_at=1")
    _, metrics = train(folder, "paused", *words)
    uninterrupted = json.loads((folder / "runs/last/metrics.json").read_text())
    for each in (metrics, uninterrupted):
        del each["training"]["seconds"]
    assert metrics == uninterrupted
    model = "model/model.safetensors"
    assert (folder / "runs/paused" / model).read_bytes() == (folder / "runs/last" / model).read_bytes()
