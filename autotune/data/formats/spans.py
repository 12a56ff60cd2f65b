"""Texts with entities as annotation tools export them, to rows with `text`, `spans` and `token_offsets`.

doccano, Label Studio (JSON and JSON_MIN), spaCy, Prodigy and HAREM's JSON are told by their keys, row by row,
for a tool may leave a key out where a text has no entity.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from autotune.config.schema import DatasetConfig
from autotune.data.formats.answers import REFUSED, annotation_of, text_entry
from autotune.errors import DataError

RawRow = Mapping[str, Any]

TEXTS = ("text", "doc_text", "data")
"""What tools call the text; the first that a row has counts."""
ENTITIES = ("spans", "entities", "ents", "label", "labels", "annotations")
"""What tools call the entities of a text."""
STARTS, ENDS, LABELS = (
    ("start", "start_offset"),
    ("end", "end_offset"),
    ("label", "labels", "hypertextlabels"),
)
MARKS = ("_task_hash", "answer", "annotation_id")
"""Keys that Prodigy and Label Studio (JSON_MIN) write into every row, also into those without an entity."""
UTF16 = "entities had offsets in UTF-16 units, which were turned into characters"
PEEKED = 100
"""So many rows are looked at to tell whether a file is such an export."""
SPACES = re.compile(r"\s|\\n")
"""Tools write line breaks inside the text of an entity as they like."""


def is_export(row: RawRow, text: str | None = None) -> bool:
    """Whether a row is a text with entities by character offsets, as a tool writes it.

    Args:
        row: with the tool's own keys.
        text: the column of the text, where the config names it.
    """
    if isinstance(row.get("data"), Mapping):
        return "annotations" in row or "completions" in row
    if not any(isinstance(row.get(name), str) for name in (text, *TEXTS) if name is not None):
        return False
    marked = any(name in row for name in MARKS) or _offsets(row.get("tokens")) is not None
    return marked or _cell(row) is not None


def with_spans(
    raw: Iterable[RawRow],
    config: DatasetConfig,
    where: str,
    notes: list[str],
    *,
    predicting: bool,
    sure: bool,
) -> Iterator[RawRow]:
    """Rows of an export with `text`, `spans` ({start, end, label}) and `token_offsets`; other rows as they are.

    Args:
        raw: rows with the tool's own keys.
        config: the section `dataset`.
        where: file, for messages.
        notes: takes what was left out.
        predicting: every row is kept.
        sure: the config says that these are spans; else the first rows must look like it.

    Raises:
        DataError: an entity has several labels, or its text is not what stands at its offsets.
    """
    rows = iter(raw)
    first = list(islice(rows, PEEKED))
    own = {role: getattr(config.columns, role) or role for role in ("tokens", "tags")}
    tagged = bool(first) and all(name in first[0] for name in own.values())
    if not sure and (tagged or not any(is_export(row, config.columns.text) for row in first)):
        yield from chain(first, rows)
        return
    reader = _Reader(config, predicting)
    for number, row in enumerate(chain(first, rows)):
        made = reader.row(row, f"{where}, row {number}")
        if made is not None:
            yield made
    notes += [f"{where}: {what}: {count}" for what, count in reader.counts.items() if count]


class _Reader:
    """Brings rows of any tool into one form and counts what it leaves out."""

    def __init__(self, config: DatasetConfig, predicting: bool) -> None:
        self.config, self.predicting = config, predicting
        self.counts: Counter[str] = Counter()

    def row(self, row: RawRow, at: str) -> dict[str, Any] | None:
        """The row in our form; None when it is dropped."""
        if isinstance(row.get("data"), Mapping):
            flat = self._label_studio(row, at)
            if flat is None:
                return None
            row = flat
        if row.get("answer") in REFUSED and not self.predicting:
            self.counts["rows that the annotator rejected or ignored were left out"] += 1
            return None
        columns = self.config.columns
        text_name = (
            columns.text
            if columns.text and columns.text in row
            else next((name for name in TEXTS if name in row), None)
        )
        cell = row[columns.spans] if columns.spans and columns.spans in row else _cell(row)
        if cell is None:
            # What is no entity is refused by name later; a row that a tool marks and that has no list has none.
            lists = (row[name] for name in ENTITIES if isinstance(row.get(name), list))
            cell = next(lists, [] if any(name in row for name in MARKS) else None)
        made = dict(row)
        if columns.id is None and "id" not in row and "doc_id" in row:
            made["id"] = row["doc_id"]
        text = row.get(text_name) if text_name is not None else None
        if text_name is not None:
            made[columns.text or "text"] = text
        before = self.counts[UTF16]
        if cell is not None:
            body = text if isinstance(text, str) else ""
            made[columns.spans or "spans"] = [self._span(one, body, at) for one in cell]
        offsets = _offsets(row.get("tokens"))
        if offsets is not None:
            del made["tokens"]
            if self.counts[UTF16] == before:
                made["token_offsets"] = offsets
        return made

    def _label_studio(self, row: RawRow, at: str) -> dict[str, Any] | None:
        """A task of Label Studio's full export: what stands in its data, and its first annotation."""
        data = dict(row["data"])
        kept, annotation = annotation_of(row, self.counts, predicting=self.predicting)
        if not kept:
            return None
        name = text_entry(data, (self.config.columns.text, "text"), "text", at)
        made = {**data, "id": row.get("id", data.get("id")), "text": data[name]}
        if made["id"] is None:
            del made["id"]
        made["spans"] = None if annotation is None else self._regions(annotation.get("result") or [], at)
        return made

    def _regions(self, results: Sequence[RawRow], at: str) -> list[RawRow]:
        """The entities among the results of an annotation."""
        regions = []
        for result in results:
            value = result.get("value") or {}
            if "startOffset" in value:
                raise DataError(
                    "the annotation is of HTML, whose entities have no character offsets",
                    where=at,
                    found=str(value)[:120],
                    fix="annotate with Label Studio's <Text>, not <HyperText>",
                )
            if "start" not in value or "end" not in value:
                self.counts["results that are no entities (relations, choices) were left out"] += 1
            elif not any(value.get(name) for name in LABELS):
                self.counts["entities without a label were left out"] += 1
            else:
                regions.append(value)
        return regions

    def _span(self, entity: Any, text: str, at: str) -> Any:
        """{start, end, label} of an entity; what is none stays as it is and is refused later, with its row."""
        if not isinstance(entity, Mapping):
            return entity
        start, end = _first(entity, STARTS), _first(entity, ENDS)
        label = _first(entity, LABELS)
        if isinstance(label, list):
            if len(label) != 1:
                raise DataError(
                    "an entity has several labels; a word can have one tag only",
                    where=at,
                    found=str(dict(entity))[:120],
                    fix="keep one of them",
                )
            label = label[0]
        if not isinstance(start, int) or not isinstance(end, int) or label is None:
            return entity
        said = entity.get("text")
        if isinstance(said, str) and text and not _alike(text[start:end], said):
            start, end = self._from_utf16(text, start, end, said, at)
        return {"start": start, "end": end, "label": label}

    def _from_utf16(self, text: str, start: int, end: int, said: str, at: str) -> tuple[int, int]:
        """Offsets in characters of those that count as JavaScript does, where an emoji is two."""
        units = text.encode("utf-16-le", "surrogatepass")

        def before(offset: int) -> str:
            return units[: 2 * offset].decode("utf-16-le", "replace")

        moved = len(before(start)), len(before(end))
        if not _alike(text[slice(*moved)], said):
            raise DataError(
                "the text of an entity is not what stands at its offsets",
                where=at,
                found=f"{said[:60]!r}, and at {start}..{end} {text[start:end][:60]!r}",
                fix="offsets count characters from 0, the end is exclusive; was the text changed after annotation?",
            )
        self.counts[UTF16] += 1
        return moved


