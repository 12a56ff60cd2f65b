"""Checkpoints: files that belong together, written whole or not at all, and looked through before they are read.

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
        step: int,
        tensors: "Mapping[str, Mapping[str, Tensor]]",
        state: Mapping[str, Any],
        links: Mapping[str, Path],
        relies_on: Sequence[Path] = (),
    ) -> None:
        """Begins to write a checkpoint, which goes on in the background; see `wait`.

        Args:
            step: its number.
            tensors: by file name, without ending; on the CPU, and nobody changes them.
            state: JSON.
            links: files of the same disk that are part of it, by the name that they get; their content never changes,
                though others may take their names. Where the file system has no hard links, they are copied.
            relies_on: files of the run that the state tells of; they reach the disk before the checkpoint is one.

        Raises:
            DiskError: this one or the one before cannot be written; the earlier ones are as they were.
        """
        self.wait()
        target = self._path(step)
        beside = target.with_name(f".{target.name}.part")
        with disk_errors(target):
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            for name, file in links.items():
                link_or_copy(file, beside / name)
        self._writing = _Writing(lambda: self._write(target, beside, tensors, state, relies_on))
        self._writing.start()

    def wait(self) -> None:
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
        relies_on: Sequence[Path],
    ) -> None:
        """Writes a checkpoint beside, makes sure that it is on the disk, and renames it into place."""
        with disk_errors(target):
            try:
                for name, group in tensors.items():
                    if not group:  # an optimizer that has made no step yet; the format has no empty files
                        continue
                    write_tensors(beside / f"{name}.safetensors", group)
                write_json(beside / STATE, state)
                write_manifest(beside)
                for path in (*relies_on, *{path.parent for path in relies_on}, beside, self.folder.parent):
                    fsync_path(path)
                self._discard(target)
                beside.rename(target)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            fsync_path(self.folder)
            for old in self._all()[self.keep :]:
                self._discard(old)

    def latest(self, schema: type[Record] = Record) -> Checkpoint | None:
        """The newest that is whole. What a killed process left unfinished is removed; a damaged one is set aside.

        Args:
            schema: Record of state.json; what does not fit is damaged.
        """
        for pattern in (".step-*.part", ".step-*.old"):
            for stale in self.folder.glob(pattern):
                shutil.rmtree(stale, ignore_errors=True)
        for path in self._all():
            fault = _corruption(path, schema)
            if fault is None:
                return Checkpoint(path, _read(path / STATE, schema))
            aside = _free(path.with_name(f"damaged-{path.name}"))
            path.rename(aside)
            logger.warning(
                "the checkpoint %s is damaged: %s; it was set aside as %s, and the one before is used",
                path.name, fault, aside.name,
            )  # fmt: skip
        return None

    def load(self, step: int) -> Checkpoint:
        """A checkpoint that another process has looked through."""
        path = self._path(step)
        return Checkpoint(path, _read(path / STATE, Record))

    def exist(self) -> bool:
        """Whether there is any, whole or not."""
        return bool(self._all())

    def describe_latest(self) -> str:
        """What a run that cannot write goes on from, in a sentence."""
        newest = next(iter(self._all()), None)
        if newest is None:
            return "there is no checkpoint; once it can be written, the same command begins anew"
        return f"the checkpoint {newest} stands; once it can be written, the same command goes on from there"

    def remove(self) -> None:
        """Removes all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08}"

    def _all(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _discard(self, path: Path) -> None:
        """Renamed first, so that no half of it is ever taken for a checkpoint."""
        if path.exists():
            aside = path.with_name(f".{path.name}.old")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


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


def _corruption(path: Path, schema: type[Record]) -> str | None:
    """What is wrong with a checkpoint; None where its files are those of its manifest, to the bit."""
    try:
        fault = find_folder_fault(path)
        if fault is None:
            _read(path / STATE, schema)
    except ModelError as error:
        return f"{error.what}: {error.found}" if error.found else error.what
    return fault


def _read(path: Path, schema: type[Record]) -> dict[str, Any]:
    return read_record(path, schema, fix="", nan=True, needed=True) or {}


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
    with rust_disk_errors(path, needed):
        save_file(dict(tensors), path, metadata={key: str(fact) for key, fact in (facts or {}).items()})
        follow_umask(path)
        fsync_path(path)


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """The tensors of a safetensors file, on the CPU.

    Raises:
        ModelError: the file is damaged.
    """
    from safetensors.torch import load_file

    fix = "resume=never trains again from the beginning"
    with library_errors(
        lambda error: ModelError(f"{path.name} is damaged", where=str(path), found=message_of(error), fix=fix)
    ):
        tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _free(path: Path) -> Path:
    number, wanted = 1, path
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path
