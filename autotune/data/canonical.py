"""Converts raw rows, whatever their column names, to rows with canonical columns."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from autotune.config.columns import Column, Kind
from autotune.config.enums import Normalize
from autotune.config.label_maps import NULL, SURROGATE, normalize_label
from autotune.config.labels import TAG, label_map
from autotune.config.schema import DatasetConfig
from autotune.data.columns import find_columns
from autotune.data.formats.cells import label_of, list_of, read_tags, single
from autotune.data.given import NormalForm, given_words, plain
from autotune.data.labels import Tags
from autotune.data.missing import missing_target
from autotune.data.numbers import read_number
from autotune.data.several import joined_column, names_in, numbers_in, with_joined
from autotune.data.words import Span, offsets_match, words_from_spans
from autotune.errors import DataError, listing, nearest

MAX_EXAMPLES = 5
"""Maximum number of rows listed in a message."""
MAX_LABEL_NAMES = 200
"""Maximum number of label names that are kept."""
MIN_ENTITIES = 10
"""With fewer entities than this, their borders are not checked for shifted offsets."""
BORDER_INSIDE_WORD = "rows have entities that begin or end inside a word"
NORMAL_FORMS: Mapping[Normalize, NormalForm] = {Normalize.nfc: "NFC", Normalize.nfkc: "NFKC"}


class Converter:
    """Converts the rows of one split and counts the changes it makes.

    Args:
        columns: columns of the task.
        config: the section `dataset`.
        where: file or Hub id, for messages.
        predicting: keep every row, and allow missing targets.
        training: drop rows with an empty text.
        tags: converter of tags, if the task has them.
        given: add `given_<role>`, the original text, and for words `given_starts` and `given_ends`, their offsets in
            `given_text`; null where normalizing has changed nothing.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        config: DatasetConfig,
        where: str,
        *,
        predicting: bool,
        training: bool,
        tags: Tags | None,
        given: bool = False,
    ) -> None:
        self.given = given
        self.columns, self.config, self.where = columns, config, where
        self.predicting, self.training, self.tags = predicting, training, tags
        self.map = label_map(config)
        self.joined: Column | None = None
        """Target whose values several columns hold, known after the first row."""
        self.missing_target = partial(
            missing_target,
            columns=columns,
            training=training,
            maps_missing=NULL in self.map,
            separated=config.label_separator is not None,
        )
        self.form = NORMAL_FORMS.get(config.normalize)
        self.counts: Counter[str] = Counter()
        """Number of rows or entities with each change."""
        self.example_rows: dict[str, list[str]] = {}
        """First rows with each change, or without a target, by its role."""
        self.changes: set[str] = set()
        """Changes to the current row."""
        self.names: dict[str, str] = {}
        """Column of each role, known after the first row."""
        self.types: dict[str, str] = {}
        """Type of every column of the first row."""
        self.labels = Counter({str(normalize_label(name)): 0 for name in config.columns.labels or ()})
        """Number of occurrences of each class, before label_map."""
        self.lacks_id_column = False
        self.entities = self.cut_entities = 0
        """Number of entities, and of those that begin or end inside a word."""
        self.cut_examples: list[str] = []

    def convert(self, raw: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields canonical rows, all with the same columns.

        Raises:
            DataError: a column is missing, a label is null, or a cell has an invalid value for its role.
        """
        names = self.names
        needed: list[str] = []
        missing_targets: Counter[str] = Counter()
        for number, row in enumerate(raw):
            if not names:
                names |= find_columns(row, self.columns, self.config, self.where, predicting=self.predicting)
                self.types = {str(name): type(value).__name__ for name, value in row.items()}
                self.joined = joined_column(self.columns, self.config, row)
                self.lacks_id_column = self.config.columns.id is not None and "id" not in names
                needed = self._required_columns(names)
            identifier = row.get(names["id"]) if "id" in names else None
            at = f"row {number}" + (f" (id {identifier})" if identifier is not None else "")
            absent = [name for name in needed if name not in row]
            if absent:
                similar = nearest(absent[0], map(str, row))
                raise DataError(
                    f"the row has no {absent[0]}, which the rows before it have",
                    where=f"{self.where}, {at}",
                    found=f"its columns: {listing(row, 30)}",
                    fix=f"rename {similar} to {absent[0]} there"
                    if similar
                    else "fill it in, or delete the row",
                )
            row = with_joined(row, self.joined, self.config, f"{self.where}, {at}")
            missing_role = None if self.predicting else self.missing_target(row, names)
            if missing_role is not None:
                missing_targets[missing_role] += 1
                examples = self.example_rows.setdefault(missing_role, [])
                examples += [at] * (len(examples) < MAX_EXAMPLES)
                continue
            self.changes.clear()
            converted = self._convert_row(row, names, f"{self.where}, {at}")
            for what in self.changes:
                self.counts[what] += 1
                change_examples = self.example_rows.setdefault(what, [])
                change_examples += [at] * (len(change_examples) < MAX_EXAMPLES)
            if converted is not None:
                group = {"group": str(row.get(names["group"]))} if "group" in names else {}
                row_id = SURROGATE.sub("\ufffd", str(number if identifier is None else identifier))
                yield {"id": row_id, **converted, **group, **self._slices(row)}
        if self.cut_entities > self.entities / 2 and self.entities >= MIN_ENTITIES and not self.predicting:
            raise DataError(
                f"{self.cut_entities} of {self.entities} entities begin or end inside a word, so their offsets are shifted",
                where=f"{self.where}, {listing(self.example_rows[BORDER_INSIDE_WORD])}",
                found=f"such as {listing(self.cut_examples)}",
                fix="offsets count characters (not bytes) from 0, and the end is exclusive: "
                "add 1 to each end if yours are inclusive",
            )
        for role, count in missing_targets.items():
            raise DataError(
                f"{count} rows have no {role}",
                where=f"{self.where}, column {names[role]}: {listing(self.example_rows[role])}"
                + (" …" if count > MAX_EXAMPLES else ""),
                fix="fill it in, or delete these rows",
            )

    def label_names(self) -> dict[str, list[str]]:
        """Returns the keys of label_map that are `used`, and the most frequent `names` in the data before the map."""
        used = self.map.keys() & self.labels.keys()
        occurring = self.labels
        if self.tags is not None:
            used, occurring = used | self.tags.used, occurring + self.tags.seen
        return {"used": sorted(used), "names": [name for name, _ in occurring.most_common(MAX_LABEL_NAMES)]}

    def notes(self, split: str) -> list[str]:
        """Returns sentences that describe the changes."""
        counts = dict(self.counts)
        if self.tags is not None and self.tags.repaired:
            counts["tags continued an entity that had not started and were read as its start"] = (
                self.tags.repaired
            )
        notes = [
            f"{split}: {what}: {count}"
            + (f" ({listing(self.example_rows[what])})" if what in self.example_rows else "")
            for what, count in counts.items()
        ]
        if self.lacks_id_column:
            notes.append(f"{split}: there is no column {self.config.columns.id}, so rows are numbered from 0")
        return notes

    def _slices(self, row: Mapping[str, Any]) -> dict[str, list[str]]:
        names = [] if self.predicting else self.config.columns.slices
        return {"slices": [plain(row.get(name)).strip() for name in names]} if names else {}

    def _required_columns(self, names: Mapping[str, str]) -> list[str]:
        """Returns the columns of texts and words that every row must have; none in prediction, where no row is refused."""
        if self.predicting:
            return []
        texts = {column.role for column in self.columns if column.kind is Kind.text}
        words = {"tokens", "text"} if any(column.kind is Kind.words for column in self.columns) else set()
        return [name for role, name in names.items() if role in texts | words]

    def _convert_row(
        self, row: Mapping[str, Any], names: Mapping[str, str], at: str
    ) -> dict[str, Any] | None:
        """Returns the row with canonical names; None if it is dropped."""
        converted: dict[str, Any] = {}
        for column in self.columns:
            if column.kind is Kind.words:
                converted |= self._read_words(row, names, at)
                if self.given:
                    tokens = list_of(row[names["tokens"]], names["tokens"], at) if "tokens" in names else None
                    converted |= given_words(converted, tokens, row.get(names.get("text", "text")), self.form)
                if not converted["tokens"] and not self.predicting:
                    self.changes.add("rows without a word were dropped")
                    return None
            elif column.kind is Kind.tags:
                converted |= self._read_tags(
                    row, names, converted["tokens"], converted.pop("spans", None), at
                )
            elif column.role not in names:
                continue
            elif column.kind is Kind.number:
                value = single(row.get(names[column.role]), names[column.role], at)
                converted[column.role] = read_number(value, f"{at}, column {names[column.role]}")
            elif column.kind is Kind.numbers:
                converted[column.role] = numbers_in(row.get(names[column.role]), names[column.role], at)
            elif column.kind is Kind.labels:
                converted[column.role] = self._read_labels(
                    row.get(names[column.role]), names[column.role], at
                )
            elif column.kind is Kind.label:
                label = label_of(row.get(names[column.role]), names[column.role], at)
                self.labels[NULL if label is None else label] += 1
                converted[column.role] = self.map.get(NULL if label is None else label, label)
                if converted[column.role] is None and not self.predicting:
                    self.changes.add("rows were dropped because dataset.label_map maps their label to null")
                    return None
            else:
                value = single(row.get(names[column.role]), names[column.role], at)
                converted[column.role] = self._normalize_text(value)
                if self.given:
                    text = plain(value)
                    converted[f"given_{column.role}"] = text if text != converted[column.role] else None
                if self.training and not converted[column.role].strip():
                    self.changes.add(f"rows with an empty {column.role} were dropped")
                    return None
        return converted

    def _read_labels(self, value: Any, name: str, at: str) -> list[str] | None:
        """Returns the distinct names of a row's classes, without those that label_map maps to null."""
        labels = names_in(value, self.config, name, at)
        if labels is None:
            return None
        self.labels.update(labels)
        mapped = (self.map.get(label, label) for label in labels)
        return list(dict.fromkeys(label for label in mapped if label is not None))

    def _normalize_text(self, value: Any) -> str:
        """Returns text in the configured normal form, without characters that UTF-8 cannot encode."""
        text = plain(value)
        if isinstance(value, str) and text != value:
            self.changes.add("rows held halves of characters, which were replaced by U+FFFD")
        if self.form is not None and not unicodedata.is_normalized(self.form, text):
            self.changes.add(f"rows were not in Unicode's normal form {self.form} and were normalised")
            text = unicodedata.normalize(self.form, text)
        return text

    def _read_words(self, row: Mapping[str, Any], names: Mapping[str, str], at: str) -> dict[str, Any]:
        """Returns `tokens`, `text` and `starts`; also `spans`, the tags, if the entities are given by offsets."""
        if "tokens" in names:
            tokens = [
                self._normalize_text(token)
                for token in list_of(row.get(names["tokens"]), names["tokens"], at)
            ]
            placed = self._own_text_and_starts(row, tokens, at)
            if placed is not None:
                return {"tokens": tokens, **placed}
            starts, position = [], 0
            for token in tokens:
                starts.append(position)
                position += len(token) + 1
            return {"tokens": tokens, "text": " ".join(tokens), "starts": starts}
        raw = single(row.get(names["text"]), names["text"], at)
        text = self._normalize_text(raw)
        raw_spans = row.get(names["spans"]) if "spans" in names else None
        all_spans = [self._read_span(span, "" if raw is None else str(raw), at) for span in raw_spans or ()]
        spans = list(dict.fromkeys(all_spans))
        if len(spans) < len(all_spans):
            self.counts["entities were in a row twice and were read once"] += len(all_spans) - len(spans)
        try:
            tokens, starts, tags = words_from_spans(text, spans, self._own_word_offsets(row, raw))
        except DataError as error:
            raise DataError(error.what, where=at, found=error.found, fix=error.fix) from error
        self._count_cut_entities(text, spans)
        return {
            "tokens": tokens,
            "text": text,
            "starts": starts,
            "spans": tags if raw_spans is not None else None,
        }

    def _count_cut_entities(self, text: str, spans: Sequence[Span]) -> None:
        """Counts entities with a border between two letters or digits, a sign of shifted offsets."""
        cut_spans = [
            span
            for span in spans
            if any(text[border - 1 : border + 1].isalnum() for border in span[:2] if 0 < border < len(text))
        ]
        self.entities += len(spans)
        self.cut_entities += len(cut_spans)
        if cut_spans:
            self.changes.add(BORDER_INSIDE_WORD)
            self.cut_examples += [text[span.start : span.end] for span in cut_spans][
                : MAX_EXAMPLES - len(self.cut_examples)
            ]

    def _own_text_and_starts(
        self, row: Mapping[str, Any], tokens: Sequence[str], at: str
    ) -> dict[str, Any] | None:
        """Returns `text` and `starts` of a row that has both, as autotune writes them; None if the words do not match."""
        raw, starts = row.get("text"), row.get("starts")
        if isinstance(starts, str) and starts.startswith("["):
            starts = list_of(starts, "starts", at)
        if not isinstance(raw, str) or not isinstance(starts, list):
            return None
        if not all(isinstance(start, int) for start in starts):
            return None
        moved = [self._normalized_offset(start, raw) for start in starts]
        text = self._normalize_text(raw)
        return {"text": text, "starts": moved} if offsets_match(tokens, text, moved) else None

    def _own_word_offsets(self, row: Mapping[str, Any], raw: Any) -> list[tuple[int, int]] | None:
        """Returns (start, end) of each word in the normalized text, if the row has word offsets; else None."""
        offsets = row.get("token_offsets")
        if not isinstance(offsets, list):
            return None
        if not all(isinstance(pair, list) and list(map(type, pair)) == [int, int] for pair in offsets):
            return None
        return [
            (self._normalized_offset(start, str(raw)), self._normalized_offset(end, str(raw)))
            for start, end in offsets
        ]

    def _normalized_offset(self, offset: int, raw: str) -> int:
        """Returns the offset in the normalized text for an offset in the raw text."""
        if self.form is None or unicodedata.is_normalized(self.form, raw):
            return offset
        return len(unicodedata.normalize(self.form, raw[:offset]))

    def _read_span(self, span: Any, raw: str, at: str) -> Span:
        """Reads a span in any of the usual forms, trims outer blanks and moves its offsets to the normalized text."""
        try:
            if isinstance(span, Mapping):
                start = span["start"] if "start" in span else span["start_offset"]
                end = span["end"] if "end" in span else span["end_offset"]
                label = span["label"]
            else:
                start, end, label = span
            start, end, label = int(start), int(end), normalize_label(label) or NULL
        except (KeyError, TypeError, ValueError, OverflowError) as error:  # int(float("inf")) overflows
            raise DataError(
                "an entity is not {start, end, label} or [start, end, label]", where=at, found=str(span)[:120]
            ) from error
        if label in ("None", NULL, "O") or TAG.fullmatch(label):
            raise DataError(
                "an entity type is missing",
                where=at,
                found=str(span)[:120],
                fix="a name such as PESSOA, without O, B- or I-; delete it if it is not an entity",
            )
        inside = raw[start:end]
        if not 0 <= start < end <= len(raw):
            return Span(start, end, label)
        if inside.strip() and inside != inside.strip():
            self.counts["entities had blanks at their borders, which were trimmed"] += 1
            start += len(inside) - len(inside.lstrip())
            end -= len(inside) - len(inside.rstrip())
        return Span(self._normalized_offset(start, raw), self._normalized_offset(end, raw), label)

    def _read_tags(
        self,
        row: Mapping[str, Any],
        names: Mapping[str, str],
        tokens: Sequence[str],
        from_spans: Sequence[str] | None,
        at: str,
    ) -> dict[str, list[str] | None]:
        """Returns `tags` in IOB2; null if a row to predict has none, an empty dict if the data have no tags."""
        name = names.get("tags") or names.get("spans")
        if name is None:
            return {}
        value = row.get(name) if "tags" in names else from_spans
        if value is None and self.predicting:
            return {"tags": None}
        if value is None:
            raise DataError(
                f"the row has no {name}",
                where=at,
                fix="an empty list where a text has no entity; or delete the row",
            )
        tags = read_tags(value, name, at)
        if len(tags) != len(tokens):
            raise DataError(
                "words and tags differ in number", where=at, found=f"{len(tokens)} words, {len(tags)} tags"
            )
        return {"tags": tags if self.tags is None else self.tags.convert(tags, at)}
