"""The command lines of a search's runs."""

from typing import Any

from autotune.auto.judging import Judging
from autotune.auto.trial import CHEAP, Trial
from autotune.auto.trials import Trials

UNUSED: Any = None
TAGGER = Trial("tagger", CHEAP, ("model=tagger",), (1.0,), None)


def first_epochs(tmp_path, *own: str) -> list[str]:
    """Overrides of max_epochs in the command line of the first usable model."""
    words = ("task=ner", "dataset=sample", "dataset.path=sample/ner", *own)
    judging = Judging(words, UNUSED, UNUSED, UNUSED, UNUSED, None, None, "")
    trainer = Trials(tmp_path, judging, (), lambda: False)
    assert not any("max_epochs" in word for word in trainer.words(TAGGER)) or own
    return [word for word in trainer.first_words(TAGGER) if "max_epochs" in word]


def test_the_first_tagger_learns_in_few_passes_unless_the_user_says_how_many(tmp_path):
    assert first_epochs(tmp_path) == ["model.max_epochs=2"]
    assert first_epochs(tmp_path, "model.max_epochs=7") == ["model.max_epochs=7"]
