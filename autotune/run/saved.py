"""The saved model of a run: where it is, and whether its files are those that the run wrote.

Their sizes and SHA-256 are in status.json, without the card, which people may edit.
"""

from pathlib import Path
from typing import Any

from autotune.errors import ModelError, TrainingError, listing, nearest, shell_words
from autotune.run.manifest import describe, find_fault
from autotune.run.status import CONFIG, STATUS, is_run, read_status, unfinished

MODEL, ADAPTER, LAST = "model", "adapter", "last"
SAVED = "saved"
"""Key of status.json."""
CARD = "README.md"
SMALL = 32_000_000
"""Bytes: `predict` compares the content of files up to this, which are all but weights. Reading weights twice would
double the time that it takes to begin; of them it compares the size."""


def describe_saved(run: Path) -> dict[str, dict[str, Any]]:
    """Sizes and SHA-256 of all files that a run has saved, for status.json."""
    files = (path for folder in (MODEL, ADAPTER, LAST) for path in (run / folder).rglob("*"))
    names = sorted(str(path.relative_to(run)) for path in files if path.is_file() and path.name != CARD)
    return describe(run, names)


def find_damage(run: Path, *, quick: bool = False) -> str | None:
    """What is wrong with the first file that is not as the run wrote it; None also where status.json states none.

    Args:
        run: its folder.
        quick: looks at `model/` alone, and not into its large files.
    """
    files = read_status(run).get(SAVED, {})
    if quick:
        files = {name: stated for name, stated in files.items() if name.startswith(f"{MODEL}/")}
    return find_fault(run, files, SMALL if quick else None)


def refuse_damaged(run: Path, *, quick: bool = False) -> None:
    """Raises ModelError where `find_damage` finds any."""
    fault = find_damage(run, quick=quick)
    if fault is not None:
        raise damaged(run, fault)


def damaged(run: Path, fault: str) -> ModelError:
    """The error that says so."""
    command = read_status(run).get("command", "autotune …")
    return ModelError(
        "the saved model is damaged: a file is not as the run wrote it",
        where=str(run),
        found=fault,
        fix=f"bring the file back; or train again beside it: {command} resume=never",
    )


def refuse_changed(run: Path) -> None:
    """Raises TrainingError where a model that was just saved is not on the disk as it was written."""
    fault = find_damage(run)
    if fault is not None:
        raise TrainingError(
            "the saved model has changed on the disk since it was written",
            where=str(run),
            found=fault,
            fix="look after the disk; the same command makes the model again from the last checkpoint",
        )


def saved_model_path(run: str | Path) -> Path | str:
    """The folder of the saved model of a run.

    Args:
        run: run folder, or the folder of a saved model itself; hub:ORG/NAME[@REVISION] is returned as it is.

    Raises:
        ModelError: there is no such folder or no saved model in it, or it is damaged.
    """
    if str(run).startswith("hub:"):
        return str(run)
    path = Path(run).expanduser()
    if (path / MODEL).is_dir():
        refuse_damaged(path, quick=True)
        return path / MODEL
    if is_run(path) and path.is_dir() and (path / STATUS).exists():
        raise unfinished("the run has no saved model", path)
    if path.is_dir():
        if path.name == MODEL and (path.parent / CONFIG).is_file():
            refuse_damaged(path.parent, quick=True)
        return path
    known = sorted(folder.name for folder in path.parent.glob("*") if (folder / MODEL).is_dir())
    near = nearest(path.name, known)
    raise ModelError(
        "there is no such run folder",
        where=str(path),
        found=f"runs in {path.parent}: {listing(known)}" if known else None,
        fix=shell_words(path.parent / near) if near else None,
    )


def config(run: str | Path) -> Path | None:
    """The config.yaml of a run folder, or of the run that a `model` folder is in; None without one."""
    path = Path(run).expanduser().absolute()
    return next((folder / CONFIG for folder in (path, path.parent) if (folder / CONFIG).is_file()), None)
