"""The folds of a sweep: runs that differ only in their fold, and the score of all their predictions together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.config.section import FOLD as FOLD_PATTERN
from autotune.config.sweep import FOLD
from autotune.run.sweep_members import MemberState, SweepMember
from autotune.runtime.records import Record

SPLIT = "test"
"""The split that is a fold."""


class FoldScore(Record):
    """The run of a fold."""

    fold: str
    """i/k."""
    run: str
    scores: dict[str, float]
    """Metrics on the fold alone."""


class Pooled(Record):
    """The score of all folds together: each row is predicted once, by the run that has not seen it."""

    overrides: dict[str, str]
    """The overrides that the runs share."""
    main: str
    rows: int
    """Number of rows; those that are in train of every fold do not count."""
    scores: dict[str, float]
    """Metrics over all rows."""
    interval: dict[str, list[float]]
    """95 % interval of every metric, by bootstrap over rows."""
    folds: list[FoldScore]


@dataclass(frozen=True)
class FoldGroup:
    """Runs that differ in their fold alone."""

    overrides: dict[str, str]
    """The overrides that they share."""
    members: list[SweepMember]

    @property
    def count(self) -> int:
        """Number of folds."""
        return int(self.members[0].overrides[FOLD].rpartition("/")[2])

    @property
    def complete(self) -> bool:
        """Whether each fold has a run that is finished."""
        expected = [f"{number}/{self.count}" for number in range(1, self.count + 1)]
        return sorted(fold.fold for fold in self.folds) == sorted(expected)

    @property
    def folds(self) -> list[FoldScore]:
        """The runs that are finished, with their scores."""
        return [
            FoldScore(fold=member.overrides[FOLD], run=member.run, scores=member.scores.get(SPLIT, {}))
            for member in self.members
            if member.state is MemberState.finished
        ]


def fold_groups(members: Sequence[SweepMember]) -> list[FoldGroup]:
    """Returns the groups of a sweep over folds; none if `dataset.fold` was not swept."""
    groups: dict[tuple[tuple[str, str], ...], FoldGroup] = {}
    for member in members:
        if re.match(FOLD_PATTERN, member.overrides.get(FOLD, "")):  # with -m, a fold may be null or in quotes
            rest = {key: value for key, value in member.overrides.items() if key != FOLD}
            groups.setdefault(tuple(rest.items()), FoldGroup(rest, [])).members.append(member)
    return list(groups.values())


def pooled_of(group: FoldGroup, pooled: Sequence[Pooled]) -> Pooled | None:
    """Returns the score of a group; None if there is none, or its runs have other scores now."""
    return next(
        (entry for entry in pooled if entry.overrides == group.overrides and entry.folds == group.folds), None
    )


def as_members(members: Sequence[SweepMember], pooled: Sequence[Pooled]) -> list[SweepMember]:
    """Returns each group of folds as one run that has the score of all folds, for tables over seeds."""
    runs = []
    for group in fold_groups(members):
        entry = pooled_of(group, pooled)
        facts = {"overrides": group.overrides, "state": MemberState.pending, "scores": {}}
        if entry is not None:
            facts |= {"state": MemberState.finished, "main": entry.main, "scores": {SPLIT: entry.scores}}
        runs.append(group.members[0].model_copy(update=facts))
    return runs