def _cell(row: RawRow) -> Sequence[Any] | None:
    """The entities of a row, by whatever name, or None where it has no such list."""
    for name in ENTITIES:
        value = row.get(name)
        if isinstance(value, list) and all(map(_is_entity, value)):
            return value
    for value in row.values():
        # Label Studio's JSON_MIN calls them as the labelling configuration does.
        if isinstance(value, list) and value and all(_is_entity(one) and "labels" in one for one in value):
            return value
    return None


def _is_entity(value: Any) -> bool:
    if isinstance(value, Mapping):
        named = any(name in value for name in LABELS)
        return named and _first(value, STARTS) is not None and _first(value, ENDS) is not None
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(offset, int) for offset in value[:2])
        and isinstance(value[2], str)
    )


def _offsets(tokens: Any) -> list[list[int]] | None:
    """[start, end] of tokens that carry them, or None."""
    if not isinstance(tokens, list) or not tokens:
        return None
    if not all(
        isinstance(token, Mapping)
        and isinstance(token.get("start"), int)
        and isinstance(token.get("end"), int)
        for token in tokens
    ):
        return None
    return [[int(token["start"]), int(token["end"])] for token in tokens]


def _first(value: RawRow, names: Sequence[str]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _alike(one: str, other: str) -> bool:
    return SPACES.sub("", one) == SPACES.sub("", other)
