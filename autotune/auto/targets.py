"""Ranks what could be learned from a table: classes, sets of classes, numbers, or summaries."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from autotune.auto.names import SYNONYM, is_title, points
from autotune.auto.profiles import MAX_CLASSES, MAX_CODE, ROWS_PER_CLASS, Profile, are_polarity, say_the_same
from autotune.config.columns import Kind
from autotune.data.columns import plain_name
from autotune.data.several import NO, SEPARATORS, YES
from autotune.errors import format_override, format_text_override, listing

CLASSES, LISTS, SEPARATED, SUMMARY = 3, 4, 3, 4
"""Points of the shape of a target."""
DOUBTFUL = 1
"""Points of a shape that could be something else: numbers, titles, columns of yes and no."""
MAX_RATIO, MIN_SHARED = 1 / 3, 0.4
"""A summary has at most this share of the words of its document in the median, and at least this share of its own words in it."""
MIN_SUMMARY_WORDS = 15
"""Median words of a summary; shorter ones may be titles."""
COMPARED_ROWS = 200
"""Rows whose texts are compared."""
MIN_SEPARATED = 0.1
"""Share of cells with the separator from which on it may separate labels."""


@dataclass(frozen=True)
class Target:
    """Something that a model could learn to predict, with the points that speak for it."""

    task: str
    kind: Kind
    """What the target holds."""
    columns: Mapping[str, str | list[str]]
    """Name of the column of each role that is a part of it."""
    score: int
    profile: Profile
    shown: str
    """Name, form and three cells, for a ranking."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Other keys that it needs."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows with each label."""

    def overrides(self) -> list[str]:
        """Returns what chooses it, quoted for the shell."""
        names = [
            format_text_override(f"dataset.columns.{role}", name)
            if isinstance(name, str)
            else format_override(f"dataset.columns.{role}", name)
            for role, name in self.columns.items()
        ]
        rest = [
            format_text_override(key, value) if isinstance(value, str) else format_override(key, value)
            for key, value in self.settings.items()
        ]
        return [format_override("task", self.task), *names, *rest]


def rank_targets(columns: Mapping[str, Profile], kind: Kind | None) -> list[Target]:
    """Returns everything that could be learned, the likeliest first; of columns that say the same, one.

    Args:
        columns: profile of each column.
        kind: what the target of the task holds; None: any.
    """
    targets = [target for profile in columns.values() for target in _of_column(profile, kind)]
    targets += [*_summaries(columns.values()), *_yes_and_no(columns.values())]
    targets += _only_named(columns.values(), targets)
    targets.sort(key=lambda target: (-target.score, target.profile.is_number, target.profile.name))
    kept: list[Target] = []
    for target in targets:
        same = (other for other in kept if other.kind is target.kind is Kind.label)
        if not any(say_the_same(other.profile, target.profile) for other in same):
            kept.append(target)
    return kept


def _only_named(columns: Iterable[Profile], targets: Sequence[Target]) -> Iterator[Target]:
    """Yields the columns that have the name of a target and not its shape, so that no other column is taken for sure."""
    shaped = {name for target in targets for name in target.columns.values() if isinstance(name, str)}
    for profile in columns:
        if profile.name not in shaped and profile.filled and points(profile.name, "label") >= SYNONYM:
            target = _classes(profile)
            yield replace(target, score=DOUBTFUL + points(profile.name, "label"))


def target_of(profile: Profile, kind: Kind | None) -> Target:
    """Returns the target that a column holds if it is known to hold one.

    Args:
        profile: the column.
        kind: what the target of the task holds; None: any.
    """
    fallback = _numbers(profile) if profile.has_fraction else _classes(profile)
    return next(_of_column(profile, kind), fallback)


def _of_column(profile: Profile, kind: Kind | None) -> Iterator[Target]:
    if profile.lists is not None:
        labels = Counter(label for labels in profile.lists for label in labels)
        if 2 <= len(labels) <= max(2, min(MAX_CLASSES, profile.filled / ROWS_PER_CLASS)):
            yield _several(profile, LISTS, labels, {})
        return
    separator = None if kind is Kind.label else separator_of(profile)
    if separator is not None:
        cells = profile.counts.items()
        labels = Counter[str]()
        for cell, count in cells:
            labels.update(dict.fromkeys(split_cell(cell, separator), count))
        yield _several(profile, SEPARATED, labels, {"dataset.label_separator": separator})
    elif profile.is_class:
        yield _classes(profile)
    elif profile.is_plain and profile.is_number and not (profile.is_id or profile.is_year):
        yield _numbers(profile)


def _classes(profile: Profile) -> Target:
    score = CLASSES + points(profile.name, "label")
    score += 2 * are_polarity(profile.counts) + profile.is_stars
    score -= (profile.is_number and len(profile.counts) > MAX_CODE) + 2 * profile.is_year
    return Target(
        "sentiment" if profile.is_stars else _task_of(profile.counts),
        Kind.label,
        {"label": profile.name},
        score,
        profile,
        f"{profile.name}: {len(profile.counts)} values, such as {listing(profile.examples())}",
        counts=profile.counts,
    )


def _task_of(labels: Iterable[str]) -> str:
    return "sentiment" if are_polarity(labels) else "classification"


def _numbers(profile: Profile) -> Target:
    return Target(
        "regression",
        Kind.numbers,
        {"label": profile.name},
        DOUBTFUL + points(profile.name, "label"),
        profile,
        f"{profile.name}: numbers, such as {listing(profile.examples())}",
    )


def _several(profile: Profile, score: int, labels: Counter[str], settings: Mapping[str, Any]) -> Target:
    several = max(map(len, profile.lists or [["", ""]]), default=0) > 1
    return Target(
        "multi_label" if several else _task_of(labels),
        Kind.labels if several else Kind.label,
        {"label": profile.name},
        score + points(profile.name, "label"),
        profile,
        f"{profile.name}: several of {len(labels)} labels in a cell, such as {listing(profile.examples(), 3)}",
        settings,
        labels,
    )


def separator_of(profile: Profile) -> str | None:
    """Returns what separates the labels in a cell: at least two of them occur together and apart; None if nothing does."""
    if not profile.is_plain or profile.is_number:
        return None
    for mark in SEPARATORS:
        cells = {cell: split_cell(cell, mark) for cell in profile.counts}
        together = sum(profile.counts[cell] for cell, labels in cells.items() if len(labels) > 1)
        labels = {label for labels in cells.values() for label in labels}
        most = max(2, min(MAX_CLASSES, profile.filled / ROWS_PER_CLASS))
        is_short = all(len(label.split()) <= MIN_SUMMARY_WORDS / 3 for label in labels)
        if together >= MIN_SEPARATED * profile.filled and 2 <= len(labels) <= most and is_short:
            partners: dict[str, set[tuple[str, ...]]] = {}
            for cell_labels in cells.values():
                for label in cell_labels:
                    partners.setdefault(label, set()).add(tuple(cell_labels))
            if sum(len(combinations_of) > 1 for combinations_of in partners.values()) > len(labels) / 2:
                return mark
    return None


def split_cell(cell: str, separator: str) -> list[str]:
    """Returns the labels in a cell."""
    return [label.strip() for label in cell.split(separator) if label.strip()]


def _summaries(columns: Iterable[Profile]) -> Iterator[Target]:
    """Yields each shorter text with the longest one as its document."""
    texts = sorted(
        (profile for profile in columns if profile.is_text), key=lambda profile: profile.median_words
    )
    for shorter, document in combinations(texts, 2):
        if document is not texts[-1]:
            continue
        named = points(shorter.name, "summary")
        fits = shorter.median_words <= MAX_RATIO * document.median_words and (
            shared_words(shorter, document) >= MIN_SHARED
        )
        if not fits and named < SYNONYM:
            continue
        is_sure = fits and shorter.median_words >= MIN_SUMMARY_WORDS and not is_title(shorter.name)
        yield Target(
            "summarization",
            Kind.text,
            {"document": document.name, "summary": shorter.name},
            (SUMMARY if is_sure else DOUBTFUL) + max(named, 0),
            shorter,
            f"{shorter.name}: the summary of {document.name}, such as {listing(shorter.examples(1))}",
        )


def shared_words(shorter: Profile, longer: Profile) -> float:
    """Returns the median share of the words of a text that are also in the longer text of its row."""
    shares = []
    for left, right in zip(shorter.values, longer.values, strict=True):
        if left is not None and right is not None:
            words = set(re.findall(r"\w{4,}", plain_name(left)))
            other = set(re.findall(r"\w{4,}", plain_name(right)))
            shares += [len(words & other) / len(words)] if words else []
            if len(shares) == COMPARED_ROWS:
                break
    return sorted(shares)[len(shares) // 2] if shares else 0.0


def _yes_and_no(columns: Iterable[Profile]) -> Iterator[Target]:
    """Yields the columns of 0 and 1, or of votes, as one target with several labels."""
    answers = [profile for profile in columns if _is_answer(profile) and points(profile.name, "label") == 0]
    if len(answers) < 3:
        return
    names = [profile.name for profile in answers]
    votes = any(value.isdecimal() and int(value) > 1 for profile in answers for value in profile.counts)
    counts = {profile.name: yes_count(profile) for profile in answers}
    yield Target(
        "multi_label",
        Kind.labels,
        {"labels": names},
        CLASSES + DOUBTFUL,
        answers[0],
        f"{listing(names)}: columns of yes and no, or of votes",
        {"dataset.label_threshold": 1} if votes else {},
        counts,
    )


def yes_count(profile: Profile) -> int:
    """Returns how many cells of a column of yes and no, or of votes, say yes."""
    return sum(count for value, count in profile.counts.items() if value.casefold() not in NO)


def _is_answer(profile: Profile) -> bool:
    values = {value.casefold() for value in profile.counts}
    is_binary = values <= YES | NO
    is_votes = profile.is_number and values <= set("0123456789") and "0" in values and len(values) > 2
    return profile.filled == len(profile.cells) and len(values) >= 1 and (is_binary or is_votes)
