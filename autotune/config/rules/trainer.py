"""Rules for training and for the run as a whole: learning rate, intervals, seed, name and folder."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from autotune.config.enums import Batching, Format, Precision, Quantization, Sharding
from autotune.config.rules.dataset import only_hub
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override

MAX_NAME_BYTES = 200
"""File systems allow 255 bytes, and temporary files beside the run folder have longer names."""


def learning_rate(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that learning rates are above 0 and at most 1."""
    if config.trainer.learning_rate == 0:
        yield ConfigError(
            "a learning rate of 0 learns nothing",
            where="trainer.learning_rate",
            found="0",
            fix=f"trainer.learning_rate={(config.peft or config.model).learning_rate}",
        )
    rates = {
        "trainer.learning_rate": config.trainer.learning_rate,
        "trainer.head_learning_rate": config.trainer.head_learning_rate,
        "model.learning_rate": config.model.learning_rate,
        "peft.learning_rate": config.peft.learning_rate if config.peft is not None else None,
    }
    for key, value in rates.items():
        if value is not None and value > 1:
            exponent = math.floor(math.log10(value)) if math.isfinite(value) else 5
            suggestion = f"{value / 10**exponent:g}e-{exponent}" if 3 <= exponent <= 6 else "5e-5"
            yield ConfigError(
                "with a learning rate above 1 nothing is learned; the sign of its exponent may be missing",
                where=key,
                found=f"{value:g}",
                fix=f"{key}={suggestion}",
            )


def frozen_twice(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that parts of the base model are not frozen where adapters freeze all of it."""
    if config.trainer.freeze is not None and config.peft is not None:
        yield ConfigError(
            "adapters freeze the whole base model already",
            where="trainer.freeze",
            found=f"{config.trainer.freeze}, with peft.method={config.peft.method}",
            fix="trainer.freeze=null, or peft=none",
        )


def head_of_its_own(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks, for a task whose models bring their head along, that the head has no learning rate of its own."""
    if config.trainer.head_learning_rate is not None:
        yield ConfigError(
            f"task={config.task.name} has no new head: models are pretrained to write",
            where="trainer.head_learning_rate",
            found=f"{config.trainer.head_learning_rate:g}",
            fix="trainer.head_learning_rate=null",
        )


def early_stopping(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that early stopping has a validation split."""
    trainer, data = config.trainer, config.dataset
    if trainer.patience is not None and data.splits.validation is None and not data.validation_fraction:
        yield ConfigError(
            "early stopping needs a validation split",
            where="trainer.patience",
            found=f"{trainer.patience}, with dataset.splits.validation=null and dataset.validation_fraction=0",
            fix="trainer.patience=null, or dataset.validation_fraction=0.1",
        )


def min_delta(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks `trainer.min_delta` of tasks whose scores go from 0 to 1: no score can be better by 1 or more."""
    if config.trainer.min_delta >= 1:
        yield ConfigError(
            "scores go from 0 to 1, so none would ever count as better than the first",
            where="trainer.min_delta",
            found=str(config.trainer.min_delta),
            fix=f"trainer.min_delta={min(config.trainer.min_delta / 100, 0.1):g}",
        )


def sharding(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that what `trainer.sharding=fsdp` does not divide, or was not tried with, is off."""
    if config.trainer.sharding is Sharding.none:
        return
    quantization = config.peft.quantization if config.peft is not None else Quantization.none
    refusals = (
        (quantization is not Quantization.none, "peft.quantization", quantization, "none"),
        (config.trainer.compile, "trainer.compile", "true", "false"),
        (config.trainer.precision is Precision.fp16, "trainer.precision", Precision.fp16, "bf16"),
    )
    for refused, where, found, instead in refusals:
        if refused:
            yield ConfigError(
                f"a model cannot be divided among processes with {where}={found}",
                where=where,
                found=f"{found} with trainer.sharding={config.trainer.sharding}",
                fix=f"{where}={instead}, or trainer.sharding=none",
            )


def compile_with_packing(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that packing is off with `trainer.compile`: kernels are compiled per length, and packed sequences all differ."""
    if config.trainer.compile and config.trainer.batching is Batching.packed:
        yield ConfigError(
            "trainer.compile does not work with trainer.batching=packed",
            where="trainer.batching",
            found="packed, with trainer.compile=true",
            fix="trainer.batching=exact, or trainer.compile=false",
        )


def run_name(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the name of the run is valid for a folder inside the folder of runs."""
    name = config.name
    if name is None:
        return
    is_plain = name.isprintable() and not re.search(r"[/\\]", name)
    if not is_plain or name != name.strip() or name[:1] in ("", ".") or len(name.encode()) > MAX_NAME_BYTES:
        yield ConfigError(
            "the name of a run becomes the name of a folder: no / or \\, no dot first, no blank at an end, "
            f"{MAX_NAME_BYTES} bytes at most",
            where="name",
            found=repr(name[:MAX_NAME_BYTES]),
            fix="name=my_run; runs=FOLDER sets where run folders are",
        )


def runs_folder(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the folder of runs is not a file, nor inside one."""
    folder = Path(config.runs).expanduser()
    file = next((path for path in (folder, *folder.parents) if is_file(path)), None)
    if not config.runs.strip() or file is not None:
        yield ConfigError(
            "runs must be a folder" + (f", and {file} is a file" if file else ""),
            where="runs",
            found=repr(config.runs),
            fix=format_override("runs", str(file.parent / f"{file.stem}_runs") if file else "runs"),
        )


def local_file(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that no keys of the Hub are set for a file on this machine."""
    data = config.dataset
    if config.bundle is None and data.format is Format.auto and is_file(Path(data.path).expanduser()):
        yield from only_hub(
            data, f"these keys are for Hub data sets, and {data.path} is a file on this machine"
        )


def is_file(path: Path) -> bool:
    """Whether the path is an existing file; False if it cannot be accessed."""
    try:
        return path.is_file()
    except OSError:
        return False
