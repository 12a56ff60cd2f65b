"""What `scripts/chaos` does at every named point, at some of them; and that it would see a fault."""

import random
import signal

import pytest

from tests.integration.chaos.points import MUTATIONS
from tests.integration.chaos.trials import Laboratory, Point, trials
from tests.support.forks import forks

pytestmark = pytest.mark.slow

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
"""Every way in which a signal ends a run; after the last of them a checkpoint is damaged. Without an adapter:
`tests/run/test_checkpoints.py`."""
SEED = 46
"""With it one of the runs is struck in two lives, by SIGKILL while a checkpoint is written."""


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory) -> Laboratory:
    return Laboratory(forks(), tmp_path_factory.mktemp("chaos"), "ner, LoRA")


def test_runs_that_are_struck_end_with_the_bytes_of_those_that_are_not(laboratory):
    assert laboratory.names >= 60
    done = list(trials(laboratory, SEED, len(SIGNALS), SIGNALS, damaged=2))
    assert len(done) == len(SIGNALS)
    assert not [str(trial) for trial in done if trial.fault]
    strikes = [strike for trial in done for strike in trial.strikes]
    for seen in (*(number.name for number in SIGNALS), "a bit of the newest checkpoint flipped"):
        assert any(strike.startswith(seen) for strike in strikes), strikes
    assert len(strikes) > len(done) + 1, "one was struck again"


def test_a_run_may_be_killed_before_it_has_said_anything(laboratory):
    """Before it has a configuration, and then before it has a state."""
    points = [Point("os.rename run/config.yaml", 0), Point("os.rename run/status.json", 0)]
    trial = laboratory.trial(random.Random(1), *points)
    assert trial.fault is None, trial
    assert trial.strikes == tuple(f"SIGKILL at {point}" for point in points)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_broken_on_purpose_is_seen(laboratory, mutation):
    laboratory = laboratory.broken(mutation)
    # Between a line of history and the checkpoint that would hold it; and there is one before.
    point = Point("os.mkdir run/checkpoints/.step-#.part", 3)
    assert point in laboratory.points
    once = random.Random(1)
    trial = laboratory.trial(once, point, damage=mutation == "no hash check")
    assert len(trial.strikes) == 1 + (mutation == "no hash check")
    assert trial.fault is not None and trial.fault.startswith("other content")
