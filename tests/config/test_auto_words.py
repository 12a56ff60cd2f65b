"""The command line of `autotune auto`: data, settings of the search, overrides of all its runs."""

import pytest

from autotune.config.auto import Goal
from autotune.config.auto_words import read_auto, space_values
from autotune.errors import AutotuneError
from tests.support import ROOT


@pytest.mark.parametrize(
    ("words", "seconds", "trials"),
    [([], 3600, None), (["time=90s"], 90, None), (["time=1.5h"], 5400, None), (["auto.time=10m"], 600, None),
     (["time=null"], None, None), (["trials=4"], None, 4), (["trials=4", "time=null"], None, 4)],
)  # fmt: skip
def test_a_search_has_a_time_or_a_number_of_trials(words, seconds, trials):
    config, rest = read_auto(["rows.csv", *words])
    assert (config.seconds, config.trials, config.data, rest) == (seconds, trials, "rows.csv", [])


def test_what_is_no_setting_of_the_search_is_left_to_its_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.csv").touch()
    words = ["goal=small", "trainer.learning_rate=3e-5", "a=b.csv", "auto.models=tiny", "--config-dir", "mine", "name=x",
             "hub=none", "auto.space.learning_rate.encoder=[1, 2]", "auto.space.epochs=[{value: 3}]"]  # fmt: skip
    config, rest = read_auto(words)
    assert rest == ["trainer.learning_rate=3e-5", "--config-dir", "mine", "hub=none"]
    assert (config.data, config.goal, config.models, config.name) == (
        "a=b.csv",
        Goal.small,
        ["tiny"],
        "x",
    )
    assert config.space.learning_rate.encoder == [1, 2] and config.space.epochs[0].value == 3
    assert config.space.encoders["pt"][0] == "distilbertimbau"


@pytest.mark.parametrize(
    ("words", "where", "fix"),
    [
        ([], "autotune auto DATA", "autotune auto reviews.csv"),
        (["a.csv", "b.csv"], "autotune auto DATA", "autotune auto reviews.csv"),
        (["a.csv", "time=10min"], "time", "time=10m"),
        (["a.csv", "time=10"], "time", "time=10m"),
        (["a.csv", "time=0s"], "time", "time=1h"),
        (["a.csv", "trials=4", "time=1h"], "trials", "time=null"),
        (["a.csv", "trials=0"], "trials", "trials=null"),
        (["a.csv", "goal=fast"], "goal", "goal=best"),
        (["a.csv", "auto.candidates=[chep]"], "auto.candidates", "auto.candidates=cheap"),
        (["a.csv", "auto.modells=[tiny]"], "auto.modells", "'auto.models=[tiny]'"),
        (["a.csv", "auto.space.rungs=[0.5, 2]"], "auto.space.rungs", "'auto.space.rungs=[0.25,0.5,1]'"),
        (["a.csv", "auto.models=[a"], "auto.models", "auto.models=null"),
        (["a.csv", "folds=3"], "folds=3", "auto.folds=3"),
        (["a.csv", "trainer.pause_at=0.5"], "trainer.pause_at=0.5", "auto.space.rungs=[0.5,1]"),
    ],
)
def test_mistakes_are_refused_with_what_was_probably_meant(words, where, fix):
    with pytest.raises(AutotuneError) as refused:
        read_auto(words)
    (error,) = refused.value.errors
    assert (error.where, error.fix) == (where, fix)


def test_several_mistakes_are_shown_at_once():
    with pytest.raises(AutotuneError) as refused:
        read_auto(["folds=3", "seeds=2", "auto.refitt=true"])
    assert len(refused.value.errors) == 4


@pytest.mark.parametrize("goal", Goal)
def test_the_models_of_the_space_are_those_of_configs(goal):
    values = space_values(goal)
    names = [name for kind in ("encoders", "writers") for models in values[kind].values() for name in models]
    for name in (*names, *values["large"], *values["light"]):
        assert (ROOT / "configs" / "model" / f"{name}.yaml").exists(), name
