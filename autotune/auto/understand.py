"""Understands data: task, columns, language, and which rows test and choose; states each decision or asks."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune.auto.decisions import DATA, YOU, Decision
from autotune.auto.language import language_of
from autotune.auto.protocol import (
    DataOptions,
    Rows,
    choose_protocol,
    decide_duplicates,
    decide_group,
    find_group,
    label_counts,
)
from autotune.auto.sample import Sample, read_sample
from autotune.auto.table import read_table
from autotune.auto.tagged import read_tagged
from autotune.config.label_maps import label_map_override
from autotune.config.overrides import key_of
from autotune.errors import ConfigError, format_override, format_text_override

__all__ = ["DataOptions", "Understanding", "understand"]


@dataclass(frozen=True)
class Understanding:
    """What the data are, as overrides of an ordinary run, and why."""

    words: tuple[str, ...]
    """Overrides of an ordinary run, those of the user included: `compose(words)` works."""
    decisions: tuple[Decision, ...]
    rows: int
    """Rows of train that are left after test; estimated where not all were read."""
    counts: Mapping[str, int]
    """Rows of each label, or entities of each type; empty for numbers and summaries."""
    folds: int | None
    """Folds that choose; None: a validation split does."""
    language: str
    """Language tag of the texts."""
    median_words: float
    """Words of a text, in the median."""


def understand(path: str, words: Sequence[str], options: DataOptions) -> Understanding:
    """Returns what the data are: a decision with a lead is stated, one without is asked.

    Args:
        path: a file, a folder of splits or a corpus, `sample/<task>`, or a Hub id.
        words: overrides of the user; what they set is not decided.
        options: what the user decides about the rows that test and choose.

    Raises:
        ConfigError: an override is wrong, or it is not clear what a column is for: with a ranking and what to paste.
        DataError: the data do not exist, or cannot be read.
    """
    sample = read_sample(path, words)
    if not sample.rows:
        raise ConfigError("the data have no rows", where=sample.where)
    named = {key_of(word) for word in words}
    reading = read_tagged(sample) or read_table(sample)
    groups = find_group(reading.columns, reading.used, len(sample.rows))
    group = decide_group(
        groups,
        sample.config.columns.group,
        reading.texts,
        reading.labels,
        is_named="dataset.columns.group" in named,
    )
    values = (
        None if group.value is None else [str(value) for value in reading.columns[str(group.value)].values]
    )
    is_fixed = not named.isdisjoint(f"dataset.splits.{split}" for split in ("train", "validation"))
    rows = Rows(reading.texts, reading.labels, values)
    protocol = choose_protocol(sample, rows, options, fixed=is_fixed)
    has_test = sample.test is not None or "dataset.test_fraction" in protocol.settings
    # Sentences of a document are read with those around them, so none is left out of it.
    duplicates = decide_duplicates(reading.texts, holds_out=has_test and not reading.is_tagged)
    language = _language(reading.texts, sample, is_named="dataset.language" in named)
    settings: dict[str, object] = {
        **reading.settings,
        "dataset.columns.group": group.value,
        "dataset.dedup": "leaks" if duplicates.override else "none",
        "dataset.language": language.value,
        **protocol.settings,
    }
    defaults = {
        "dataset.columns.group": None,
        "dataset.dedup": "none",
        "dataset.language": sample.config.language,
    }
    own = [
        _word(key, value)
        for key, value in settings.items()
        if key not in named and (key not in defaults or value != defaults[key])
    ]
    lengths = sorted(len(text.split()) for text in reading.texts)
    return Understanding(
        (*([] if "task" in named else [f"task={reading.task}"]), *sample.words, *own, *words),
        (*reading.decisions, group, language, duplicates, *protocol.decisions),
        protocol.train,
        label_counts(reading.counts, sample.total, len(sample.rows)),
        protocol.folds,
        str(language.value),
        float(lengths[len(lengths) // 2]),
    )


def _word(key: str, value: object) -> str:
    """Returns an override as it is after the shell has read it."""
    if isinstance(value, Mapping):
        override = label_map_override(value)
    else:
        override = format_text_override(key, value) if isinstance(value, str) else format_override(key, value)
    return shlex.split(override)[0]


def _language(texts: Sequence[str], sample: Sample, *, is_named: bool) -> Decision:
    if is_named:
        return Decision("language", sample.config.language, "you named it", YOU)
    language, share = language_of(texts)
    if language == "pt" and sample.config.language.startswith("pt"):
        language = sample.config.language
    because = f"{share:.0%} of the texts, by their frequent words"
    return Decision("language", language, because, DATA, (), "dataset.language=TAG")
