"""Text without columns: fastText's lines, one folder per class, one text per line."""

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.formats import TEXT_SUFFIX
from autotune.config.labels import TAG
from autotune.config.schema import DatasetConfig
from autotune.data.formats.brat import natural_key
from autotune.data.formats.encoding import lines, open_text
from autotune.errors import DataError, listing

LABEL_PREFIX = "__label__"
LINE = re.compile(rf"{LABEL_PREFIX}(?P<label>\S+)(?:[ \t]+(?P<text>.*))?", re.DOTALL)


def is_fasttext(path: Path, config: DatasetConfig) -> bool:
    """Returns whether the first line of a file begins with fastText's prefix."""
    if not path.is_file():
        return False
    with open_text(path, config, []) as file:
        return next((line for _, line in lines(file, path) if line.strip()), "").startswith(LABEL_PREFIX)


def read_fasttext(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, str]]:
    """Yields rows with `text` and `label` from lines such as `__label__positivo Gostei muito.`; skips blank lines.

    Raises:
        DataError: a line has no label, or several.
    """
    with open_text(path, config, notes) as file:
        for number, raw in lines(file, path):
            line = raw.strip("\r\n")
            if not line.strip():
                continue
            match = LINE.fullmatch(line)
            text = (match["text"] or "") if match is not None else ""
            if match is None or text.startswith(LABEL_PREFIX):
                raise DataError(
                    "the line has several labels; a text can have one class only"
                    if match is not None
                    else f"the line does not begin with {LABEL_PREFIX}",
                    where=f"{path}:{number}",
                    found=line[:80],
                    fix="keep one of them" if match is not None else f"{LABEL_PREFIX}CLASS TEXT in each line",
                )
            yield {"text": text, "label": match["label"]}


def is_class_folder(folder: Path) -> bool:
    """Returns whether a folder has one subfolder with text files per class, and no text files itself."""
    return bool(_texts_by_class(folder)) and not any(
        path.suffix.lower() == TEXT_SUFFIX for path in folder.iterdir()
    )


def read_folders(folder: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yields one row per text file, in the order of their names: `id` is its path without suffix, `label` its folder.

    Raises:
        DataError: there are no subfolders with text files.
    """
    classes = _texts_by_class(folder)
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


def has_one_text_per_line(path: Path, config: DatasetConfig, names: Container[str]) -> bool:
    """Returns whether a .txt file holds one text per line, rather than the format that the run was trained on.

    Args:
        path: file; only one with the suffix .txt can hold such texts.
        config: the section `dataset` of the run.
        names: names that the text column may have in a header.
    """
    if suffix_of(path) != TEXT_SUFFIX or not path.is_file() or is_fasttext(path, config):
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
    """Yields the lines of a file, including blank ones, so that rows and lines have the same numbers."""
    with open_text(path, config, notes) as file:
        for _, line in lines(file, path):
            yield line.rstrip("\r\n")


def _texts_by_class(folder: Path) -> dict[str, list[Path]]:
    """Returns the text files of each subfolder that has some, and no brat annotations."""
    classes: dict[str, list[Path]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith(".") and not any(path.glob("*.ann")):
            texts = [
                file
                for file in path.iterdir()
                if file.suffix.lower() == TEXT_SUFFIX and not file.name.startswith(".")
            ]
            if texts:
                classes[path.name] = texts
    return classes
