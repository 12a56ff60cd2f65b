"""Exports of annotation tools: texts with entities, converted to rows with `text`, `spans` and `token_offsets`.

doccano, Label Studio (JSON and JSON_MIN), spaCy, Prodigy and HAREM's JSON are recognized by their keys, row by row,
because a tool may omit a key if a text has no entity.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from autotune.config.schema import DatasetConfig
from autotune.data.formats.answers import REJECTED, first_annotation, text_key
from autotune.errors import DataError

RawRow = Mapping[str, Any]

TEXT_KEYS = ("text", "doc_text", "data")
"""Keys under which tools store the text; the first that a row has is used."""
ENTITY_KEYS = ("spans", "entities", "ents", "label", "labels", "annotations")
"""Keys under which tools store the entities of a text."""
START_KEYS, END_KEYS, LABEL_KEYS = (
    ("start", "start_offset"),
    ("end", "end_offset"),
    ("label", "labels", "hypertextlabels"),
)
MARKER_KEYS = ("_task_hash", "answer", "annotation_id")
"""Keys that Prodigy and Label Studio (JSON_MIN) write into every row, even one without entities."""
UTF16_NOTE = "entities had offsets in UTF-16 units, which were turned into characters"
ROWS_INSPECTED = 100
"""Number of rows inspected to decide whether a file is such an export."""
WHITESPACE = re.compile(r"\s|\\n")
"""Whitespace to ignore when texts of entities are compared: tools write line breaks in different ways."""


def is_export(row: RawRow, text: str | None = None) -> bool:
    """Returns whether a row is a text with entities by character offsets, as a tool writes it.

    Args:
        row: row with the tool's own keys.
        text: name of the text column, if the config sets it.
    """
    if isinstance(row.get("data"), Mapping):
        return "annotations" in row or "completions" in row
    if not any(isinstance(row.get(name), str) for name in (text, *TEXT_KEYS) if name is not None):
        return False
    has_marker = any(name in row for name in MARKER_KEYS) or _token_offsets(row.get("tokens")) is not None
    return has_marker or _entity_list(row) is not None


def has_entities(row: RawRow) -> bool:
    """Returns whether a row, as a tool writes it, is a text with at least one entity by character offsets."""
    if not isinstance(row.get("data"), Mapping):
        return is_export(row) and bool(_entity_list(row))
    annotations = row.get("annotations", row.get("completions")) or []
    values = [result.get("value") or {} for item in annotations for result in item.get("result") or []]
    return any("start" in value and any(value.get(name) for name in LABEL_KEYS) for value in values)


def with_spans(
    raw: Iterable[RawRow],
    config: DatasetConfig,
    where: str,
    notes: list[str],
    *,
    predicting: bool,
    sure: bool,
) -> Iterator[RawRow]:
    """Yields rows of an export with `text`, `spans` ({start, end, label}) and `token_offsets`; other rows unchanged.

    Args:
        raw: rows with the tool's own keys.
        config: the section `dataset`.
        where: file, for messages.
        notes: receives what was left out.
        predicting: whether to keep every row.
        sure: whether the config says that these are spans; else the first rows must look like an export.

    Raises:
        DataError: an entity has several labels, or its text differs from the one at its offsets.
    """
    rows = iter(raw)
    first = list(islice(rows, ROWS_INSPECTED))
    names = {role: getattr(config.columns, role) or role for role in ("tokens", "tags")}
    is_tagged = bool(first) and all(name in first[0] for name in names.values())
    if not sure and (is_tagged or not any(is_export(row, config.columns.text) for row in first)):
        yield from chain(first, rows)
        return
    reader = _Reader(config, predicting)
    for number, row in enumerate(chain(first, rows)):
        output = reader.row(row, f"{where}, row {number}")
        if output is not None:
            yield output
    notes += [f"{where}: {what}: {count}" for what, count in reader.counts.items() if count]


class _Reader:
    """Converts rows of any tool to one layout and counts what it leaves out."""

    def __init__(self, config: DatasetConfig, predicting: bool) -> None:
        self.config, self.predicting = config, predicting
        self.counts: Counter[str] = Counter()

    def row(self, row: RawRow, at: str) -> dict[str, Any] | None:
        """Returns the converted row; None if it is dropped."""
        if isinstance(row.get("data"), Mapping):
            flat = self._label_studio(row, at)
            if flat is None:
                return None
            row = flat
        if row.get("answer") in REJECTED and not self.predicting:
            self.counts["rows that the annotator rejected or ignored were left out"] += 1
            return None
        columns = self.config.columns
        text_name = (
            columns.text
            if columns.text and columns.text in row
            else next((name for name in TEXT_KEYS if name in row), None)
        )
        entities = row[columns.spans] if columns.spans and columns.spans in row else _entity_list(row)
        if entities is None:
            # Invalid entities are refused later, with their row; a row that a tool marks but without a list has no entities.
            lists = (row[name] for name in ENTITY_KEYS if isinstance(row.get(name), list))
            entities = next(lists, [] if any(name in row for name in MARKER_KEYS) else None)
        output = dict(row)
        if columns.id is None and "id" not in row and "doc_id" in row:
            output["id"] = row["doc_id"]
        text = row.get(text_name) if text_name is not None else None
        if text_name is not None:
            output[columns.text or "text"] = text
        converted_before = self.counts[UTF16_NOTE]
        if entities is not None:
            content = text if isinstance(text, str) else ""
            output[columns.spans or "spans"] = [self._span(entity, content, at) for entity in entities]
        offsets = _token_offsets(row.get("tokens"))
        if offsets is not None:
            del output["tokens"]
            # Where entities were in UTF-16 units, so are the tokens: their offsets would be wrong.
            if self.counts[UTF16_NOTE] == converted_before:
                output["token_offsets"] = offsets
        return output

    def _label_studio(self, row: RawRow, at: str) -> dict[str, Any] | None:
        """Returns a task of Label Studio's full export as a row: its data, and the entities of its first annotation.

        None if it is dropped.
        """
        data = dict(row["data"])
        kept, annotation = first_annotation(row, self.counts, predicting=self.predicting)
        if not kept:
            return None
        key = text_key(data, (self.config.columns.text, "text"), "text", at)
        output = {**data, "id": row.get("id", data.get("id")), "text": data[key]}
        if output["id"] is None:
            del output["id"]
        output["spans"] = (
            None if annotation is None else self._text_regions(annotation.get("result") or [], at)
        )
        return output

    def _text_regions(self, results: Sequence[RawRow], at: str) -> list[RawRow]:
        """Returns the entities among the results of an annotation.

        Raises:
            DataError: the annotation is of HTML.
        """
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
                self.counts["results that are not entities (relations, choices) were left out"] += 1
            elif not any(value.get(name) for name in LABEL_KEYS):
                self.counts["entities without a label were left out"] += 1
            else:
                regions.append(value)
        return regions

    def _span(self, entity: Any, text: str, at: str) -> Any:
        """Returns {start, end, label} of an entity; an invalid one is returned unchanged and refused later, with its row.

        Raises:
            DataError: the entity has several labels, or its text differs from the one at its offsets.
        """
        if not isinstance(entity, Mapping):
            return entity
        start, end = _first_value(entity, START_KEYS), _first_value(entity, END_KEYS)
        label = _first_value(entity, LABEL_KEYS)
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
        covered = entity.get("text")
        if isinstance(covered, str) and text and not _same_text(text[start:end], covered):
            start, end = self._offsets_from_utf16(text, start, end, covered, at)
        return {"start": start, "end": end, "label": label}

    def _offsets_from_utf16(self, text: str, start: int, end: int, covered: str, at: str) -> tuple[int, int]:
        """Converts offsets in UTF-16 units, as JavaScript counts (an emoji is two), to offsets in characters.

        Raises:
            DataError: the text at these offsets is not that of the entity, either.
        """
        units = text.encode("utf-16-le", "surrogatepass")

        def before(offset: int) -> str:
            return units[: 2 * offset].decode("utf-16-le", "replace")

        offsets = len(before(start)), len(before(end))
        if not _same_text(text[slice(*offsets)], covered):
            raise DataError(
                "the text of an entity is not the text at its offsets",
                where=at,
                found=f"{covered[:60]!r}, and at {start}..{end} {text[start:end][:60]!r}",
                fix="offsets count characters from 0, the end is exclusive; was the text changed after annotation?",
            )
        self.counts[UTF16_NOTE] += 1
        return offsets


def _entity_list(row: RawRow) -> Sequence[Any] | None:
    """Returns the list of entities of a row, under any key; None if it has none."""
    for name in ENTITY_KEYS:
        value = row.get(name)
        if isinstance(value, list) and all(map(_is_entity, value)):
            return value
    for value in row.values():
        # Label Studio's JSON_MIN uses the name of the control in the labelling configuration as the key.
        if (
            isinstance(value, list)
            and value
            and all(_is_entity(entity) and "labels" in entity for entity in value)
        ):
            return value
    return None


def _is_entity(value: Any) -> bool:
    if isinstance(value, Mapping):
        is_labelled = any(name in value for name in LABEL_KEYS)
        return (
            is_labelled
            and _first_value(value, START_KEYS) is not None
            and _first_value(value, END_KEYS) is not None
        )
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(offset, int) for offset in value[:2])
        and isinstance(value[2], str)
    )


def _token_offsets(tokens: Any) -> list[list[int]] | None:
    """Returns [start, end] of each token; None if one has no offsets."""
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


def _first_value(value: RawRow, names: Sequence[str]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _same_text(left: str, right: str) -> bool:
    return WHITESPACE.sub("", left) == WHITESPACE.sub("", right)
