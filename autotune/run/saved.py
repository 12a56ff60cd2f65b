"""The saved model of a run: finds it, and verifies that its files are the ones that the run wrote.

status.json holds their sizes and SHA-256, except for the card, which people may edit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autotune.errors import ModelError, TrainingError, listing, nearest, shell_words
from autotune.run.manifest import describe, find_fault
from autotune.run.status import CONFIG, STATUS, is_run, read_status, unfinished

MODEL, ADAPTER, LAST = "model", "adapter", "last"
SAVED = "saved"
"""Key of status.json that holds the sizes and SHA-256."""
CARD = "README.md"
QUICK_CHECK_BYTES = 32_000_000
"""Size up to which `predict` compares file contents: all files except weights. Of weights it compares only the size,
because reading them twice would double its start-up time."""


def describe_saved(run: Path, changed: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Returns the sizes and SHA-256 of all files that a run has saved, for status.json.

    Args:
        run: run folder.
        changed: files that were written since status.json was; without one, all files are read.
    """
    if changed:
        return {**read_status(run)[SAVED], **describe(run, changed)}
    files = (path for folder in (MODEL, ADAPTER, LAST) for path in (run / folder).rglob("*"))
    names = sorted(str(path.relative_to(run)) for path in files if path.is_file() and path.name != CARD)
    return describe(run, names)


def find_damage(run: Path, *, quick: bool = False) -> str | None:
    """Returns what is wrong with the first file that has changed since the run wrote it.

    Returns None if nothing is wrong, or if status.json holds no sizes.

    Args:
        run: run folder.
        quick: checks only `model/`, and of its large files only the size.
    """
    files = read_status(run).get(SAVED, {})
    if quick:
        files = {name: digest for name, digest in files.items() if name.startswith(f"{MODEL}/")}
    return find_fault(run, files, QUICK_CHECK_BYTES if quick else None)


def refuse_damaged(run: Path, *, quick: bool = False) -> None:
    """Raises ModelError if `find_damage` finds any."""
    damage = find_damage(run, quick=quick)
    if damage is not None:
        raise damaged(run, damage)


def damaged(run: Path, damage: str) -> ModelError:
    """Returns the error for a damaged saved model."""
    command = read_status(run).get("command", "autotune …")
    return ModelError(
        "the saved model is damaged: a file is not as the run wrote it",
        where=str(run),
        found=damage,
        fix=f"bring the file back; or train again beside it: {command} resume=never",
    )


def refuse_changed(run: Path) -> None:
    """Raises TrainingError if the files of a model that was just saved differ from what was written."""
    damage = find_damage(run)
    if damage is not None:
        raise TrainingError(
            "the saved model has changed on the disk since it was written",
            where=str(run),
            found=damage,
            fix="check the disk; the same command makes the model again from the last checkpoint",
        )


def saved_model_path(run: str | Path) -> Path | str:
    """Returns the folder of the saved model of a run.

    Args:
        run: run folder, or the folder of a saved model itself; hub:ORG/NAME[@REVISION] is returned unchanged.

    Raises:
        ModelError: there is no such folder or no saved model in it, or the model is damaged.
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
    raise no_such_run(path)


def no_such_run(path: Path) -> ModelError:
    """Returns the error for a run folder that does not exist."""
    runs = sorted(folder.name for folder in path.parent.glob("*") if (folder / MODEL).is_dir())
    similar = nearest(path.name, runs)
    return ModelError(
        "there is no such run folder",
        where=str(path),
        found=f"runs in {path.parent}: {listing(runs)}" if runs else None,
        fix=shell_words(path.parent / similar) if similar else None,
    )


def config(run: str | Path) -> Path | None:
    """Returns the config.yaml of a run folder, or of the run that contains a `model` folder; None if there is none."""
    path = Path(run).expanduser().absolute()
    return next((folder / CONFIG for folder in (path, path.parent) if (folder / CONFIG).is_file()), None)
