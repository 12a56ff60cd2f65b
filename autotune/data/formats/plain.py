"""Text without columns: fastText's lines, a folder for each class, a text in each line."""

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.labels import TAG
from autotune.config.schema import DatasetConfig
from autotune.data.formats.brat import natural_key
from autotune.data.formats.encoding import lines, open_text
from autotune.errors import DataError, listing

LABEL = "__label__"
LINE = re.compile(rf"{LABEL}(?P<label>\S+)(?:[ \t]+(?P<text>.*))?", re.DOTALL)
TEXT = ".txt"


def is_fasttext(path: Path, config: DatasetConfig) -> bool:
    """Whether the first line of a file begins with fastText's mark."""
    if not path.is_file():
        return False
    with open_text(path, config, []) as file:
        return next((line for _, line in lines(file, path) if line.strip()), "").startswith(LABEL)


def read_fasttext(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, str]]:
    """Rows with `text` and `label` of lines such as `__label__positivo Gostei muito.`; blank lines are skipped.

    Raises:
        DataError: a line has no label, or several.
    """
    with open_text(path, config, notes) as file:
        for number, raw in lines(file, path):
            line = raw.strip("\r\n")
            if not line.strip():
                continue
            found = LINE.fullmatch(line)
            text = (found["text"] or "") if found is not None else ""
            if found is None or text.startswith(LABEL):
                raise DataError(
                    "the line has several labels; a text can have one class only"
                    if found is not None
                    else f"the line does not begin with {LABEL}",
                    where=f"{path}:{number}",
                    found=line[:80],
                    fix="keep one of them" if found is not None else f"{LABEL}CLASS TEXT in each line",
                )
            yield {"text": text, "label": found["label"]}


def is_class_folder(folder: Path) -> bool:
    """Whether a folder has nothing but subfolders with text files, one for each class."""
    return bool(_classes(folder)) and not any(path.suffix.lower() == TEXT for path in folder.iterdir())


def read_folders(folder: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, Any]]:
    """A row for each text file: `id` is its path without suffix, `label` its folder. In the order of their names.

    Raises:
        DataError: there are no subfolders with text files.
    """
    classes = _classes(folder)
    if not classes:
        raise DataError(
            "the folder has no subfolders with text files",
            where=str(folder),
            found=listing(sorted(path.name for path in folder.iterdir())) or "nothing",
            fix="a folder for each class, with a .txt file for each text",
        )
    for name in sorted(classes):
        for path in sorted(classes[name], key=lambda path: natural_key(path.stem)):
            with open_text(path, config, notes) as file:
                yield {"id": f"{name}/{path.stem}", "text": file.read(), "label": name}


def is_lines(path: Path, config: DatasetConfig, names: Container[str]) -> bool:
    """Whether a .txt file holds a text in each line, and not what the run was trained on.

    Args:
        path: of a file, whose suffix counts.
        config: the section `dataset` of the run.
        names: what the column of the text may be called in a header.
    """
    if suffix_of(path) != TEXT or not path.is_file() or is_fasttext(path, config):
        return False
    with open_text(path, config, []) as file:
        first = next((line.strip() for _, line in lines(file, path) if line.strip()), "")
    if config.format is Format.conll:
        words = first.split()
        return len(words) > 1 and TAG.fullmatch(words[-1]) is None
    if config.format in (Format.json, Format.jsonl, Format.spans):
        return not first.startswith(("{", "["))
    delimiter = re.escape(config.delimiter.replace("\\t", "\t")) if config.delimiter else "[,;\t]"
    return not any(cell.strip(' "') in names for cell in re.split(delimiter, first))


def read_texts(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[str]:
    """The lines of a file, blank ones included, so that rows and lines have the same numbers."""
    with open_text(path, config, notes) as file:
        for _, line in lines(file, path):
            yield line.rstrip("\r\n")


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The text files of each subfolder that has such and no annotations of brat."""
    found: dict[str, list[Path]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith(".") and not any(path.glob("*.ann")):
            texts = [
                one for one in path.iterdir() if one.suffix.lower() == TEXT and not one.name.startswith(".")
            ]
            if texts:
                found[path.name] = texts
    return found
