"""A run or a sweep in the terminal, as lines of text."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime

from autotune.metrics.objective import Objective
from autotune.reporting.plot import bar, plot
from autotune.run.live import LiveRun
from autotune.run.sweep_members import MemberState, SweepMember
from autotune.runtime.language import Pieces, local, word
from autotune.runtime.progress import duration, rate
from autotune.runtime.table import Table

NARROW = 60
"""Below this many characters there is no room for curves."""
ROWS = 6
"""Lines of a curve."""


def run_lines(run: LiveRun, width: int, height: int) -> list[str]:
    """Returns what there is to see of a run, in the user's language.

    Args:
        run: after `update`.
        width: characters of a line.
        height: number of lines; where they are too few, curves become lower or are left out.
    """
    head, tail = list(_head(run, width)), list(_warnings(run, width))
    curves = [(word("loss"), run.losses), (run.metric, run.scores)]
    curves = [(name, points) for name, points in curves if points]
    rows = min(ROWS, (height - len(head) - len(tail)) // max(1, len(curves)) - 2)
    lines = head
    if rows > 1 and width >= NARROW:
        for name, points in curves:
            lines += ["", name, *plot(points, width, rows, run.steps or run.step)]
    return [line[:width] for line in [*lines, *tail]][: max(1, height)]


def _head(run: LiveRun, width: int) -> Iterator[str]:
    reason = f" ({local(run.reason)})" if run.reason else ""
    yield f"{run.path.resolve().name}: {word(run.state)}{reason}"
    if not run.step:
        if run.state is MemberState.running:
            yield local("preparing; no step has been done yet")
        return
    steps = run.steps
    count = f" {run.step}/{steps or '?'}"
    percent = f" {100 * run.step // steps} %" if steps else ""
    yield bar(run.step, steps, max(4, min(50, width - len(count + percent)))) + count + percent
    yield from _packed(list(_speed(run)), width)
    yield from _packed(list(_values(run)), width)


def _speed(run: LiveRun) -> Iterator[str]:
    epochs = "" if run.epochs is None else f"/{run.epochs:g}"
    yield f"{word('epoch')} {run.newest.get('epoch') or 0:.2f}{epochs}"
    if run.examples_per_second is not None:
        yield _piece(rate(run.examples_per_second))
    if run.state is not MemberState.running:
        return
    if run.steps is not None and run.step >= run.steps:
        yield _piece("training is done; scores, model and report follow")
    elif run.seconds_left is not None:
        yield _piece(f"about {duration(run.seconds_left)} left")


def _values(run: LiveRun) -> Iterator[str]:
    for name, label in (("loss", "loss"), ("learning_rate", "learning rate"), ("grad_norm", "gradient norm")):
        if (value := run.newest.get(name)) is not None:
            yield f"{word(label)} {value:.4g}"
    if run.scores:
        objective = Objective(run.metric, run.greater_is_better)
        step, best = objective.best(run.scores, lambda point: point[1]) or run.scores[-1]
        yield _piece(f"{run.metric} {run.scores[-1][1]:.4f} (best {best:.4f} at step {step})")


def _piece(text: str) -> str:
    return local(Pieces(text))


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """Puts as many parts on a line as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 2 <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines


def _warnings(run: LiveRun, width: int) -> Iterator[str]:
    if run.warnings:
        yield ""
    for time, message in run.warnings:
        clock = datetime.fromisoformat(time).strftime("%H:%M")
        text = f"{clock} {word('warning')}: {local(message)}"
        yield from textwrap.wrap(text, width, max_lines=2, placeholder=" …", subsequent_indent="      ")


def sweep_lines(name: str, members: Sequence[SweepMember], width: int, height: int) -> list[str]:
    """Returns a line per run of a sweep, in the user's language; where they are too many, finished runs are left out first.

    Args:
        name: name of the sweep.
        members: its runs.
        width: characters of a line.
        height: number of lines.
    """
    room = max(1, height - 3)
    order = (MemberState.running, MemberState.pending)
    shown = list(members)
    if len(members) > room:
        shown = sorted(members, key=lambda member: order.index(member.state) if member.state in order else 2)[
            :room
        ]
    finished = sum(member.state is MemberState.finished for member in members)
    rows = [
        [
            ", ".join(f"{key}={value}" for key, value in member.overrides.items()) or member.run,
            word(member.state),
            f"{bar(member.step, member.steps, 10)} {member.step}/{member.steps or '?'}",
            _score(member),
        ]
        for member in shown
    ]
    table = (
        Table([word("run"), word("state"), word("step"), word("score")], rows, texts=3).text().splitlines()
    )
    more = [f"… +{len(members) - len(shown)}"] if len(shown) < len(members) else []
    head = f"{name}: {finished}/{len(members)} {word(MemberState.finished)}"
    return [line[:width] for line in [head, *table, *more]]


def _score(member: SweepMember) -> str:
    split = next(iter(member.scores), None)
    if split is None:
        return ""
    values = member.scores[split]
    name = member.main or next(iter(values))
    return f"{split} {name} {values[name]:.4f}" if name in values else ""
