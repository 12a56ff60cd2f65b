"""Classes, ratings and texts that annotators gave, as Label Studio and Prodigy export them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autotune.config.columns import Column
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError, format_text_override, listing

RawRow = Mapping[str, Any]

VALUE_KEYS = ("choices", "rating", "text", "number")
"""Keys under which a result of Label Studio holds the answer, depending on its control."""
REJECTED = ("reject", "ignore")
"""Values of Prodigy's `answer` for rows that the annotator did not accept."""


def is_answered(row: RawRow) -> bool:
    """Returns whether a row is a task of Label Studio, or one of Prodigy with the annotator's decision."""
    is_task = isinstance(row.get("data"), Mapping) and ("annotations" in row or "completions" in row)
    return is_task or ("answer" in row and ("_task_hash" in row or "accept" in row))


def first_annotation(row: RawRow, counts: Counter[str], *, predicting: bool) -> tuple[bool, RawRow | None]:
    """Returns whether to keep a task of Label Studio, and its first annotation, if it has one.

    Args:
        row: task of the full export.
        counts: receives what was left out.
        predicting: whether to keep every row.
    """
    annotations = row.get("annotations", row.get("completions")) or []
    kept = [
        annotation
        for annotation in annotations
        if not annotation.get("was_cancelled") and not annotation.get("skipped")
    ]
    if annotations and not kept and not predicting:
        counts["tasks that the annotator skipped were left out"] += 1
        return False, None
    if len(kept) > 1:
        counts["tasks have several annotations; only the first was read"] += 1
    return True, kept[0] if kept else None


def text_key(data: RawRow, names: Sequence[str | None], role: str, at: str) -> str:
    """Returns the key of the annotated text in a task's data.

    Args:
        data: data of the task.
        names: preferred keys, the first that holds a text is used; without one, the only text is used.
        role: role of the column, for messages.
        at: position, for messages.

    Raises:
        DataError: there are several texts, or none.
    """
    texts = [name for name, value in data.items() if isinstance(value, str)]
    preferred = [str(name) for name in names if name in texts]
    if preferred or len(texts) == 1:
        return (preferred or texts)[0]
    raise DataError(
        "it is not clear which entry of the task's data is the text",
        where=at,
        found=listing(data) or "no entry",
        fix=format_text_override(f"dataset.columns.{role}", texts[0] if texts else "NAME"),
    )


def with_answers(
    rows: Iterable[RawRow],
    columns: Sequence[Column],
    config: DatasetConfig,
    where: str,
    notes: list[str],
    *,
    predicting: bool,
) -> Iterator[RawRow]:
    """Yields rows with the input and the answer under the names of their columns.

    Args:
        rows: rows as the tool wrote them.
        columns: columns of the task: one input and one target.
        config: the section `dataset`; the column of the target may be the name of a control.
        where: file, for messages.
        notes: receives what was left out.
        predicting: whether to keep every row.

    Raises:
        DataError: it is not clear which text or which answer is meant.
    """
    reader = _Reader(columns, config, predicting)
    for number, row in enumerate(rows):
        output = reader.row(row, f"{where}, row {number}")
        if output is not None:
            yield output
    notes += [f"{where}: {what}: {count}" for what, count in reader.counts.items()]


class _Reader:
    """Converts rows and counts what it leaves out."""

    def __init__(self, columns: Sequence[Column], config: DatasetConfig, predicting: bool) -> None:
        self.source, self.target = (
            next((column.role for column in columns if column.target is target), "")
            for target in (False, True)
        )
        self.names = {role: getattr(config.columns, role, None) for role in (self.source, self.target)}
        self.predicting = predicting
        self.counts: Counter[str] = Counter()

    def row(self, row: RawRow, at: str) -> dict[str, Any] | None:
        """Returns the row under the names of the columns; None if it is left out."""
        if not isinstance(row.get("data"), Mapping):
            if row.get("answer") in REJECTED and not self.predicting:
                self.counts["rows that the annotator rejected or ignored were left out"] += 1
                return None
            answer = {self.names[self.target] or self.target: row["accept"]} if "accept" in row else {}
            return {**row, **answer}
        data = dict(row["data"])
        kept, annotation = first_annotation(row, self.counts, predicting=self.predicting)
        if not kept:
            return None
        output = {**data, **({"id": row["id"]} if "id" in row else {})}
        names = (self.names[self.source], self.source, "text")
        output[self.names[self.source] or self.source] = data[text_key(data, names, self.source, at)]
        if annotation is not None:
            output[self.names[self.target] or self.target] = self._answer(annotation.get("result") or [], at)
        return output

    def _answer(self, results: Sequence[RawRow], at: str) -> Any:
        """Returns the answer: a list of choices, a rating or a text; None if there is none.

        Raises:
            DataError: several questions were answered, and the config names none of them.
        """
        answers: dict[str, Any] = {}
        for result in results:
            value = result.get("value") or {}
            answer = next(
                (value[name] for name in VALUE_KEYS if name in value and "start" not in value), None
            )
            if answer is None:
                self.counts["results without an answer (entities, relations) were left out"] += 1
            else:
                answers[str(result.get("from_name", self.target))] = answer
        configured = self.names[self.target]
        if configured in answers or len(answers) < 2:
            return (
                answers.get(str(configured)) if configured in answers else next(iter(answers.values()), None)
            )
        raise DataError(
            "the annotators answered several questions, and it is not clear which answer is meant",
            where=at,
            found=listing(answers),
            fix=format_text_override(f"dataset.columns.{self.target}", next(iter(answers))),
        )
