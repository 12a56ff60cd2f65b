"""Checkpoints: files that belong together, written whole or not at all, and looked through before they are read.

checkpoints/update-00000042/   state.json, tensors (safetensors), manifest.json with the size and SHA-256 of each
checkpoints/last               leads to the newest
"""

import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.files import follow_umask, saving, synced, writing

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

STATE, MANIFEST, LAST = "state.json", "manifest.json", "last"
LARGEST_JSON = 10_000_000
"""Bytes; more is not ours."""


@dataclass(frozen=True)
class Checkpoint:
    """One that has been looked through."""

    path: Path
    state: dict[str, Any]

    def tensors(self, name: str) -> "dict[str, Tensor]":
        """The tensors of one of its files, on the CPU; none where there were none to write."""
        file = self.path / f"{name}.safetensors"
        return read_tensors(file) if file.exists() else {}


class Checkpoints:
    """Those of a run.

    Args:
        folder: they are in; made when the first is written.
        keep: how many of the newest remain.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        self._writing: _Writing | None = None

    def save(
        self,
        update: int,
        tensors: "Mapping[str, Mapping[str, Tensor]]",
        state: Mapping[str, Any],
        links: Mapping[str, Path],
    ) -> None:
        """Begins to write a checkpoint, which goes on in the background; see `settle`.

        Args:
            update: its number.
            tensors: by file name, without ending; on the CPU, and nobody changes them.
            state: JSON.
            links: files of the same disk that are part of it, by the name that they get; their content never changes,
                though others may take their names.

        Raises:
            DiskError: this one or the one before cannot be written; the earlier ones are as they were.
        """
        self.settle()
        target = self._path(update)
        beside = target.with_name(f".{target.name}.part")
        with writing(target):
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            for name, file in links.items():
                os.link(file, beside / name)
        self._writing = _Writing(lambda: self._write(target, beside, tensors, state))
        self._writing.start()

    def settle(self) -> None:
        """Waits until the checkpoint that was begun is on the disk.

        Raises:
            DiskError: it cannot be written.
        """
        begun, self._writing = self._writing, None
        if begun is not None:
            begun.join()
            if begun.error is not None:
                raise begun.error

    def _write(
        self,
        target: Path,
        beside: Path,
        tensors: "Mapping[str, Mapping[str, Tensor]]",
        state: Mapping[str, Any],
    ) -> None:
        """Writes a checkpoint beside, makes sure that it is on the disk, and renames it into place."""
        with writing(target):
            try:
                for name, group in tensors.items():
                    if not group:  # an optimizer that has made no step yet; the format has no empty files
                        continue
                    write_tensors(beside / f"{name}.safetensors", group)
                _write_json(beside / STATE, state)
                files = {
                    path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
                    for path in sorted(beside.iterdir())
                }
                _write_json(beside / MANIFEST, {"files": files})
                synced(beside)
                self._discard(target)
                beside.rename(target)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            self._link(target)
            synced(self.folder)
            for old in self._all()[self.keep :]:
                self._discard(old)

    def latest(self) -> Checkpoint | None:
        """The newest that is whole. What a killed process left unfinished is removed; a damaged one is set aside."""
        for pattern in (".update-*.part", ".update-*.old"):
            for stale in self.folder.glob(pattern):
                shutil.rmtree(stale, ignore_errors=True)
        for path in self._all():
            fault = _fault(path)
            if fault is None:
                return Checkpoint(path, _read_json(path / STATE))
            aside = _free(path.with_name(f"damaged-{path.name}"))
            path.rename(aside)
            logger.warning(
                "the checkpoint %s is damaged: %s; it was set aside as %s, and the one before is used",
                path.name, fault, aside.name,
            )  # fmt: skip
        return None

    def numbered(self, update: int) -> Checkpoint:
        """A checkpoint that another process has looked through."""
        path = self._path(update)
        return Checkpoint(path, _read_json(path / STATE))

    def exist(self) -> bool:
        """Whether there is any, whole or not."""
        return bool(self._all())

    def what_stands(self) -> str:
        """What a run that cannot write goes on from, in a sentence."""
        newest = next(iter(self._all()), None)
        if newest is None:
            return "there is no checkpoint; once it can be written, the same command begins anew"
        return f"the checkpoint {newest} stands; once it can be written, the same command goes on from there"

    def remove(self) -> None:
        """Removes all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, update: int) -> Path:
        return self.folder / f"update-{update:08}"

    def _all(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("update-*"), reverse=True)

    def _discard(self, path: Path) -> None:
        """Renamed first, so that no half of it is ever taken for a checkpoint."""
        if path.exists():
            aside = path.with_name(f".{path.name}.old")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _link(self, target: Path) -> None:
        beside = self.folder / f".{LAST}.part"
        beside.unlink(missing_ok=True)
        beside.symlink_to(target.name)
        beside.replace(self.folder / LAST)


class _Writing(threading.Thread):
    """Writes in the background. A process that must leave at once does not wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self.work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Called by `start`."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the end
            self.error = error


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint; None where its files are those of its manifest, to the bit."""
    try:
        files = _read_json(path / MANIFEST)["files"]
        found = {entry.name for entry in path.iterdir()} - {MANIFEST}
        if found != set(files):
            return f"its files are not those of its manifest: {', '.join(sorted(found ^ set(files)))}"
        for name, stated in files.items():
            file = path / name
            if file.is_symlink() or not file.is_file() or file.stat().st_size != stated["bytes"]:
                return f"{name} has another size"
            if _sha256(file) != stated["sha256"]:
                return f"{name} has other content"
        _read_json(path / STATE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def write_tensors(
    path: Path, tensors: "Mapping[str, Tensor]", facts: Mapping[str, Any] | None = None
) -> None:
    """Writes a safetensors file, down to the disk.

    Args:
        path: of the file.
        tensors: on the CPU, contiguous.
        facts: stand in its metadata.

    Raises:
        DiskError: the system refused.
    """
    from safetensors.torch import save_file

    needed = sum(tensor.nbytes for tensor in tensors.values())
    with saving(path, needed):
        save_file(dict(tensors), path, metadata={key: str(fact) for key, fact in (facts or {}).items()})
        follow_umask(path)
        synced(path)


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """The tensors of a safetensors file, on the CPU."""
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    synced(path)


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"{path.name} is too large")
    value = json.loads(path.read_text("utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _free(path: Path) -> Path:
    number, wanted = 1, path
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path
