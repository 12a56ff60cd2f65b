"""The tools that are compared: each learns from the rows of a cell, and its predictions for test are scored by the same code."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autotune.auto.record import FOLDS
from autotune.metrics.classification import ClassificationState
from benchmarks.auto import process, rivals
from benchmarks.auto.cells import CLASSES, ENTITIES, Drawn

AUTO, AUTOTUNE, CHEAP, MAJORITY, RULE = "autotune auto", "autotune", "cheap", "majority", "rule-5/80"
"""Ours: the search; plain defaults; TF-IDF, tagger or extract as they are; the most frequent class; a rule by constants."""
FEWEST, FEW = 5, 80
"""Constants of OpenAutoNLU: with at most so many rows in the rarest class, and with at most so many, it learns few-shot."""
MAIN = {CLASSES: "macro_f1", ENTITIES: "entity_f1"}
"""Main metric of a task; of summaries rougeL."""
AMBIGUOUS = 2
"""Exit code of `autotune auto` that asks for an override."""
RESAMPLES = 1000
"""Of the rows of test, for the interval of a score."""
PATIENCE = 4
"""Times the time asked for after which a rival is killed."""


@dataclass(frozen=True)
class Setting:
    """What all tools are given."""

    time: str | None
    """As `autotune auto` takes it: 2m; None: trials instead of a clock."""
    seconds: float
    """The same in seconds, for other tools."""
    base: tuple[str, ...]
    """Overrides that choose the base model of an ordinary run; none: only what needs none runs."""
    encoder: str | None
    """The base model's folder, or a name of configs/model."""
    threads: int
    seed: int
    trials: int | None = None
    replay: bool = False
    """Whether the search is repeated without a clock, to compare the bytes of the model."""
    pythons: dict[str, str] = field(default_factory=dict)
    """Python of the environment of each other library."""


@dataclass
class Outcome:
    """What a tool did."""

    score: float | None = None
    """On the rows of test."""
    score_interval: list[float] | None = None
    """Its 95 % bootstrap interval over these rows; of classes only."""
    reported: float | None = None
    """What the tool itself says its model scores; None if it says nothing."""
    interval: list[float] | None = None
    """95 % interval of what it says."""
    seconds: float | None = None
    cpu_seconds: float | None = None
    memory_mb: float | None = None
    check_seconds: float | None = None
    """From the start of the command until the data are read, understood and split into folds."""
    first_model_seconds: float | None = None
    """From then until `best/` holds a model."""
    artifact_mb: float | None = None
    predict_seconds: float | None = None
    """To start, read the model, predict and score test."""
    words: int | None = None
    """Words that a user types."""
    same_bytes: bool | None = None
    """Whether a replay gave the same model."""
    note: str = ""
    """What it chose, or why there is no score."""

    def as_dict(self) -> dict[str, Any]:
        """Returns it for JSON."""
        return asdict(self)


Tool = Callable[[Drawn, Setting, Path], Outcome]


def majority(drawn: Drawn, setting: Setting, folder: Path) -> Outcome:
    """Predicts the most frequent class for all rows, if there is one."""
    if drawn.task != CLASSES:
        return Outcome(note="classes only")
    train, test = drawn.rows
    counts = Counter(row["label"] for row in train)
    label, most = counts.most_common(1)[0]
    if list(counts.values()).count(most) > 1:
        return Outcome(note="no class is the most frequent")
    return Outcome(score=_macro_f1(drawn, [label] * len(test)), note=label)


def cheap(drawn: Drawn, setting: Setting, folder: Path) -> Outcome:
    """Trains the method without a neural network as it is, on all rows."""
    model = {CLASSES: "tfidf", ENTITIES: "tagger"}.get(drawn.task, "first_sentences")
    return _ordinary(drawn, setting, folder, f"model={model}", "dataset.validation_fraction=0")


def defaults(drawn: Drawn, setting: Setting, folder: Path) -> Outcome:
    """Fine-tunes with the defaults of an ordinary run."""
    if not setting.base or drawn.task not in MAIN:
        return Outcome(note="no base model for this task")
    return _ordinary(drawn, setting, folder, *setting.base)


