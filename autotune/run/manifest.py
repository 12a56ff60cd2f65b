"""Sizes and SHA-256 of files, and which file is no longer as they say."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autotune.errors import ModelError
from autotune.runtime.files import fsync_path
from autotune.runtime.records import Record, read_record

MANIFEST = "manifest.json"
"""In a folder that states all its other files."""


class Digest(Record):
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


class Manifest(Record):
    """manifest.json."""

    files: dict[str, Digest]


def describe(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of some files.

    Args:
        folder: that the names are relative to.
        names: of the files.
    """
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in names
    }


def find_fault(folder: Path, files: Mapping[str, Any], largest: int | None = None) -> str | None:
    """What is wrong with the first file that differs from what was written down; None where all are as they were.

    Args:
        folder: that the names are relative to.
        files: from `describe`; what is not in its form is a fault, too.
        largest: bytes up to which the content of a file is compared; larger ones by their size alone. None: no limit.
    """
    for name, stated in files.items():
        try:
            size = (folder / name).stat().st_size
            if size != stated["bytes"]:
                return f"{name} has {size} bytes instead of {stated['bytes']}"
            if (largest is None or size <= largest) and sha256(folder / name) != stated["sha256"]:
                return f"{name} has other content"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        except (KeyError, TypeError):
            return f"size and SHA-256 of {name} are not stated"
    return None


def write_manifest(folder: Path) -> None:
    """States all files of a folder in a file of its own; to be called last."""
    files = describe(folder, sorted(path.name for path in folder.iterdir()))
    write_json(folder / MANIFEST, {"files": files})


def find_folder_fault(folder: Path) -> str | None:
    """What is wrong with a folder that has a manifest; None where its files are those, to the bit."""
    try:
        files = (read_record(folder / MANIFEST, Manifest, fix="", needed=True) or {})["files"]
        found = {entry.name for entry in folder.iterdir()} - {MANIFEST}
        if found != set(files):
            return f"its files are not those of its manifest: {', '.join(sorted(found ^ set(files)))}"
        if links := [name for name in files if (folder / name).is_symlink()]:
            return f"{links[0]} is a link"
        return find_fault(folder, files)
    except ModelError as error:
        return f"{error.what}: {error.found}" if error.found else error.what
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, down to the disk."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fsync_path(path)


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
