"""The machine: versions, device, memory and disk compared with what the run needs; the user on the Hub."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from autotune.checks.findings import Area, Finding, Report, Severity, note, warning
from autotune.config.enums import Precision, Quantization, Sharding
from autotune.config.schema import RunConfig
from autotune.models.adapters import count_parameters
from autotune.models.repository import hub_user
from autotune.training import device

PACKAGES = ("autotune", "torch", "transformers", "datasets", "accelerate", "peft", "tokenizers")
BYTES_PER_FROZEN_WEIGHT = {Quantization.none: 4.0, Quantization.int8: 1.0, Quantization.nf4: 0.55}
"""Bytes per frozen weight; nf4 with its double-quantized constants (Dettmers et al. 2023)."""
ADAM_BYTES = 12
"""Bytes per trained float32 weight besides the weight itself: a gradient and two moments (Kingma & Ba 2015)."""


def audit_machine(config: RunConfig, model: nn.Module | None, precision: Precision | None, report: Report, *,
                  from_hub: bool) -> Iterator[Finding]:  # fmt: skip
    """Yields findings about memory, disk and Hub access; puts the figures of this machine into the report.

    Args:
        config: config of the run.
        model: model without weights, including adapters; None if the base model was refused.
        precision: resolved precision; None if the base model was refused.
        report: receives the figures.
        from_hub: whether the model or the data are on the Hub.
    """
    folder = Path(config.runs).expanduser().absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free, memory = shutil.disk_usage(existing).free, memory_bytes()
    report.figures["machine"] = {
        **environment_info(),
        "precision": str(precision) if precision else None,
        "fast_bf16": device.has_fast_bf16(),
        "memory_gb": round(memory / 1e9, 1),
        "disk_free_gb": round(free / 1e9, 1),
        "offline": os.environ.get("HF_HUB_OFFLINE") == "1",
    }
    if not os.access(existing, os.W_OK):
        yield Finding(
            Area.machine,
            Severity.error,
            "the folder of runs cannot be written",
            str(existing),
            fix="runs=FOLDER",
        )
    if model is not None:
        yield from _check_memory_and_disk(config, model, memory, free, str(existing), report)
    if from_hub:
        yield from _check_hub_user(report)


def environment_info() -> dict[str, Any]:
    """Returns what a run depends on besides its configuration: versions, device, and the commit if autotune runs from a
    checkout, with `-dirty` if its files differ from it."""
    info: dict[str, Any] = {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "device": device.name(),
    }
    checkout = Path(__file__).parents[2]
    if (checkout / ".git").exists() and shutil.which("git"):
        process = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        info["commit"] = process.stdout.strip() or None
    return info


def installed_packages() -> dict[str, str]:
    """Returns names and versions of all installed packages, sorted by name, from the names of their metadata folders.

    Reading each package's METADATA instead would cost every run 0.3 s. The form NAME-VERSION.dist-info is that of the
    specification "Recording installed projects".
    """
    # In reverse: of two packages with the same name Python imports the first on the path, so that one must win.
    folders = (folder for entry in reversed(sys.path) for folder in Path(entry or ".").glob("*-*.dist-info"))
    versions = {name: number for name, _, number in (folder.stem.partition("-") for folder in folders)}
    return dict(sorted(versions.items()))


def memory_bytes() -> int:
    """Returns the memory of the GPU, or of the machine as far as this process may use it: the smallest limit."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [physical]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(file).read_text(encoding="ascii").strip() if Path(file).is_file() else ""
        limits += [int(text)] if text.isdigit() else []
    return min(limits)


def static_bytes(model: nn.Module, config: RunConfig) -> int:
    """Returns the bytes of weights, gradients and the optimizer's moments; activations are not included."""
    trainable, total = count_parameters(model)
    quantization = config.peft.quantization if config.peft is not None else Quantization.none
    return int((total - trainable) * BYTES_PER_FROZEN_WEIGHT[quantization] + trainable * (4 + ADAM_BYTES))


def disk_bytes(model: nn.Module, config: RunConfig) -> int:
    """Returns the bytes that a run needs on disk.

    They are the model, the best weights with their adapter or the copy that is being written, and the checkpoints
    including the one that is being written: each has weights, two moments and the best weights.
    """
    trainable, total = count_parameters(model)
    return 4 * (total + 2 * trainable + 4 * (config.checkpoint.keep + 1) * trainable)


def _bytes_of_earlier_attempt(run: Path) -> int:
    """Returns the bytes that an earlier attempt left in the run's folder; hard-linked files count once."""
    stats = [path.lstat() for path in run.rglob("*") if path.is_file()]
    return sum({stat.st_ino: stat.st_size for stat in stats}.values())


def _check_memory_and_disk(
    config: RunConfig, model: nn.Module, memory: int, free: int, folder: str, report: Report
) -> Iterator[Finding]:
    """Yields findings if the run needs more disk or memory than there is."""
    trainable, total = count_parameters(model)
    static, disk = static_bytes(model, config), disk_bytes(model, config)
    figures: dict[str, Any] = {
        "parameters": total,
        "trainable": trainable,
        "static_memory_gb": round(static / 1e9, 3),
        "disk_gb": round(disk / 1e9, 3),
    }
    report.figures["model"] = figures
    if disk > free + _bytes_of_earlier_attempt(Path(config.runs).expanduser() / str(config.name)):
        yield Finding(
            Area.machine, Severity.error, f"the run needs {disk / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free",
            where=folder, fix="runs=FOLDER on a disk with more room, or checkpoint.keep=1",
        )  # fmt: skip
    if static > memory and config.trainer.sharding is Sharding.none:
        yield warning(
            Area.machine,
            f"weights, gradients and optimizer take {static / 1e9:.1f} GB, the machine has {memory / 1e9:.1f} GB",
            where=device.name(),
            fix="peft=qlora, or a smaller model" if config.peft is not None else "peft=lora",
        )


def _check_hub_user(report: Report) -> Iterator[Finding]:
    """Yields the user that the Hub recognizes, or why the Hub was not asked."""
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        yield note(Area.machine, "offline: models and data must already be on this machine")
        return
    try:
        user = hub_user()
    except OSError as error:
        yield note(Area.machine, "the Hub user could not be determined", found=str(error).splitlines()[0])
        return
    report.figures["hub"] = {"user": user}
    if user == "an invalid token":
        yield warning(Area.machine, "the Hub does not accept the token", where="HF_TOKEN or hf auth login",
                      fix="hf auth login with a new token, or unset HF_TOKEN")  # fmt: skip
    else:
        yield note(
            Area.machine,
            f"on the Hub as {user}" if user else "on the Hub without a token: gated models are closed",
        )
