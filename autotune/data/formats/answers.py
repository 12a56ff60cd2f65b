"""Classes, ratings and texts that annotators gave, as Label Studio and Prodigy export them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autotune.config.columns import Column
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError, format_text_override, listing

RawRow = Mapping[str, Any]

VALUES = ("choices", "rating", "text", "number")
"""Where a result of Label Studio holds what was answered, by the kind of its control."""
REFUSED = ("reject", "ignore")
"""What Prodigy's `answer` holds where the annotator did not accept."""


def is_answered(row: RawRow) -> bool:
    """Whether a row is a task of Label Studio, or one of Prodigy's with what the annotator did with it."""
    task = isinstance(row.get("data"), Mapping) and ("annotations" in row or "completions" in row)
    return task or ("answer" in row and ("_task_hash" in row or "accept" in row))


def annotation_of(row: RawRow, counts: Counter[str], *, predicting: bool) -> tuple[bool, RawRow | None]:
    """Whether a task of Label Studio is kept, and its first annotation, where it has one.

    Args:
        row: a task of the full export.
        counts: takes what was left out.
        predicting: every row is kept.
    """
    given = row.get("annotations", row.get("completions")) or []
    kept = [one for one in given if not one.get("was_cancelled") and not one.get("skipped")]
    if given and not kept and not predicting:
        counts["tasks that the annotator skipped were left out"] += 1
        return False, None
    if len(kept) > 1:
        counts["tasks have several annotations, of which the first was read"] += 1
    return True, kept[0] if kept else None


def text_entry(data: RawRow, names: Sequence[str | None], role: str, at: str) -> str:
    """Which entry of a task's data is the text that was annotated.

    Args:
        data: of the task.
        names: that it may have, the first that is a text counts; else there is one text alone.
        role: of the column, for messages.
        at: place, for messages.

    Raises:
        DataError: there are several texts, or none.
    """
    texts = [name for name, value in data.items() if isinstance(value, str)]
    named = [str(name) for name in names if name in texts]
    if named or len(texts) == 1:
        return (named or texts)[0]
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
    """Rows with the input and what was answered under the names of their columns.

    Args:
        rows: as the tool wrote them.
        columns: of the task: one input and one target.
        config: the section `dataset`; the column of the target may be the name of a control.
        where: file, for messages.
        notes: takes what was left out.
        predicting: every row is kept.

    Raises:
        DataError: it is not clear which text or which answer is meant.
    """
    reader = _Reader(columns, config, predicting)
    for number, row in enumerate(rows):
        made = reader.row(row, f"{where}, row {number}")
        if made is not None:
            yield made
    notes += [f"{where}: {what}: {count}" for what, count in reader.counts.items()]


class _Reader:
    """Reads rows and counts what it leaves out."""

    def __init__(self, columns: Sequence[Column], config: DatasetConfig, predicting: bool) -> None:
        self.source, self.target = (
            next((column.role for column in columns if column.target is target), "")
            for target in (False, True)
        )
        self.names = {role: getattr(config.columns, role, None) for role in (self.source, self.target)}
        self.predicting = predicting
        self.counts: Counter[str] = Counter()

    def row(self, row: RawRow, at: str) -> dict[str, Any] | None:
        """The row in our columns; None where it is left out."""
        if not isinstance(row.get("data"), Mapping):
            if row.get("answer") in REFUSED and not self.predicting:
                self.counts["rows that the annotator rejected or ignored were left out"] += 1
                return None
            chosen = {self.names[self.target] or self.target: row["accept"]} if "accept" in row else {}
            return {**row, **chosen}
        data = dict(row["data"])
        kept, annotation = annotation_of(row, self.counts, predicting=self.predicting)
        if not kept:
            return None
        made = {**data, **({"id": row["id"]} if "id" in row else {})}
        names = (self.names[self.source], self.source, "text")
        made[self.names[self.source] or self.source] = data[text_entry(data, names, self.source, at)]
        if annotation is not None:
            made[self.names[self.target] or self.target] = self._answer(annotation.get("result") or [], at)
        return made

    def _answer(self, results: Sequence[RawRow], at: str) -> Any:
        """What was answered: a list of choices, a rating, a text; None where nothing was."""
        answers: dict[str, Any] = {}
        for result in results:
            value = result.get("value") or {}
            found = next((value[name] for name in VALUES if name in value and "start" not in value), None)
            if found is None:
                self.counts["results without an answer (entities, relations) were left out"] += 1
            else:
                answers[str(result.get("from_name", self.target))] = found
        wanted = self.names[self.target]
        if wanted in answers or len(answers) < 2:
            return answers.get(str(wanted)) if wanted in answers else next(iter(answers.values()), None)
        raise DataError(
            "the annotators answered several questions, and it is not clear which answer is meant",
            where=at,
            found=listing(answers),
            fix=format_text_override(f"dataset.columns.{self.target}", next(iter(answers))),
        )
