"""`folds=k` from the command line to the score of all predictions together."""

import csv
import json
import subprocess
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from autotune.cli.main import main
from autotune.config.compose import compose, members
from autotune.config.sweep import FOLD
from autotune.errors import ConfigError
from autotune.run.sweep_folds import FoldScore, Pooled
from autotune.run.sweep_members import SweepMember
from autotune.run.sweep_table import to_csv, to_markdown
from tests.support.forks import forks

WORDS = (
    "task=sentiment", "dataset=jsonl", "dataset.path=rows.jsonl", "dataset.validation_fraction=0", "trainer.max_steps=1",
    "runs=runs", "check=none", "report=none", "guard=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("folds")
    rows = [
        {"id": f"r{n}", "text": f"{'muito' if n % 3 else 'nada'} bom {n}", "label": "ab"[n % 2]}
        for n in range(21)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def ended(folder) -> "subprocess.CompletedProcess[str]":
    """A sweep of two folds, begun by one of its runs."""
    alone = forks().start(*WORDS, "dataset.fold=2/2", cwd=folder).ended()
    assert alone.returncode == 0, alone.stderr
    before = forks().start("sweep", "runs/none", cwd=folder).ended()
    assert before.returncode == 2
    return forks().start(*WORDS, "folds=2", cwd=folder).ended()


def test_the_score_is_that_of_all_predictions_together(folder, ended):
    assert ended.returncode == 0, ended.stderr
    (sweep,) = (folder / "runs").glob("sweep-*")
    (pooled,) = json.loads((sweep / "folds.json").read_text())["pooled"]
    rows = [json.loads(line) for line in (sweep / "out_of_fold.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in rows) == sorted(f"r{n}" for n in range(21)) and pooled["rows"] == 21
    assert {row["fold"] for row in rows} == {"1/2", "2/2"}
    expected = f1_score([row["label"] for row in rows], [row["prediction"] for row in rows], average="macro")
    assert pooled["scores"]["macro_f1"] == pytest.approx(expected)
    low, high = pooled["interval"]["macro_f1"]
    assert low <= expected <= high
    for fold in pooled["folds"]:
        metrics = json.loads((folder / "runs" / fold["run"] / "metrics.json").read_text())
        assert (metrics["fold"], metrics["test"]["macro_f1"]) == (fold["fold"], fold["scores"]["macro_f1"])
    assert f"{expected:.4f} [{low:.4f}, {high:.4f}]" in ended.stdout
    assert "scored on different rows" not in ended.stdout + ended.stderr
    (line,) = (row for row in csv.DictReader((sweep / "sweep.csv").open()) if row["row"] == "folds")
    assert line["n"] == "2" and float(line["test.macro_f1.low"]) == pytest.approx(low)


def test_a_fold_that_changes_takes_the_score_away_and_gives_it_back(folder, ended, capsys):
    (sweep,) = (folder / "runs").glob("sweep-*")
    status = next((folder / "runs").glob("sentiment-*/status.json"))
    finished = status.read_text()
    status.write_text(finished.replace('"finished"', '"failed"'))
    assert main(["sweep", str(sweep)]) == 0
    out = capsys.readouterr().out
    assert (
        "| 1/2 " in out
        and "[0." not in out
        and json.loads((sweep / "folds.json").read_text()) == {"pooled": []}
    )
    status.write_text(finished)
    assert main(["sweep", str(sweep)]) == 0
    assert "| 2/2 " in (out := capsys.readouterr().out) and "[0." in out


def test_folds_and_seeds_are_combined():
    runs = members(["task=sentiment", "folds=2", "seeds=2", "trainer.epochs=1"])
    assert [(run.config.seed, run.config.dataset.fold) for run in runs] == [
        (42, "1/2"), (42, "2/2"), (43, "1/2"), (43, "2/2"),
    ]  # fmt: skip
    assert [compose(run.words) for run in runs] == [[run.config] for run in runs]


def test_a_figure_without_an_interval_is_in_the_table():
    folds = [FoldScore(fold=f"{n}/2", run=f"run{n}", scores={"mse": 1.0, "spearman": 0.5}) for n in (1, 2)]
    runs = [
        SweepMember(
            run=fold.run,
            overrides={FOLD: fold.fold},
            words=[],
            epochs=1.0,
            max_steps=None,
            state="finished",
            main="mse",
            scores={"test": fold.scores},
        )
        for fold in folds
    ]
    pooled = Pooled(
        overrides={},
        main="mse",
        rows=9,
        scores={"mse": 1.0, "spearman": 0.5},
        interval={"mse": [0.5, 1.5]},
        folds=folds,
    )
    text = to_markdown("sweep", runs, [pooled])
    assert "1.0000 [0.5000, 1.5000]" in text and " 0.5000 |" in text
    (line,) = (row for row in csv.DictReader(to_csv(runs, [pooled]).splitlines()) if row["row"] == "folds")
    assert (line["test.spearman"], line["test.spearman.low"], line["test.mse.low"]) == ("0.5", "", "0.5")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["folds=3", "dataset.fold=1/3"], "folds trains all folds"),
        (["folds=1"], "two folds or more"),
        (["dataset.fold=4/3"], "the fold does not exist"),
        (["dataset.fold=a"], "a fold is written i/k"),
        (["dataset.fold=1/3", "debug=overfit"], "validation would have the rows"),
        (["dataset.fold=1/3", "dataset.streaming=true", "trainer.max_steps=2"], "a stream has no folds"),
    ],
)
def test_folds_that_mean_nothing_are_refused(words, what):
    with pytest.raises(ConfigError, match=what):
        compose(["task=sentiment", *words])
