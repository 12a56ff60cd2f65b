"""What `scripts/chaos` does at every named point, at some of them; and that it would see a fault."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.chaos.points import MUTATIONS
from tests.integration.chaos.trials import Laboratory, Point, Trial, trials
from tests.support.forks import forks

pytestmark = pytest.mark.slow

POINTS = {"sentiment": 1, "ner, LoRA": 5}
"""With an adapter enough for a checkpoint that is damaged, and for every signal that ends a run in another way."""

Laboratories = dict[str, Laboratory]


@pytest.fixture(scope="module")
def laboratories(tmp_path_factory) -> Laboratories:
    folder = tmp_path_factory.mktemp("chaos")
    with ThreadPoolExecutor(len(POINTS)) as pool:
        return dict(
            zip(POINTS, pool.map(lambda run: Laboratory(forks(), folder / run, run), POINTS), strict=True)
        )


def test_runs_that_are_struck_end_with_the_bytes_of_those_that_are_not(laboratories):
    def tried(run: str) -> list[Trial]:
        assert laboratories[run].names >= 60
        return list(trials(laboratories[run], 42, POINTS[run]))

    with ThreadPoolExecutor(len(POINTS)) as pool:
        done = [trial for some in pool.map(tried, POINTS) for trial in some]
    assert len(done) == sum(POINTS.values())
    assert not [str(trial) for trial in done if trial.fault]


def test_a_run_may_be_killed_before_it_has_said_anything(laboratories):
    """Before it has a configuration, and then before it has a state."""
    points = [Point("os.rename run/config.yaml", 0), Point("os.rename run/status.json", 0)]
    trial = laboratories["ner, LoRA"].trial(random.Random(1), *points)
    assert trial.fault is None, trial
    assert trial.strikes == tuple(f"SIGKILL at {point}" for point in points)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_broken_on_purpose_is_seen(laboratories, mutation):
    laboratory = laboratories["ner, LoRA"].broken(mutation)
    # Between a line of history and the checkpoint that would hold it; and there is one before.
    point = Point("os.mkdir run/checkpoints/.step-#.part", 3)
    assert point in laboratory.points
    once = random.Random(1)
    trial = laboratory.trial(once, point, damage=mutation == "no hash check")
    assert len(trial.strikes) == 1 + (mutation == "no hash check")
    assert trial.fault is not None and trial.fault.startswith("other content")
