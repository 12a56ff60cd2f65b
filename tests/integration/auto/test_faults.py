"""Trials that cannot be trained or used: each is named with the reason, and the race goes on without it."""

from autotune.auto.race import SAME_PREDICTION
from tests.integration.auto.searches import QUICK, auto, decision, lines, reasons, result

FAULTS = {
    "train seed=43": "out of memory",
    "train seed=44": "killed",
    "train trainer.learning_rate=0.01 !seed=43 !seed=44": "damaged",
}
MEMORY = {"AS": 1 << 40}
"""What a process may take at most, in bytes: all that a run needs, and less than what is asked for out of memory."""


def test_trials_that_fail_are_named_and_dropped_and_the_race_goes_on(place):
    """The best one fails last: its saved model is damaged, which the proof in a fresh process finds."""
    (place / "without").mkdir()
    (place / "without" / "config.json").write_text("{}")
    printed = auto(place, "reviews.csv", "trials=4", "auto.models=[tiny,./without]", "auto.folds=1", "auto.space.rungs=[1]",
                   "auto.space.learning_rate.encoder=[10,100]", "auto.space.C=[1e-6]", "trainer.max_steps=60", *QUICK,
                   "name=faults", faults=FAULTS, limits=MEMORY)  # fmt: skip
    folder, missing = (
        place / "runs" / "faults",
        "weights are neither on this machine nor on a Hub that answers",
    )
    assert f"without: {missing}" in printed
    assert f"without: {missing}" in decision(folder, "models")["alternatives"]
    found = reasons(folder)
    assert found["tiny 0.1"] == ("dropped", SAME_PREDICTION)
    assert found["tiny 0.01 seed 43"] == (
        "failed",
        "out of memory with a single text, so smaller micro-batches do not help",
    )
    assert found["tiny 0.01 seed 44"] == ("failed", "it was killed, as the system does when memory runs out")
    assert found["tiny 0.01"] == ("failed", "a fresh process could not read the saved model back")
    for name, (_, because) in found.items():
        assert because in printed and name in printed, name
    assert len(found) == 4 and result(folder)["winner"]["trial"] == "tfidf C=1e-06"
    leading = [line["trial"] for line in lines(folder / "leaderboard.jsonl") if line["fate"] == "leads"]
    assert leading == ["tfidf C=1e-06"]
