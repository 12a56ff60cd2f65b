"""Where smaller values are better: studies, trials, comparisons and the view of a running run."""

import json
from pathlib import Path

import pytest

from autotune.config.compose import compose
from autotune.config.search import SearchConfig, SpaceConfig
from autotune.evaluation.paired import Difference
from autotune.metrics.objective import Objective
from autotune.pipeline.compare import Changed, Comparison, FinishedRun, Pair
from autotune.pipeline.compare_tables import sentences
from autotune.pipeline.search_report import best_of
from autotune.pipeline.study import Study, read_rows
from autotune.pipeline.trial import History
from autotune.reporting.watch import run_lines
from autotune.run.live import LiveRun
from tests.pipeline.test_watch import make_run

ERROR = Objective("mse", greater_is_better=False)


def test_a_study_of_an_error_names_the_trial_with_the_smallest(tmp_path):
    spaces = {"trainer.learning_rate": SpaceConfig(low=1e-5, high=1e-3)}
    study = Study(tmp_path, SearchConfig(spaces=spaces, trials=3, prune=False), "x", ERROR)
    for score in (0.3, 0.1, 0.2):
        trial = study.claim()
        assert trial is not None
        trial.report(score, 50)
        study.complete(trial, score)
    rows, objective = read_rows(tmp_path)
    assert objective == ERROR
    assert best_of(rows, objective).number == 1
    assert best_of(rows, Objective("mse")).number == 0


def test_a_trial_reports_its_smallest_error(tmp_path):
    (config,) = compose(["trainer.epochs=4"])
    scores = (0.5, 0.2, 0.4, 0.1)
    lines = [{"step": n, "epoch": n, "validation": {"mse": score}} for n, score in enumerate(scores, 1)]
    file = tmp_path / "history.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    history = History(file, ERROR, config)
    assert history.read() == [(25, 0.5), (50, 0.2), (75, 0.2), (100, 0.1)]


def test_watch_shows_the_smallest_error_as_the_best(tmp_path):
    path = make_run(tmp_path / "runs" / "run", steps=3)
    with (path / "history.jsonl").open("a") as file:
        for step, score in ((1, 0.1), (3, 0.4)):
            line = {"step": step, "epoch": 1.0, "validation": {"mse": score}, "greater_is_better": False}
            file.write(json.dumps(line) + "\n")
    run = LiveRun(path)
    run.update()
    assert any("mse 0.4000 (best 0.1000 at step 1)" in line for line in run_lines(run, 100, 40))


@pytest.mark.parametrize(("objective", "word"), [(ERROR, "worse"), (Objective("mse"), "better")])
def test_a_greater_error_is_worse_in_a_comparison(objective, word):
    runs = [FinishedRun(Path(name), name, None) for name in ("first", "second")]
    pair = Pair(
        runs[1],
        {"mse": Difference(0.5, [0.2, 0.8], 0.001, 0.001)},
        {"mse": 0.001},
        [],
        Changed(9, 0, []),
    )
    comparison = Comparison("test", 20, objective, "mse", "label", runs, [pair])
    (sentence,) = sentences(comparison)
    assert f"mse: second is {word} than first" in sentence