def rule(drawn: Drawn, setting: Setting, folder: Path) -> Outcome:
    """Chooses by OpenAutoNLU's constants: few-shot on at most 80 rows per class, else its fixed fine-tuning."""
    if not setting.base or drawn.task not in MAIN:
        return Outcome(note="no base model for this task")
    rarest = (
        min(Counter(row["label"] for row in drawn.rows[0]).values()) if drawn.task == CLASSES else FEW + 1
    )
    if rarest > FEW:
        words = ("trainer.epochs=10", "trainer.batch_size=32", "trainer.learning_rate=5e-5", "trainer.keep=best",
                 "trainer.min_steps=0", "dataset.validation_fraction=0.1")  # fmt: skip
        return _ordinary(drawn, setting, folder, *setting.base, *words)
    outcome = _by_library("contrastive", sys.executable, drawn, setting, folder, most_per_class=FEW)
    outcome.note = outcome.note or f"few-shot: {rarest} rows in the rarest class"
    return outcome


def auto(drawn: Drawn, setting: Setting, folder: Path) -> Outcome:
    """Runs the search; where it asks which column is which, it is answered."""
    budget = ["time=null", f"trials={setting.trials}"] if setting.time is None else [f"time={setting.time}"]
    models = [f"auto.models=[{setting.encoder}]"] if setting.encoder else ["auto.candidates=[cheap]"]
    place = [f"runs={folder}", "name=auto"]
    result, folds, best = folder / "auto", folder / "auto" / FOLDS, folder / "auto" / "best"
    usage, typed = None, [str(drawn.train)]
    for answers in ((), drawn.columns):
        typed = [str(drawn.train), *budget, *answers]
        usage = _autotune(["auto", *typed, *models, *place], folder, setting, watch=[folds, best])
        if usage.returncode != AMBIGUOUS:
            break
    assert usage is not None
    if usage.returncode != 0:
        return _failed(usage, folder)
    found = json.loads((result / "result.json").read_text("utf-8"))
    figure = found["test"] or {"score": found["chosen"]["corrected"], "interval": found["chosen"]["interval"]}
    outcome = _measured(usage, best, len(typed) + 2)
    outcome.reported, outcome.interval = figure["score"], figure["interval"]
    if {str(folds), str(best)} <= set(usage.seen):
        outcome.check_seconds = usage.seen[str(folds)]
        outcome.first_model_seconds = round(usage.seen[str(best)] - usage.seen[str(folds)], 1)
    outcome.note = found["winner"]["trial"]
    _evaluate(outcome, result / found["winner"]["run"], drawn, setting, folder)
    if setting.replay:
        replayed = _autotune(["auto", f"replay={result}", f"runs={folder}", "name=replay"], folder, setting)
        files = [path / "best" / "model.safetensors" for path in (result, folder / "replay")]
        outcome.same_bytes = replayed.returncode == 0 and files[0].read_bytes() == files[1].read_bytes()
    return outcome


def library(name: str) -> Tool:
    """Returns a tool that another library provides."""

    def run(drawn: Drawn, setting: Setting, folder: Path) -> Outcome:
        if drawn.task != CLASSES:
            return Outcome(note="classes only")
        if name not in setting.pythons:
            return Outcome(note=f"not compared: name its environment by --environment {name}=PYTHON")
        if setting.encoder is None:
            return Outcome(note="needs an encoder")
        return _by_library(name, setting.pythons[name], drawn, setting, folder)

    return run


TOOLS: dict[str, Tool] = {MAJORITY: majority, CHEAP: cheap, AUTOTUNE: defaults, RULE: rule, AUTO: auto} | {
    name: library(name) for name in rivals.TOOLS if name != "contrastive"
}


def _ordinary(drawn: Drawn, setting: Setting, folder: Path, *words: str) -> Outcome:
    typed = [*drawn.form, *drawn.columns, *words, f"seed={setting.seed}"]
    usage = _autotune([*typed, f"runs={folder}", "name=run"], folder, setting)
    if usage.returncode != 0:
        return _failed(usage, folder)
    outcome = _measured(usage, folder / "run" / "model", len(typed) + 1)
    metrics = json.loads((folder / "run" / "metrics.json").read_text("utf-8"))
    split = next(iter(metrics["baseline"]))
    if split != "train":
        main = MAIN.get(drawn.task, "rougeL")
        outcome.reported = metrics[split][main]
        outcome.interval = metrics.get("interval", {}).get(split, {}).get(main)
    _evaluate(outcome, folder / "run", drawn, setting, folder)
    return outcome


