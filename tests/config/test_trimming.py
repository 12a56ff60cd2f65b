"""When a vocabulary cannot be trimmed, and that the option makes another run."""

import pytest

from autotune.config.compose import compose
from autotune.errors import AutotuneError

BASE = ["task=sentiment", "model.name_or_path=org/name"]
TRIM = "model.trim_vocabulary=true"


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["model=tiny"], "model.trim_vocabulary=false"),
        ([*BASE, "dataset.streaming=true", "trainer.max_steps=9"], "dataset.streaming=false"),
        ([*BASE, "peft=lora", "peft.merge=false"], "peft.merge=true"),
    ],
)
def test_it_is_refused_where_it_cannot_be_done(words, fix):
    with pytest.raises(AutotuneError) as caught:
        compose([*words, TRIM])
    assert caught.value.where == "model.trim_vocabulary"
    assert caught.value.fix == fix
    compose([*words, TRIM, fix])


def test_a_trimmed_run_is_another_run_and_older_runs_keep_their_names():
    (whole,), (named,), (trimmed,) = (
        compose([*BASE, *word]) for word in ([], ["model.trim_vocabulary=false"], [TRIM])
    )
    assert whole.name == named.name != trimmed.name
