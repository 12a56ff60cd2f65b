"""`seeds`, and runs of a sweep that would be one."""

import pytest

from autotune.config.compose import compose, members
from autotune.config.load import dump_config
from autotune.errors import ConfigError
from autotune.run import resume


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        (["seeds=3"], [42, 43, 44]),
        (["seeds=2", "seed=7"], [7, 8]),
        (["seeds=[9,1]"], [9, 1]),
        (["seeds=2", "-m", "seed=1,5"], [1, 2, 5, 6]),
        (["seeds=[1,2]", "trainer.epochs=1,2"], [1, 2, 1, 2]),
        (["seeds=null"], [42]),
    ],
)
def test_seeds_are_runs_with_a_seed_each(words, seeds):
    runs = members(words)
    assert [run.config.seed for run in runs] == seeds
    assert {run.config.seeds for run in runs} == {None}
    # Each is the run that has this seed and nothing else of the sweep: same name, so same folder.
    for run in runs[:1] + runs[-1:]:
        assert compose(run.words) == [run.config]
        assert not any(word.startswith("seeds=") and word != "seeds=null" for word in run.words)


def test_seeds_of_a_yaml_file_are_a_sweep_too_and_references_follow_the_seed(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseeds: 2\nname: mine-${seed}\n")
    words = ["--config-dir", str(tmp_path), "experiment=mine"]
    runs = members(words)
    assert [(run.config.seed, run.config.name) for run in runs] == [(42, "mine-42"), (43, "mine-43")]
    assert compose(runs[1].words) == [runs[1].config]
    assert [config.seed for config in compose([*words, "seeds=[5]"])] == [5]


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (["seeds=0"], "a number of runs", "seeds=5"),
        (["seeds=true"], "a number of runs", "seeds=5"),
        (["seeds=[]"], "a number of runs", "seeds=5"),
        (["seeds=[1,1]"], "a number of runs", "seeds=5"),
        (["seeds=[1,-1]"], "greater than or equal to 0", None),
        (["seeds=1,7,9"], "has brackets", "'seeds=[1,7,9]'"),
        (["seeds=[1,2]", "seed=3"], "seed has no effect", "seeds=N"),
        (["seeds=3", "-m", "seed=1,2"], "are the same run", "no value twice"),
        (["-m", "seed=1,1"], "2 runs of the sweep are the same run", "no value twice"),
        (["-m", "seed=1,2", "name=x"], "would share one run folder", "'name=x-${seed}'"),
        (["seeds=3", "name=x"], "3 runs of the sweep would share one run folder", "'name=x-${seed}'"),
    ],
)
def test_what_seeds_cannot_be_and_runs_that_collide_are_refused(words, what, fix):
    with pytest.raises(Exception, match=r".") as caught:
        compose(words)
    error = caught.value.errors[0]
    assert isinstance(error, ConfigError) and what in error.what, error
    assert fix is None or fix in error.fix


def test_a_run_that_is_resumed_by_its_folder_is_no_sweep(tmp_path):
    (tmp_path / "r").mkdir()
    (config,) = compose([f"runs={tmp_path}", "name=r"])
    (tmp_path / "r" / "config.yaml").write_text(dump_config(config))
    with pytest.raises(ConfigError, match="continues one run"):
        resume.members([f"resume={tmp_path}/r", "seeds=2"])
