"""What `scripts/chaos` does at every named point, at some of them; and that it would see a fault."""

import random
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.points import MUTATIONS
from tests.chaos.trials import Laboratory, Point, Trial, trials
from tests.forks import forks

POINTS = {"sentiment": 13, "ner, LoRA": 13}


def test_runs_that_are_struck_end_with_the_bytes_of_those_that_are_not(tmp_path):
    def tried(run: str) -> list[Trial]:
        laboratory = Laboratory(forks(), tmp_path / run, run)
        assert laboratory.names >= 60
        return list(trials(laboratory, 42, POINTS[run]))

    with ThreadPoolExecutor(len(POINTS)) as pool:
        done = [trial for some in pool.map(tried, POINTS) for trial in some]
    assert len(done) >= 24
    assert not [str(trial) for trial in done if trial.fault]


def test_a_run_may_be_killed_before_it_has_said_anything(tmp_path):
    laboratory = Laboratory(forks(), tmp_path, "ner, LoRA")
    for name in ("os.rename run/config.yaml", "os.rename run/status.json"):
        trial = laboratory.trial(random.Random(1), Point(name, 0), signal.SIGKILL)
        assert trial.fault is None, trial


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_broken_on_purpose_is_seen(tmp_path, mutation):
    laboratory = Laboratory(forks(), tmp_path, "ner, LoRA", mutation)
    # Between a line of history and the checkpoint that would hold it; and there is one before.
    point = Point("os.mkdir run/checkpoints/.update-#.part", 3)
    assert point in laboratory.points
    once = random.Random(1)
    trial = laboratory.trial(once, point, signal.SIGKILL, damage=mutation == "no hash check")
    assert len(trial.strikes) == 1 + (mutation == "no hash check")
    assert trial.fault is not None and trial.fault.startswith("other content")
