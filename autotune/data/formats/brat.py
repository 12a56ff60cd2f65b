"""brat standoff: a folder with pairs of NAME.txt, a text, and NAME.ann, its annotations."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.config.schema import DatasetConfig
from autotune.data.formats.encoding import open_text
from autotune.errors import DataError, listing

IGNORED = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "comments",
    "*": "equivalences",
}
"""What a line of another kind than an entity is, by its first letter."""
ENTITY = re.compile(r"(?P<label>\S+) (?P<offsets>[0-9]{1,15} [0-9]{1,15}(?:;[0-9]{1,15} [0-9]{1,15})*)")


def is_brat(folder: Path) -> bool:
    """Whether a folder holds .ann files."""
    return next(folder.glob("*.ann"), None) is not None


def read_brat(folder: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, Any]]:
    """One document a row: `id` is the file's name without suffix; `spans` is null where the .ann file is missing.

    Documents are in the order of their names, numbers in them by size.

    Raises:
        DataError: an .ann file without its text; a line that is no annotation; an entity in several pieces, one
            that overlaps another, or one whose text is not what stands at its offsets.
    """
    texts = {path.stem: path for path in folder.glob("*.txt") if not path.name.startswith(".")}
    annotations = {path.stem: path for path in folder.glob("*.ann") if not path.name.startswith(".")}
    if not texts and not annotations:
        raise DataError(
            "the folder holds no brat documents",
            where=str(folder),
            found=listing(sorted(path.name for path in folder.iterdir())) or "nothing",
            fix="pairs of NAME.txt and NAME.ann, in the folder or in its subfolders train, dev and test",
        )
    for stem in sorted(set(annotations) - set(texts)):
        raise DataError(
            "the annotations have no text",
            where=str(annotations[stem]),
            found=f"no {stem}.txt beside it",
            fix=f"copy {stem}.txt there, or move {stem}.ann elsewhere",
        )
    ignored: Counter[str] = Counter()
    for stem in sorted(texts, key=natural):
        text = _read(texts[stem], config, notes)
        file = annotations.get(stem)
        spans = None
        if file is not None:
            text, spans = _entities(file, text, config, notes, ignored)
        yield {"id": stem, "text": text, "spans": spans, "annotated_in": str(texts[stem].with_suffix(".ann"))}
    if ignored:
        what = ", ".join(f"{name} {count}" for name, count in sorted(ignored.items()))
        notes.append(f"{folder}: lines of .ann files that are no entities were left out: {what}")


def _entities(
    file: Path, text: str, config: DatasetConfig, notes: list[str], ignored: Counter[str]
) -> tuple[str, list[dict[str, Any]]]:
    """The text to which the offsets belong, and the entities."""
    found: list[dict[str, Any]] = []
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", _read(file, config, notes)), 1):
        if not line.strip():
            continue
        if line[0] in IGNORED:
            ignored[IGNORED[line[0]]] += 1
            continue
        found.append(_entity(line, f"{file}:{number}"))
        lines.append((number, line))
    if "\r\n" in text and not all(_fits(one, text) for one in found):
        text = text.replace(
            "\r\n", "\n"
        )  # the offsets may have been counted on a system with other line ends
    for one, (number, _) in zip(found, lines, strict=True):
        if not _fits(one, text):
            raise DataError(
                "the text of an entity is not what stands at its offsets",
                where=f"{file}:{number}",
                found=f"{one['said'][:60]!r}, and at {one['start']}..{one['end']} {text[one['start'] : one['end']][:60]!r}",
                fix=f"was {file.stem}.txt changed after it was annotated? offsets count characters from 0",
            )
    ordered = sorted(zip(found, lines, strict=True), key=lambda pair: (pair[0]["start"], pair[0]["end"]))
    for (left, (_, before)), (right, (number, line)) in zip(ordered, ordered[1:], strict=False):
        same = all(left[name] == right[name] for name in ("start", "end", "label"))
        if right["start"] < left["end"] and not same:
            raise DataError(
                "two entities overlap; a word can have one tag only",
                where=f"{file}:{number}",
                found=f"{before!r} and {line!r}",
                fix="delete the line of one of them",
            )
    return text, [{name: one[name] for name in ("start", "end", "label")} for one in found]


def _entity(line: str, at: str) -> dict[str, Any]:
    """Start, end, label and text of `T1<tab>Pessoa 0 4<tab>João`."""
    fields = line.split("\t", 2)
    match = ENTITY.fullmatch(fields[1].strip()) if len(fields) > 1 else None
    if line[0] != "T" or match is None:
        raise DataError(
            "the line is no annotation of brat",
            where=at,
            found=repr(line[:120]),
            fix="T1<tab>LABEL START END<tab>TEXT; other lines begin with R, E, A, M, N, # or *",
        )
    if ";" in match["offsets"]:
        raise DataError(
            "the entity is in several pieces, which tags cannot say",
            where=at,
            found=repr(line[:120]),
            fix="one piece a T line, or one entity from the first to the last piece",
        )
    start, end = map(int, match["offsets"].split())
    return {"start": start, "end": end, "label": match["label"], "said": fields[2] if len(fields) > 2 else ""}


def _fits(entity: Mapping[str, Any], text: str) -> bool:
    """Whether what the line says of the text is there; brat writes line breaks as blanks."""
    inside = text[entity["start"] : entity["end"]]
    return bool(inside) and (not entity["said"] or inside.split() == entity["said"].split())


def _read(path: Path, config: DatasetConfig, notes: list[str]) -> str:
    with open_text(path, config, notes) as file:
        return file.read()


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts doc2 before doc10."""
    pieces = re.split(r"(\d+)", name)
    return [(int(piece), "") if index % 2 else (0, piece) for index, piece in enumerate(pieces)]
