"""A run is struck, goes on, is struck again, and must end with the bytes of the run that nothing happened to."""

import copy
import hashlib
import json
import random
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.forks import Forks

WORDS = (
    "dataset.limit=12", "trainer.epochs=2", "trainer.batch_size=4", "trainer.micro_batch_tokens=100", "trainer.keep=best",
    "trainer.evaluate_every=2st", "checkpoint.every=1st", "checkpoint.keep=2", "check=none",
)  # fmt: skip
"""A run of six steps, three evaluations and six checkpoints."""

RUNS = {
    f"{task}{', LoRA' if adapter else ''}": (f"task={task}", *adapter)
    for task in ("sentiment", "ner", "summarization")
    for adapter in ((), ("peft=lora",))
}
TIMES = ("seconds", "time", "command", "folder", "saved")
PASSING = re.compile(rb"([\d.,]+ (s|min|h)\b ?)+|<!-- autotune [0-9a-f]{16}")
"""Durations as people say them, and the digest of a card that holds one."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1)
"""In turns."""

LIVES = 4
"""So often a run is struck at most."""


@dataclass(frozen=True)
class Point:
    """Where a run is struck: when a name is reached for the so-manieth time (from 0)."""

    name: str
    count: int

    def __str__(self) -> str:
        return f"{self.name} ({self.count + 1})"


@dataclass(frozen=True)
class Trial:
    """What was done to a run and what became of it."""

    run: str
    strikes: tuple[str, ...]
    fault: str | None
    """What was wrong; None where the result is that of the undisturbed run."""

    def __str__(self) -> str:
        return (
            f"{'equal ' if self.fault is None else 'RED   '} {self.run}: {'; then '.join(self.strikes)}"
            + (f"\n       {self.fault}" if self.fault else "")
        )


class Laboratory:
    """Does trials of one run.

    Args:
        forks: start command lines.
        folder: for the runs; each trial's is removed when it has gone well.
        run: of `RUNS`.
        mutation: what is wrong in all processes, see `points.MUTATIONS`.
    """

    def __init__(self, forks: Forks, folder: Path, run: str, mutation: str = "") -> None:
        self.forks, self.folder, self.run, self.mutation = forks, folder, run, mutation
        self.trials = 0
        self.reference, self.points = self._undisturbed()

    def broken(self, mutation: str) -> "Laboratory":
        """One with the same reference whose runs have something wrong; it shows when they go on."""
        other = copy.copy(self)
        other.folder, other.mutation, other.trials = self.folder / mutation, mutation, 0
        return other

    def _undisturbed(self) -> tuple[dict[str, str], list[Point]]:
        """What comes out where nothing happens, and the points on the way, in order."""
        runs = self._runs("undisturbed")
        trace = runs.parent / "trace"
        code, said = self._life(runs, trace=str(trace))
        if code:
            raise AssertionError(said)
        seen: Counter[str] = Counter()
        points = []
        for name in trace.read_text().splitlines():
            points.append(Point(name, seen[name]))
            seen[name] += 1
        return result(runs / "run"), points

    def sample(self, draw: random.Random, count: int) -> list[Point]:
        """So many points: of every name one as far as that goes, then any."""
        by_name: dict[str, list[Point]] = {}
        for point in self.points:
            by_name.setdefault(point.name, []).append(point)
        chosen = [draw.choice(points) for points in by_name.values()]
        draw.shuffle(chosen)
        others = [point for point in self.points if point not in chosen]
        return (chosen + draw.sample(others, len(others)))[:count]

    @property
    def names(self) -> int:
        """How many differently named points there are."""
        return len({point.name for point in self.points})

    def trial(
        self,
        draw: random.Random,
        point: Point,
        *later: Point,
        number: int = signal.SIGKILL,
        damage: bool = False,
    ) -> Trial:
        """Strikes at points with a signal, perhaps again in later lives, and lets the run come to its end.

        Args:
            draw: of what happens after that.
            point: of the first strike.
            later: of the strikes in the next lives.
            number: the signal.
            damage: whether a bit of the newest checkpoint is flipped after the first strike.
        """
        self.trials += 1
        runs = self._runs(f"trial-{self.trials}")
        strikes: list[str] = []
        planned = list(later)
        for life in range(LIVES):
            strikes.append(f"{signal.Signals(number).name} at {point}")
            code, said = self._life(runs, at=(point.name, point.count), number=number)
            if code in (0, 2, 70) or code not in (-number, 75, 130, 128 + number, *range(-31, 0)):
                break
            if damage and life == 0 and flip(runs / "run"):
                strikes.append("a bit of the newest checkpoint flipped")
            if planned:
                point = planned.pop(0)
                continue
            if draw.random() < 0.6:
                break
            point, number = draw.choice(self.points), draw.choice(SIGNALS)
        if code not in (0, 2, 70):
            code, said = self._life(runs)
        fault = None
        if code:
            fault = f"exit code {code}:\n{said}"
        elif (found := result(runs / "run")) != self.reference:
            fault = "other content: " + ", ".join(
                sorted(
                    name
                    for name in found.keys() | self.reference.keys()
                    if found.get(name) != self.reference.get(name)
                )
            )
        if fault is None:
            shutil.rmtree(runs.parent)
        return Trial(self.run, tuple(strikes), fault)

    def _runs(self, name: str) -> Path:
        runs = self.folder / name / "runs"
        runs.mkdir(parents=True)
        return runs

    def _life(self, runs: Path, **armed: Any) -> tuple[int, str]:
        """The same command once more; its exit code and what it said."""
        words = (*WORDS, *RUNS[self.run], f"runs={runs}", "name=run")
        armed = {"runs": str(runs), "mutation": self.mutation, **armed}
        done = self.forks.start(*words, cwd=runs.parent, armed=armed).ended()
        return done.returncode, done.stdout + done.stderr


def result(run: Path) -> dict[str, str]:
    """SHA-256 of what must not depend on a run's fate, by file: all but times, addresses and what was said."""
    found = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock"):
        name = str(path.relative_to(run))
        if name in ("log.txt", "environment.json", "report.html", "report_documents.jsonl"):
            continue
        content = path.read_bytes()
        if name == "history.jsonl":
            content = b"".join(map(_timeless, content.splitlines()))
        elif name in ("metrics.json", "status.json", "data.json"):
            content = _timeless(content)
        elif path.suffix != ".safetensors":
            content = PASSING.sub(b"", content.replace(str(run.parent.parent).encode(), b""))
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def _timeless(line: bytes) -> bytes:
    """A JSON object without times."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(one) for key, one in value.items() if key not in TIMES}
        return value

    return json.dumps(without(json.loads(line))).encode() + b"\n"


def flip(run: Path) -> bool:
    """Flips a bit of the newest checkpoint's weights; whether there is one."""
    newest = sorted((run / "checkpoints").glob("step-*"))[-1:]
    for folder in newest:
        file = folder / "weights.safetensors"
        content = bytearray(file.read_bytes())
        content[-5] ^= 1
        file.write_bytes(bytes(content))
    return bool(newest)


def trials(
    laboratory: Laboratory,
    seed: int,
    count: int | None = None,
    signals: Sequence[int] = SIGNALS,
    damaged: int = 4,
) -> Iterator[Trial]:
    """Strikes at `count` points (None: one of every name), each with the next of the signals. In one of every six
    trials, the one with the index `damaged`, a checkpoint is damaged, too."""
    draw = random.Random(seed)
    for index, point in enumerate(laboratory.sample(draw, count or laboratory.names)):
        yield laboratory.trial(draw, point, number=signals[index % len(signals)], damage=index % 6 == damaged)
