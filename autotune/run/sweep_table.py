"""The table of a sweep as CSV and Markdown: a row per run, and rows over folds and seeds of runs that differ in nothing else."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from autotune.config.secrets import redact
from autotune.config.sweep import FOLD, SEED
from autotune.errors import shell_words
from autotune.run.sweep_folds import SPLIT, Pooled, as_members, fold_groups, pooled_of
from autotune.run.sweep_members import MemberState, SweepMember
from autotune.runtime.language import local, word
from autotune.runtime.table import Table, shown_interval

Metric = tuple[str, str]
"""Split and name of a metric."""


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in their seeds alone."""

    overrides: dict[str, str]
    """The overrides that they share."""
    runs: int
    finished: int
    scores: dict[Metric, tuple[float, float | None]]
    """Mean and sample standard deviation (n - 1) over the finished runs; no deviation for one run."""


def seed_groups(members: Sequence[SweepMember], pooled: Sequence[Pooled] = ()) -> list[SeedGroup]:
    """Returns the groups of a sweep over seeds; none if `seed` was not swept.

    Args:
        members: runs of the sweep.
        pooled: scores of all folds together, which then count in place of the runs.
    """
    members = as_members(members, pooled) or members
    groups: dict[tuple[tuple[str, str], ...], list[SweepMember]] = {}
    for member in members:
        if SEED in member.overrides:
            rest = {key: value for key, value in member.overrides.items() if key != SEED}
            groups.setdefault(tuple(rest.items()), []).append(member)
    return [_group(dict(overrides), group) for overrides, group in groups.items()]


def _group(overrides: dict[str, str], members: Sequence[SweepMember]) -> SeedGroup:
    finished = [member for member in members if member.state is MemberState.finished]
    scores: dict[Metric, tuple[float, float | None]] = {}
    for split, name in metrics_of(finished):
        values = [member.scores[split][name] for member in finished if name in member.scores.get(split, {})]
        scores[split, name] = fmean(values), stdev(values) if len(values) > 1 else None
    return SeedGroup(overrides, len(members), len(finished), scores)


def metrics_of(members: Sequence[SweepMember]) -> list[Metric]:
    """Returns the metrics of all runs: those of finished runs first, of each split the main one first."""
    ordered: dict[Metric, None] = {}
    for member in sorted(members, key=lambda member: member.state is not MemberState.finished):
        for split, values in member.scores.items():
            names = sorted(values, key=lambda name: name != member.main)
            ordered |= dict.fromkeys((split, name) for name in names)
    return list(ordered)


def to_csv(members: Sequence[SweepMember], pooled: Sequence[Pooled] = ()) -> str:
    """Returns the table as CSV: first the runs (`row` is run), then the groups (`row` is folds or seeds).

    A metric has the column `split.metric`, in a sweep over seeds `split.metric.sd`, in one over folds `split.metric.low` and
    `.high`. Of folds they are the score of all their predictions together and its 95 % interval; of seeds the mean and the
    sample standard deviation over `n` finished runs, or over the scores of all folds.
    """
    keys, metrics = _keys(members), metrics_of(members)
    names = [f"{split}.{name}" for split, name in metrics]
    ends = ("sd", "low", "high") if fold_groups(members) else ("sd",)
    columns = [column for name in names for column in (name, *(f"{name}.{end}" for end in ends))]
    text = io.StringIO()
    writer = csv.DictWriter(
        text, ["row", "run", *keys, "state", "step", "steps", "n", *columns], lineterminator="\n"
    )
    writer.writeheader()
    for member in members:
        scores = {
            f"{split}.{name}": value
            for split, values in member.scores.items()
            for name, value in values.items()
        }
        facts = {
            "row": "run",
            "run": member.run,
            "state": member.state,
            "step": member.step,
            "steps": member.steps,
        }
        writer.writerow(facts | member.overrides | scores)
    for folds in fold_groups(members):
        line: dict[str, object] = {"row": "folds", "n": len(folds.folds)} | dict(folds.overrides)
        if (entry := pooled_of(folds, pooled)) is not None:
            line |= {f"{SPLIT}.{name}": value for name, value in entry.scores.items()}
            for name, (low, high) in entry.interval.items():
                line |= {f"{SPLIT}.{name}.low": low, f"{SPLIT}.{name}.high": high}
        writer.writerow(line)
    for group in seed_groups(members, pooled):
        row: dict[str, object] = {"row": "seeds", "n": group.finished} | dict(group.overrides)
        for (split, name), (mean, deviation) in group.scores.items():
            row |= {f"{split}.{name}": mean, f"{split}.{name}.sd": deviation}
        writer.writerow(row)
    return text.getvalue()


