"""A plug-in that watches what reaches the disk, and the moments when a name says that something is there.

CLAIMS=a file that takes one JSON array a claim: its kind, and what had not been fsynced by then. With IMAGE=the file behind
the disk and COPIES=a folder, what the disk holds at the first claim of a kind is kept there: what a power cut would leave.
"""

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

PARTIAL = re.compile(r"\..*\.(part|partial|old)")


class Disk:
    """Knows what was fsynced, and how it was then."""

    def __init__(self) -> None:
        self.process, self.fsync, self.busy = os.getpid(), os.fsync, False
        self.synced: dict[tuple[int, int], object] = {}
        self.seen: set[str] = set()

    def install(self) -> None:
        """Watches from now on."""
        os.fsync = self.watched_fsync
        sys.addaudithook(self.audit)

    def watched_fsync(self, descriptor: int) -> None:
        """fsync, which is remembered."""
        self.fsync(descriptor)
        about = os.fstat(descriptor)
        now = names(descriptor) if stat.S_ISDIR(about.st_mode) else (about.st_size, about.st_mtime_ns)
        self.synced[about.st_dev, about.st_ino] = now

    def state(self, path: Path) -> object:
        """How a file or folder was when it was fsynced last."""
        about = path.stat()
        return self.synced.get((about.st_dev, about.st_ino))

    def lacking(self, path: Path) -> Iterator[str]:
        """What of a file, or of a folder and all in it, would be lost."""
        if path.is_file():
            about = path.stat()
            if self.state(path) != (about.st_size, about.st_mtime_ns):
                yield str(path)
            return
        for one in path.iterdir():
            if not PARTIAL.fullmatch(one.name):
                yield from self.lacking(one)
        yield from self.missing(path, [one.name for one in path.iterdir() if not PARTIAL.fullmatch(one.name)])

    def missing(self, folder: Path, wanted: list[str]) -> Iterator[str]:
        """Which names a folder would not have."""
        held = self.state(folder)
        for name in wanted:
            if not isinstance(held, dict) or held.get(name) != (folder / name).stat().st_ino:
                yield f"the name {folder / name}"

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """Called by Python before it changes files."""
        if self.busy or os.getpid() != self.process or event not in ("os.rename", "shutil.rmtree"):
            return
        paths = [Path(os.fsdecode(one)) for one in arguments[: 2 if event == "os.rename" else 1]]
        found = renamed(self, *paths) if event == "os.rename" else removed(self, *paths)
        if found is not None:
            self.busy = True
            kind, lost = found[0], sorted(set(found[1]))
            with Path(os.environ["CLAIMS"]).open("a") as file:
                file.write(json.dumps([kind, lost]) + "\n")
            if "IMAGE" in os.environ and kind not in self.seen:
                shutil.copyfile(os.environ["IMAGE"], Path(os.environ["COPIES"], kind))
            self.seen.add(kind)
            self.busy = False


def names(folder: int | Path) -> dict[str, int]:
    """Names in a folder with the numbers of their files."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.inode() for entry in entries}


def renamed(disk: Disk, source: Path, target: Path) -> tuple[str, list[str]] | None:
    """What a rename claims."""
    if target.name == "status.json" and json.loads(source.read_text())["state"] == "finished":
        run = target.parent
        kept = [
            one for one in run.iterdir() if one.name not in (".lock", "log.txt", "status.json", "checkpoints")
        ]
        kept = [one for one in kept if not PARTIAL.fullmatch(one.name)]
        lost = [name for one in kept for name in disk.lacking(one)]
        return "finished", [*lost, *disk.missing(run, [one.name for one in kept])]
    if re.fullmatch(r"step-\d+", target.name):
        run, state = target.parent.parent, json.loads((source / "state.json").read_text())
        held = disk.state(run / "history.jsonl")
        short = not isinstance(held, tuple) or held[0] < state["history_bytes"]
        lost = [*disk.lacking(source), *disk.missing(run, ["history.jsonl", "checkpoints"])]
        return "checkpoint", lost + ["lines of history.jsonl"] * short
    if source.name.startswith("step-") and target.name.endswith(".old"):
        newest = max(source.parent.glob("step-*"))
        return "retention", [*disk.lacking(newest), *disk.missing(newest.parent, [newest.name])]
    if target.parent.name == ".cache":
        return target.name.partition("-")[0], list(disk.lacking(source))
    return None


def removed(disk: Disk, folder: Path) -> tuple[str, list[str]] | None:
    """What the removal of a folder relies on."""
    if folder.name != "checkpoints":
        return None
    status = folder.parent / "status.json"
    early = json.loads(status.read_text())["state"] != "finished"
    return "removal", [
        *disk.lacking(status),
        *disk.missing(folder.parent, ["status.json"]),
        *["early"] * early,
    ]


if "CLAIMS" in os.environ:
    Disk().install()
