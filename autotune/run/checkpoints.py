"""Checkpoints: each is a folder that is written atomically and verified before it is read.

checkpoints/step-00000042/   state.json, tensors (safetensors), manifest.json with the size and SHA-256 of each
"""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import ModelError
from autotune.run.manifest import find_folder_fault, write_json, write_manifest
from autotune.runtime.files import disk_errors, follow_umask, fsync_path, link_or_copy, rust_disk_errors
from autotune.runtime.library_errors import library_errors, message_of
from autotune.runtime.records import Record, read_record

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint."""

    path: Path
    state: dict[str, Any]

    def tensors(self, name: str) -> "dict[str, Tensor]":
        """Reads `<name>.safetensors`, to the CPU; returns an empty dict if the file does not exist."""
        file = self.path / f"{name}.safetensors"
        return read_tensors(file) if file.exists() else {}


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: parent folder of the checkpoints; created with the first one.
        keep: number of newest checkpoints to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        self._writer: _Writer | None = None

    def save(
        self,
        step: int,
        tensors: "Mapping[str, Mapping[str, Tensor]]",
        state: Mapping[str, Any],
        links: Mapping[str, Path],
        relies_on: Sequence[Path] = (),
    ) -> None:
        """Starts to write a checkpoint in the background; see `wait`.

        Args:
            step: optimizer step of the checkpoint.
            tensors: by file name without suffix; on the CPU, and not modified until `wait` returns.
            state: JSON object, written to state.json.
            links: files on the same disk to include, by their name in the checkpoint. Their content never changes, but
                their original names may be reused. They are hard-linked, or copied if the file system has no hard links.
            relies_on: files of the run that the state refers to; they are synced to the disk before the checkpoint
                becomes visible.

        Raises:
            DiskError: this checkpoint or the previous one cannot be written; earlier checkpoints are unchanged.
        """
        self.wait()
        target = self._path(step)
        temporary = target.with_name(f".{target.name}.part")
        with disk_errors(target):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            # Linked here and not in the thread: training may replace these files as soon as this method returns.
            for name, file in links.items():
                link_or_copy(file, temporary / name)
        self._writer = _Writer(lambda: self._write(target, temporary, tensors, state, relies_on))
        self._writer.start()

    def wait(self) -> None:
        """Waits until the checkpoint that is being written is on the disk.

        Raises:
            DiskError: it cannot be written.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.join()
            if writer.error is not None:
                raise writer.error

    def _write(
        self,
        target: Path,
        temporary: Path,
        tensors: "Mapping[str, Mapping[str, Tensor]]",
        state: Mapping[str, Any],
        relies_on: Sequence[Path],
    ) -> None:
        """Writes a checkpoint to a temporary folder, syncs it to the disk, and renames it to its final name."""
        with disk_errors(target):
            try:
                for name, group in tensors.items():
                    if not group:  # an optimizer before its first step; safetensors has no empty files
                        continue
                    write_tensors(temporary / f"{name}.safetensors", group)
                write_json(temporary / STATE, state)
                write_manifest(temporary)
                # Sync before the rename: after a power cut, a folder named `step-*` must have all of its content, and
                # the files that its state refers to must be at least as new as the state.
                for path in (*relies_on, *{path.parent for path in relies_on}, temporary, self.folder.parent):
                    fsync_path(path)
                self._discard(target)
                temporary.rename(target)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            # Older checkpoints are removed only once the new name is on the disk.
            fsync_path(self.folder)
            for old in self._all()[self.keep :]:
                self._discard(old)

    def latest(self, schema: type[Record] = Record) -> Checkpoint | None:
        """Returns the newest intact checkpoint, or None.

        Removes incomplete ones that a killed process left behind, and renames damaged ones to `damaged-*`.

        Args:
            schema: Record of state.json; a checkpoint whose state does not match it counts as damaged.
        """
        for pattern in (".step-*.part", ".step-*.old"):
            for stale in self.folder.glob(pattern):
                shutil.rmtree(stale, ignore_errors=True)
        for path in self._all():
            corruption = _corruption(path, schema)
            if corruption is None:
                return Checkpoint(path, _read_state(path / STATE, schema))
            damaged = _unused_path(path.with_name(f"damaged-{path.name}"))
            path.rename(damaged)
            logger.warning(
                "the checkpoint %s is damaged: %s; it was renamed to %s, and the previous one is used",
                path.name, corruption, damaged.name,
            )  # fmt: skip
        return None

    def load(self, step: int) -> Checkpoint:
        """Returns a checkpoint without verifying it; another process has done so."""
        path = self._path(step)
        return Checkpoint(path, _read_state(path / STATE, Record))

    def exist(self) -> bool:
        """Whether there are any checkpoints, intact or not."""
        return bool(self._all())

    def describe_latest(self) -> str:
        """Returns a sentence that says from which checkpoint a run that failed to write will resume."""
        newest = next(iter(self._all()), None)
        if newest is None:
            return "there is no checkpoint; once it can be written, the same command starts again"
        return f"the checkpoint {newest} is safe; once it can be written, the same command resumes from there"

    def remove(self) -> None:
        """Removes all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08}"

    def _all(self) -> list[Path]:
        """Returns the paths of all checkpoints, newest first."""
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _discard(self, path: Path) -> None:
        """Removes a checkpoint; renames it first, so a partly deleted folder never looks like a checkpoint."""
        if path.exists():
            doomed = path.with_name(f".{path.name}.old")
            shutil.rmtree(doomed, ignore_errors=True)
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


class _Writer(threading.Thread):
    """Writes in the background. A daemon thread, so a process that must exit at once does not wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self.work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Runs in the thread; called by `start`."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - `Checkpoints.wait` raises it again
            self.error = error


def _corruption(path: Path, schema: type[Record]) -> str | None:
    """Returns what is wrong with a checkpoint; None if its files match its manifest bit by bit."""
    try:
        fault = find_folder_fault(path)
        if fault is None:
            _read_state(path / STATE, schema)
    except ModelError as error:
        return f"{error.what}: {error.found}" if error.found else error.what
    return fault


def _read_state(path: Path, schema: type[Record]) -> dict[str, Any]:
    return read_record(path, schema, fix="", nan=True, needed=True) or {}


def write_tensors(
    path: Path, tensors: "Mapping[str, Tensor]", facts: Mapping[str, Any] | None = None
) -> None:
    """Writes a safetensors file and syncs it to the disk.

    Args:
        path: path of the file.
        tensors: by name; on the CPU, contiguous.
        facts: written to the file's metadata, as strings.

    Raises:
        DiskError: the operating system refused to write it.
    """
    from safetensors.torch import save_file

    size = sum(tensor.nbytes for tensor in tensors.values())
    with rust_disk_errors(path, size):
        save_file(dict(tensors), path, metadata={key: str(fact) for key, fact in (facts or {}).items()})
        follow_umask(path)
        fsync_path(path)


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """Reads the tensors of a safetensors file to the CPU.

    Raises:
        ModelError: the file is damaged.
    """
    from safetensors.torch import load_file

    fix = "resume=never trains from the start"
    with library_errors(
        lambda error: ModelError(f"{path.name} is damaged", where=str(path), found=message_of(error), fix=fix)
    ):
        tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _unused_path(path: Path) -> Path:
    """Returns the path itself, or with the first suffix -2, -3 … that does not exist."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
