"""Records the sizes and SHA-256 of files, and finds files that no longer match them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autotune.errors import ModelError
from autotune.runtime.files import fsync_path
from autotune.runtime.records import Record, read_record

MANIFEST = "manifest.json"
"""Name of the file in a folder that lists all the other files of the folder."""


class Digest(Record):
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


class Manifest(Record):
    """Schema of manifest.json."""

    files: dict[str, Digest]


def describe(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns the size and SHA-256 of files, by name.

    Args:
        folder: folder that the names are relative to.
        names: names of the files.
    """
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in names
    }


def find_fault(folder: Path, files: Mapping[str, Any], largest: int | None = None) -> str | None:
    """Returns what is wrong with the first file that differs from its record; None if all files match.

    Args:
        folder: folder that the names are relative to.
        files: from `describe`; an invalid record is a fault, too.
        largest: size in bytes up to which file contents are compared; of larger files only the size is compared.
            None: no limit.
    """
    for name, digest in files.items():
        try:
            size = (folder / name).stat().st_size
            if size != digest["bytes"]:
                return f"{name} has {size} bytes instead of {digest['bytes']}"
            if (largest is None or size <= largest) and sha256(folder / name) != digest["sha256"]:
                return f"{name} has other content"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        except (KeyError, TypeError):
            return f"size and SHA-256 of {name} are not stated"
    return None


def write_manifest(folder: Path) -> None:
    """Writes the sizes and SHA-256 of all files of a folder to manifest.json; call it after all other writes."""
    files = describe(folder, sorted(path.name for path in folder.iterdir()))
    write_json(folder / MANIFEST, {"files": files})


def find_folder_fault(folder: Path) -> str | None:
    """Returns what is wrong with a folder that has a manifest; None if its files match the manifest bit by bit."""
    try:
        files = (read_record(folder / MANIFEST, Manifest, fix="", needed=True) or {})["files"]
        names = {entry.name for entry in folder.iterdir()} - {MANIFEST}
        if names != set(files):
            return f"its files are not those of its manifest: {', '.join(sorted(names ^ set(files)))}"
        if links := [name for name in files if (folder / name).is_symlink()]:
            return f"{links[0]} is a link"
        return find_fault(folder, files)
    except ModelError as error:
        return f"{error.what}: {error.found}" if error.found else error.what
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file and syncs it to the disk."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fsync_path(path)


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
