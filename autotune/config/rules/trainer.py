"""Training, and the run as a whole: something is learned, looked at in time, and has a place."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from autotune.config.enums import Batching, Format
from autotune.config.rules.dataset import only_hub
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override

EVALUATE_EVERY = re.compile(r"(?=.*[1-9])(\d+(\.\d+)?ep|\d+st)")
LONGEST_NAME = 200
"""Bytes; file systems allow 255, and the folder's files are written beside with longer names."""
LARGEST_SEED = 2**63 - 1
"""What all random generators take."""


def rate(config: RunConfig) -> Iterator[AutotuneError]:
    """The learning rate is one: above 0, below 1."""
    if config.trainer.learning_rate == 0:
        yield ConfigError(
            "with a learning rate of 0 nothing is learned",
            where="trainer.learning_rate",
            found="0",
            fix=f"trainer.learning_rate={(config.peft or config.model).learning_rate}",
        )
    sections = {"trainer": config.trainer, "model": config.model, "peft": config.peft}
    for name, section in sections.items():
        given = section.learning_rate if section is not None else None
        if given is not None and given > 1:
            exponent = math.floor(math.log10(given)) if math.isfinite(given) else 5
            meant = f"{given / 10**exponent:g}e-{exponent}" if 3 <= exponent <= 6 else "5e-5"
            yield ConfigError(
                "with a learning rate above 1 nothing is learned; the sign of its exponent may be missing",
                where=f"{name}.learning_rate",
                found=f"{given:g}",
                fix=f"{name}.learning_rate={meant}",
            )


def evaluations(config: RunConfig) -> Iterator[AutotuneError]:
    """Evaluations and checkpoints come at times that can be understood, and there is something to evaluate on."""
    trainer, data = config.trainer, config.dataset
    for what, where, given in (
        ("evaluations", "trainer.evaluate_every", trainer.evaluate_every),
        ("checkpoints", "checkpoint.every", config.checkpoint.every),
    ):
        if not EVALUATE_EVERY.fullmatch(given):
            yield ConfigError(
                f"{what} are counted in epochs (1ep, 0.5ep) or steps (200st)",
                where=where,
                found=given,
                fix=f"{where}={re.sub('up$', 'st', given)}"
                if re.fullmatch(r"[1-9]\d*up", given)
                else f"{where}=1ep",
            )
    if trainer.patience is not None and data.splits.validation is None and not data.validation_fraction:
        yield ConfigError(
            "without validation nothing says when to stop early",
            where="trainer.patience",
            found=f"{trainer.patience}, with dataset.splits.validation=null and dataset.validation_fraction=0",
            fix="trainer.patience=null, or dataset.validation_fraction=0.1",
        )


def delta(config: RunConfig) -> Iterator[AutotuneError]:
    """Where scores go from 0 to 1, no score is better by 1."""
    if config.trainer.min_delta >= 1:
        yield ConfigError(
            "scores go from 0 to 1, so none would ever count as better than the first",
            where="trainer.min_delta",
            found=str(config.trainer.min_delta),
            fix=f"trainer.min_delta={min(config.trainer.min_delta / 100, 0.1):g}",
        )


def kernels(config: RunConfig) -> Iterator[AutotuneError]:
    """Kernels are compiled for lengths, and what is packed has none."""
    if config.trainer.compile and config.trainer.batching is Batching.packed:
        yield ConfigError(
            "kernels are made for a few lengths, and every packed sequence has another",
            where="trainer.batching",
            found="packed, with trainer.compile=true",
            fix="trainer.batching=exact, or trainer.compile=false",
        )


def seed(config: RunConfig) -> Iterator[AutotuneError]:
    """The seed is one that every generator takes."""
    if config.seed > LARGEST_SEED:
        yield ConfigError("a seed is smaller than 2**63", where="seed", found=str(config.seed), fix="seed=42")


def name(config: RunConfig) -> Iterator[AutotuneError]:
    """The name can be that of a folder inside the folder of runs."""
    given = config.name
    if given is None:
        return
    plain = given.isprintable() and not re.search(r"[/\\]", given)
    if not plain or given != given.strip() or given[:1] in ("", ".") or len(given.encode()) > LONGEST_NAME:
        yield ConfigError(
            "the name of a run becomes the name of a folder: no / or \\, no dot first, no blank at an end, "
            f"{LONGEST_NAME} bytes at most",
            where="name",
            found=repr(given[:LONGEST_NAME]),
            fix="name=my_run; where run folders are is said by runs=FOLDER",
        )


def folders(config: RunConfig) -> Iterator[AutotuneError]:
    """The folder of runs is a folder."""
    folder = Path(config.runs).expanduser()
    file = next((path for path in (folder, *folder.parents) if is_file(path)), None)
    if not config.runs.strip() or file is not None:
        yield ConfigError(
            "run folders are in a folder" + (f", and {file} is a file" if file else ""),
            where="runs",
            found=repr(config.runs),
            fix=format_override("runs", str(file.parent / f"{file.stem}_runs") if file else "runs"),
        )


def local(config: RunConfig) -> Iterator[AutotuneError]:
    """A file that is here has no revision."""
    data = config.dataset
    if data.format is Format.auto and is_file(Path(data.path).expanduser()):
        yield from only_hub(data, f"data of the Hub have these, and {data.path} is a file on this machine")


def is_file(path: Path) -> bool:
    """Whether there is such a file; what cannot be looked at is none."""
    try:
        return path.is_file()
    except OSError:
        return False