def _by_library(
    name: str, python: str, drawn: Drawn, setting: Setting, folder: Path, most_per_class: int | None = None
) -> Outcome:
    taken, kept = Counter[str](), []
    for row in drawn.rows[0]:
        taken[row["label"]] += 1
        if most_per_class is None or taken[row["label"]] <= most_per_class:
            kept.append(row)
    answer = folder / "answer.json"
    order = {
        "texts": [row["text"] for row in kept], "labels": [row["label"] for row in kept],
        "test": [row["text"] for row in drawn.rows[1]], "encoder": setting.encoder, "seconds": setting.seconds,
        "seed": setting.seed, "threads": setting.threads, "folder": str(folder), "answer": str(answer),
    }  # fmt: skip
    (folder / "order.json").write_text(json.dumps(order, ensure_ascii=False), encoding="utf-8")
    command = [python, str(Path(rivals.__file__)), name, str(folder / "order.json")]
    limit = max(PATIENCE * setting.seconds, 600.0)
    usage = process.execute(command, folder / "log.txt", threads=setting.threads, limit=limit)
    if usage.returncode == rivals.MISSING:
        return Outcome(note=f"{name} is not installed in the environment of {python}")
    if usage.returncode != 0:
        return _failed(usage, folder)
    given = json.loads(answer.read_text("utf-8"))
    outcome = _measured(usage, None, None)
    outcome.score = _macro_f1(drawn, given["predictions"])
    outcome.reported = given["reported"]
    outcome.note = "" if name == "contrastive" else f"{name} {given['version']}"
    return outcome


def _autotune(
    words: Sequence[str], folder: Path, setting: Setting, watch: Sequence[Path] = ()
) -> process.Usage:
    return process.execute(
        [sys.executable, "-P", "-m", "autotune", *words],
        folder / "log.txt",
        threads=setting.threads,
        watch=watch,
    )


def _evaluate(outcome: Outcome, run: Path, drawn: Drawn, setting: Setting, folder: Path) -> None:
    """Scores a run's model on test, with autotune's own metric."""
    output = folder / "scores.json"
    usage = _autotune(["evaluate", str(run), "--data", str(drawn.test), "-o", str(output)], folder, setting)
    if usage.returncode != 0:
        outcome.note = _failed(usage, folder).note
        return
    figures = json.loads(output.read_text("utf-8"))
    outcome.score = figures[MAIN.get(drawn.task, "rougeL")]
    if drawn.task == CLASSES:
        outcome.score_interval = _macro_f1_interval(figures["confusion"])
    outcome.predict_seconds = round(usage.seconds, 2)


def _measured(usage: process.Usage, artifact: Path | None, words: int | None) -> Outcome:
    size = None
    if artifact is not None:
        size = round(sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file()) / 1e6, 2)
    return Outcome(
        seconds=round(usage.seconds, 1),
        cpu_seconds=round(usage.cpu_seconds, 1),
        memory_mb=round(usage.memory_mb),
        artifact_mb=size,
        words=words,
    )


def _failed(usage: process.Usage, folder: Path) -> Outcome:
    lines = [line for line in (folder / "log.txt").read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error")] or lines[-1:]
    outcome = _measured(usage, None, None)
    outcome.note = f"exit code {usage.returncode}: {' '.join(errors[:1])}"[:200]
    return outcome


def _macro_f1_interval(confusion: dict[str, dict[str, int]]) -> list[float]:
    """Returns the 95 % bootstrap interval of macro-F1 over the rows of a confusion matrix, by gold and predicted class."""
    counts = np.array([[confusion[gold].get(label, 0) for label in confusion] for gold in confusion])
    rows = counts.sum()
    drawn = np.random.default_rng(0).multinomial(rows, counts.ravel() / rows, size=RESAMPLES)
    drawn = drawn.reshape(RESAMPLES, *counts.shape)
    hits = drawn.diagonal(axis1=1, axis2=2)
    f1 = 2 * hits / np.maximum(drawn.sum(1) + drawn.sum(2), 1)
    return [float(value) for value in np.quantile(f1.mean(axis=1), [0.025, 0.975])]


def _macro_f1(drawn: Drawn, predictions: Sequence[str]) -> float:
    """Returns macro-F1 over the classes of train and test; a prediction that is no class counts as another wrong one."""
    gold = [row["label"] for row in drawn.rows[1]]
    labels = sorted({row["label"] for row in drawn.rows[0]} | set(gold))
    state = ClassificationState(labels)
    for reference, prediction in zip(gold, predictions, strict=True):
        wrong = (labels.index(reference) + 1) % len(labels)
        state.add(labels.index(reference), labels.index(prediction) if prediction in labels else wrong)
    return float(state.figures()["macro_f1"])
