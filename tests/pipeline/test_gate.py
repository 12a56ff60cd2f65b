"""The gate of CI: exit code 3 and one message where a result is not good enough, also for a run that is finished."""

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from autotune.evaluation.paired import differences, is_worse
from autotune.metrics import class_metric
from tests.evaluation.test_bootstrap import states_of
from tests.support.forks import forks

WORDS = ("task=sentiment", "debug=smoke", "check=none", "report=none")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and others with better answers: in all rows, and in a single one."""
    folder = tmp_path_factory.mktemp("gate")
    done = forks().start(*WORDS, f"runs={folder}", "name=run", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    for name, count in (("better", 100), ("noise", 1)):
        shutil.copytree(folder / "run", folder / name)
        file = folder / name / "predictions_test.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        wrong = [row for row in rows if row["prediction"] != row["label"]]
        for row in wrong[:count]:
            row["prediction"] = row["label"]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def gate(runs, *conditions, **env):
    return forks().start(*WORDS, f"runs={runs}", "name=run", *conditions, cwd=runs, **env).ended()


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (['gate.accuracy=">=0.01"', "gate.not_worse_than=noise"], 0),
        (['gate.accuracy=">=0.99"'], 3),
        (["gate.better_than=baseline"], 3),
        (["gate.not_worse_than=better"], 3),
        (["gate.not_worse_than=better/metrics.json"], 0),
        (["gate.not_worse_than=missing"], 2),
        (['gate.acuracy=">=0.5"'], 2),
    ],
)
def test_a_finished_run_is_judged_without_training(runs, conditions, code):
    done = gate(runs, *conditions)
    assert done.returncode == code, done.stdout + done.stderr
    assert "nothing was trained" in done.stdout
    assert ("does not meet" in done.stderr) == (code == 3)
    assert json.loads((runs / "run" / "status.json").read_text())["state"] == "finished"


def test_ci_reads_what_failed(runs):
    summary = runs / "summary.md"
    done = gate(
        runs, 'gate.accuracy=">=0.99"', 'gate.macro_f1=">=0.01"', GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout.count("::error title=autotune gate::gate.accuracy=>=0.99") == 1
    assert summary.read_text().count("❌") == 1 and summary.read_text().count("✅") == 1
    suite = ElementTree.parse(runs / "run" / "gate.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["accuracy=>=0.99"]


def test_a_degraded_model_fails_and_noise_passes_each_20_of_20_times():
    """On 400 rows at 0.85: five rows that change sides at random are noise, and 12 points less are not."""
    metric = class_metric(["a", "b"])
    right, wrong = states_of(metric, [(0, 0), (0, 1)])
    for seed in range(20):
        draw = np.random.default_rng(seed)
        reference = draw.random(400) < 0.85
        noise, degraded = reference.copy(), reference & (draw.random(400) < 0.86)
        changed = draw.choice(400, size=5, replace=False)
        noise[changed] = draw.random(5) < 0.5
        for hits, passes in ((noise, True), (degraded, False)):
            systems = [[right if hit else wrong for hit in system] for system in (reference, hits)]
            test = differences(*systems, metric.empty, seed=0, resamples=2000)["macro_f1"]
            assert is_worse(test) != passes, (seed, passes, test)
