"""brat standoff: a folder with pairs of NAME.txt, a text, and NAME.ann, its annotations."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.config.schema import DatasetConfig
from autotune.data.formats.encoding import open_text
from autotune.errors import DataError, listing

IGNORED_LINES = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "comments",
    "*": "equivalences",
}
"""Types of annotation lines that are not entities, by first letter."""
ENTITY = re.compile(r"(?P<label>\S+) (?P<offsets>[0-9]{1,15} [0-9]{1,15}(?:;[0-9]{1,15} [0-9]{1,15})*)")


def is_brat(folder: Path) -> bool:
    """Returns whether a folder holds .ann files."""
    return next(folder.glob("*.ann"), None) is not None


def read_brat(folder: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yields one row per document: `id` is the file's name without suffix; `spans` is null if the .ann file is missing.

    Documents come in the natural order of their names: doc2 before doc10.

    Raises:
        DataError: an .ann file has no text, a line is not an annotation, or an entity is in several pieces, overlaps
            another, or has a text that differs from the one at its offsets.
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
    for stem in sorted(texts, key=natural_key):
        text = _read(texts[stem], config, notes)
        file = annotations.get(stem)
        spans = None
        if file is not None:
            text, spans = _entities(file, text, config, notes, ignored)
        yield {"id": stem, "text": text, "spans": spans, "annotated_in": str(texts[stem].with_suffix(".ann"))}
    if ignored:
        what = ", ".join(f"{name} {count}" for name, count in sorted(ignored.items()))
        notes.append(f"{folder}: lines of .ann files that are not entities were left out: {what}")


def _entities(
    file: Path, text: str, config: DatasetConfig, notes: list[str], ignored: Counter[str]
) -> tuple[str, list[dict[str, Any]]]:
    """Returns the text to which the offsets refer, and its entities as {start, end, label}."""
    parsed: list[dict[str, Any]] = []
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", _read(file, config, notes)), 1):
        if not line.strip():
            continue
        if line[0] in IGNORED_LINES:
            ignored[IGNORED_LINES[line[0]]] += 1
            continue
        parsed.append(_entity(line, f"{file}:{number}"))
        lines.append((number, line))
    if "\r\n" in text and not all(_text_matches(entity, text) for entity in parsed):
        # The offsets may have been counted on a system with other line ends.
        text = text.replace("\r\n", "\n")
    for entity, (number, _) in zip(parsed, lines, strict=True):
        if not _text_matches(entity, text):
            start, end = entity["start"], entity["end"]
            raise DataError(
                "the text of an entity is not the text at its offsets",
                where=f"{file}:{number}",
                found=f"{entity['text'][:60]!r}, and at {start}..{end} {text[start:end][:60]!r}",
                fix=f"was {file.stem}.txt changed after it was annotated? offsets count characters from 0",
            )
    ordered = sorted(zip(parsed, lines, strict=True), key=lambda pair: (pair[0]["start"], pair[0]["end"]))
    for (left, (_, before)), (right, (number, line)) in zip(ordered, ordered[1:], strict=False):
        same = all(left[name] == right[name] for name in ("start", "end", "label"))
        if right["start"] < left["end"] and not same:
            raise DataError(
                "two entities overlap; a word can have one tag only",
                where=f"{file}:{number}",
                found=f"{before!r} and {line!r}",
                fix="delete the line of one of them",
            )
    return text, [{name: entity[name] for name in ("start", "end", "label")} for entity in parsed]


def _entity(line: str, at: str) -> dict[str, Any]:
    """Returns start, end, label and text of a line such as `T1<tab>Pessoa 0 4<tab>João`.

    Raises:
        DataError: the line is not an annotation, or its entity is in several pieces.
    """
    fields = line.split("\t", 2)
    match = ENTITY.fullmatch(fields[1].strip()) if len(fields) > 1 else None
    if line[0] != "T" or match is None:
        raise DataError(
            "the line is not a brat annotation",
            where=at,
            found=repr(line[:120]),
            fix="T1<tab>LABEL START END<tab>TEXT; other lines begin with R, E, A, M, N, # or *",
        )
    if ";" in match["offsets"]:
        raise DataError(
            "the entity is discontinuous, which tags cannot express",
            where=at,
            found=repr(line[:120]),
            fix="one piece per T line, or one entity from the first to the last piece",
        )
    start, end = map(int, match["offsets"].split())
    return {"start": start, "end": end, "label": match["label"], "text": fields[2] if len(fields) > 2 else ""}


def _text_matches(entity: Mapping[str, Any], text: str) -> bool:
    """Returns whether the text of an annotation is at its offsets; brat writes line breaks as blanks."""
    inside = text[entity["start"] : entity["end"]]
    return bool(inside) and (not entity["text"] or inside.split() == entity["text"].split())


def _read(path: Path, config: DatasetConfig, notes: list[str]) -> str:
    with open_text(path, config, notes) as file:
        return file.read()


def natural_key(name: str) -> list[tuple[int, str]]:
    """Returns a sort key that puts doc2 before doc10."""
    pieces = re.split(r"(\d+)", name)
    return [(int(piece), "") if index % 2 else (0, piece) for index, piece in enumerate(pieces)]