def to_markdown(name: str, members: Sequence[SweepMember], pooled: Sequence[Pooled] = ()) -> str:
    """Returns the table as Markdown in the user's language, with columns aligned for a terminal.

    Args:
        name: name of the sweep.
        members: its runs.
        pooled: scores of all folds together.
    """
    counts = Counter(word(member.state) for member in members)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    head = [f"# {name}", "", f"{len(members)} {word('runs')}: {states}", ""]
    tables = [*_runs(members), *_folds(members, pooled), *_seeds(members, pooled), *_reasons(members)]
    return "\n".join([*head, *tables]) + "\n"


def _main_columns(metrics: Sequence[Metric]) -> list[Metric]:
    """Returns the metrics for people: all of the split that is the result, of validation then only the main one."""
    first = dict(reversed(metrics))
    return [
        (split, name)
        for split, name in metrics
        if len(first) == 1 or split != "validation" or name == first[split]
    ]


def _runs(members: Sequence[SweepMember]) -> Iterator[str]:
    keys, metrics = _keys(members), _main_columns(metrics_of(members))
    header = [*keys, word("state"), word("step"), *(f"{split} {name}" for split, name in metrics)]
    rows = [
        [
            *(member.overrides.get(key, "") for key in keys),
            word(member.state),
            f"{member.step}/{member.steps or '?'}" if member.step or member.steps else "",
            *(_figure(member.scores.get(split, {}).get(name)) for split, name in metrics),
        ]
        for member in members
    ]
    yield Table(header, rows, texts=len(keys) + 1).markdown().rstrip("\n")


def _folds(members: Sequence[SweepMember], pooled: Sequence[Pooled]) -> Iterator[str]:
    groups = fold_groups(members)
    if not groups:
        return
    entries = [pooled_of(group, pooled) for group in groups]
    names = dict.fromkeys(name for entry in entries if entry is not None for name in _main_first(entry))
    keys = [key for key in _keys(members) if key != FOLD]
    yield from (
        "",
        local("all folds together, each row predicted once, with 95 % intervals:"),
        "",
    )
    header = [
        *keys,
        word("folds"),
        word("rows"),
        *(f"{SPLIT} {name}" for name in names),
        word("mean of folds"),
    ]
    rows = [
        [
            *(group.overrides.get(key, "") for key in keys),
            f"{len(group.folds)}/{group.count}",
            "" if entry is None else str(entry.rows),
            *(_with_interval(entry, name) for name in names),
            "" if entry is None else _mean(_over_folds(entry)),
        ]
        for group, entry in zip(groups, entries, strict=True)
    ]
    yield Table(header, rows, texts=len(keys)).markdown().rstrip("\n")


def _main_first(entry: Pooled) -> list[str]:
    return sorted(entry.scores, key=lambda name: name != entry.main)


def _with_interval(entry: Pooled | None, name: str) -> str:
    """Returns a score with its interval, which Spearman's correlation lacks; nothing for a score of another task."""
    if entry is None or name not in entry.scores:
        return ""
    return f"{entry.scores[name]:.4f}{shown_interval(entry.interval.get(name))}"


def _over_folds(entry: Pooled) -> tuple[float, float]:
    """Returns mean and sample standard deviation of the main metric over folds."""
    values = [fold.scores[entry.main] for fold in entry.folds]
    return fmean(values), stdev(values)


def _seeds(members: Sequence[SweepMember], pooled: Sequence[Pooled]) -> Iterator[str]:
    groups = seed_groups(members, pooled)
    if not groups:
        return
    folds = [FOLD] if fold_groups(members) else []
    keys = [key for key in _keys(members) if key not in (SEED, *folds)]
    metrics = _main_columns(list(dict.fromkeys(metric for group in groups for metric in group.scores)))
    yield from ("", local("mean ± sample standard deviation (n - 1) over the seeds of finished runs:"), "")
    header = [*keys, "n", *(f"{split} {name}" for split, name in metrics)]
    rows = [
        [
            *(group.overrides.get(key, "") for key in keys),
            f"{group.finished}/{group.runs}",
            *(_mean(group.scores.get(metric)) for metric in metrics),
        ]
        for group in groups
    ]
    yield Table(header, rows, texts=len(keys)).markdown().rstrip("\n")


def _reasons(members: Sequence[SweepMember]) -> Iterator[str]:
    """Names the runs that failed or were interrupted, each with the reason and the command that trains it alone."""
    stopped = [member for member in members if member.reason and member.state is not MemberState.finished]
    if stopped:
        yield ""
    for member in stopped:
        command = redact(shell_words("autotune", *member.words))
        yield f"- {member.run} ({word(member.state)}): {local(str(member.reason).splitlines()[0])}; `{command}`"


def _keys(members: Sequence[SweepMember]) -> list[str]:
    return list(dict.fromkeys(key for member in members for key in member.overrides))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _mean(value: tuple[float, float | None] | None) -> str:
    if value is None:
        return ""
    mean, deviation = value
    return f"{mean:.4f}" if deviation is None else f"{mean:.4f} ± {deviation:.4f}"
