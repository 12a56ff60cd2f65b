"""What `scripts/chaos` does at every named point, at some of them; and that it would see a fault."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.points import MUTATIONS
from tests.chaos.trials import Laboratory, Point, Trial, trials
from tests.forks import Forks

POINTS = {"sentiment": 13, "ner, LoRA": 13}


@pytest.fixture(scope="module")
def forks():
    made = [Forks({**os.environ, "OMP_NUM_THREADS": "1"}) for _ in POINTS]
    yield made
    for one in made:
        one.close()


def test_runs_that_are_struck_end_with_the_bytes_of_those_that_are_not(forks, tmp_path):
    def tried(forks: Forks, run: str) -> list[Trial]:
        laboratory = Laboratory(forks, tmp_path / run, run)
        assert laboratory.names >= 60
        return list(trials(laboratory, 42, POINTS[run]))

    with ThreadPoolExecutor(len(POINTS)) as pool:
        done = [trial for some in pool.map(tried, forks, POINTS) for trial in some]
    assert len(done) >= 24
    assert not [str(trial) for trial in done if trial.fault]


def test_a_run_may_be_killed_before_it_has_said_anything(forks, tmp_path):
    laboratory = Laboratory(forks[-1], tmp_path, "ner, LoRA")
    for name in ("os.rename run/config.yaml", "os.rename run/status.json"):
        trial = laboratory.trial(random.Random(1), Point(name, 0), signal.SIGKILL)
        assert trial.fault is None, trial


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_broken_on_purpose_is_seen(forks, tmp_path, mutation):
    laboratory = Laboratory(forks[-1], tmp_path, "ner, LoRA", mutation)
    # Between a line of history and the checkpoint that would hold it; and there is one before.
    point = Point("os.mkdir run/checkpoints/.update-#.part", 3)
    assert point in laboratory.points
    once = random.Random(1)
    trial = laboratory.trial(once, point, signal.SIGKILL, damage=mutation == "no hash check")
    assert len(trial.strikes) == 1 + (mutation == "no hash check")
    assert trial.fault is not None and trial.fault.startswith("other content")
