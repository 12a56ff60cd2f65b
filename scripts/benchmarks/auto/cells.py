"""The cells of the benchmark: data sets, and how few of their rows the tools may learn from."""

import csv
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Rows = tuple[list[Row], list[Row]]
"""Rows of train and of test."""
SAMPLES = Path(__file__).resolve().parents[3] / "autotune" / "assets" / "samples"
CLASSES, ENTITIES, SUMMARIES = "sentiment", "ner", "summarization"
PER_CLASS, DIRTY, FULL = "/class", "dirty ", "full"
MOST_TEST_ROWS = 1500
"""Rows of a fixed test that are scored, drawn once."""
MOST_OTHER_ROWS = 3000
"""Rows that are scored where all that were not drawn could be."""


@dataclass(frozen=True)
class Source:
    """A data set."""

    name: str
    task: str
    read: Callable[[Path, int], Rows]
    """Reads it from the folder of all data sets; the number is that of the draw."""
    regimes: tuple[str, ...]
    other_documents: bool = False
    """Whether test has sentences of other documents, or documents of another town."""


@dataclass(frozen=True)
class Cell:
    """A data set in a regime."""

    source: Source
    regime: str
    """8/class: 8 rows of each class; 100: 100 rows drawn at random; full: all rows; dirty 1000: 1000 in a spreadsheet's file."""

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.source.name} {self.regime}"

    @property
    def alike(self) -> bool:
        """Whether test is drawn as train is, so that a score on rows of train should hold there; not from balanced classes."""
        return not self.regime.endswith(PER_CLASS) and not self.source.other_documents

    @property
    def drawn_at_random(self) -> bool:
        """Whether rows of classes are drawn from train and test together, and all others judge, so that both are alike."""
        return self.source.task == CLASSES and self.regime.removeprefix(DIRTY).isdigit()


@dataclass(frozen=True)
class Drawn:
    """The files of a cell and a draw."""

    task: str
    train: Path
    test: Path
    form: tuple[str, ...]
    """Overrides that an ordinary run needs to read them."""
    columns: tuple[str, ...]
    """Overrides that name their columns."""
    rows: Rows


def _labeled(path: Path, text: str, label: str, names: dict[str, str]) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{"text": row[text], "label": names[row[label]]} for row in csv.DictReader(file)]


def _csv(train: str, test: str, text: str, label: str, names: dict[str, str]) -> Callable[[Path, int], Rows]:
    return lambda data, _: (
        _labeled(data / train, text, label, names),
        _labeled(data / test, text, label, names),
    )


@cache
def _sentences(path: Path) -> list[Row]:
    rows = []
    for block in re.split(r"\n\s*\n", path.read_text("utf-8").strip()):
        pairs = [line.split() for line in block.splitlines()]
        rows.append({"tokens": [pair[0] for pair in pairs], "tags": [pair[-1] for pair in pairs]})
    return rows


def _lener(data: Path, _: int) -> Rows:
    return _sentences(data / "lener_br" / "train.conll"), _sentences(data / "lener_br" / "test.conll")


def _harem(data: Path, _: int) -> Rows:
    folder = data / "harem"
    train, test = (json.loads((folder / name).read_text("utf-8"))
                   for name in ("FirstHAREM-selective-train.json", "MiniHAREM-selective.json"))  # fmt: skip
    return train, test


def _citilink(data: Path, draw: int) -> Rows:
    rows = [
        json.loads(line)
        for line in (data / "citilink" / "citilink_summ_sample.jsonl").read_text("utf-8").splitlines()
    ]
    towns = sorted({row["municipality"] for row in rows})
    held_out = towns[draw % len(towns)]
    keys = ("text", "summary", "municipality")
    plain = [{key: row[key] for key in keys} for row in rows]
    return ([row for row in plain if row["municipality"] != held_out],
            [row for row in plain if row["municipality"] == held_out])  # fmt: skip


def _sample(task: str) -> Callable[[Path, int], Rows]:
    def read(_: Path, __: int) -> Rows:
        train, test = ([{key: value for key, value in json.loads(line).items() if key != "id"}
                        for line in (SAMPLES / task / f"{split}.jsonl").read_text("utf-8").splitlines()]
                       for split in ("train", "test"))  # fmt: skip
        return train, test

    return read


OPINIONS = {"-1": "negativo", "1": "positivo"}
TWEETS = {"0": "não tóxico", "1": "tóxico"}
FEW = ("8/class", "32/class", "128/class", "100", "1000")
SOURCES = (
    Source("RePro", CLASSES, _csv("repro/repro_train.csv", "repro/repro_test.csv", "text", "label", OPINIONS),
           (*FEW, FULL, "dirty 1000")),
    Source("ReLi", CLASSES, _csv("reli/reli_train.csv", "reli/reli_test.csv", "text", "label", OPINIONS), (*FEW, FULL)),
    Source("ToLD-Br", CLASSES, _csv("told_br/ptbr_train_1annotator.csv", "told_br/ptbr_test_1annotator.csv", "text",
                                    "toxic", TWEETS), (*FEW, FULL)),
    Source("LeNER-Br", ENTITIES, _lener, ("10", "50", "200", FULL), other_documents=True),
    Source("HAREM", ENTITIES, _harem, ("10", "50", FULL)),
    Source("CitiLink", SUMMARIES, _citilink, (FULL,), other_documents=True),
)  # fmt: skip
SAMPLE_SOURCES = tuple(
    Source(f"sample {task}", task, _sample(task), ("25",)) for task in (CLASSES, ENTITIES, SUMMARIES)
)
"""The embedded samples, for the rehearsal."""


def cells(sources: Sequence[Source], words: Sequence[str]) -> list[Cell]:
    """Returns the cells that have words beginning with all parts of one of the words (`repro-8`, `ner`); all without words."""
    every = [Cell(source, regime) for source in sources for regime in source.regimes]
    return [
        cell for cell in every if not words or any(_matches(cell, word.lower().split("-")) for word in words)
    ]


def _matches(cell: Cell, parts: Sequence[str]) -> bool:
    named = f" {cell.name} {cell.source.task}".lower()
    return all(f" {part}" in named for part in parts)


def draw_rows(cell: Cell, draw: int, data: Path, most_test: int = MOST_TEST_ROWS) -> Rows:
    """Returns the rows that the tools learn from and those that judge; the same for all tools.

    Rows of train whose text is in test are left out. The rows of test do not depend on the draw, except where rows
    are drawn at random: a fixed test may be easier than the rest, and then all draws have the same error.
    """
    train, test = cell.source.read(data, draw)
    generator = np.random.default_rng([draw, zlib.crc32(cell.name.encode())])
    if cell.drawn_at_random:
        rows = list({_content(row): row for row in [*train, *test]}.values())
        count = int(cell.regime.removeprefix(DIRTY))
        order = generator.permutation(len(rows)).tolist()
        return [rows[index] for index in order[:count]], [
            rows[index] for index in order[count:][:MOST_OTHER_ROWS]
        ]
    judging = set(map(_content, test))
    train = [row for row in train if _content(row) not in judging]
    chosen_test = np.random.default_rng(0).permutation(len(test))[:most_test]
    order = generator.permutation(len(train)).tolist()
    if cell.regime.endswith(PER_CLASS):
        most, taken = int(cell.regime.removesuffix(PER_CLASS)), dict[str, int]()
        chosen = []
        for index in order:
            label = train[index]["label"]
            taken[label] = taken.get(label, 0) + 1
            if taken[label] <= most:
                chosen.append(index)
    elif cell.regime == FULL:
        chosen = sorted(order)
    else:
        chosen = order[: int(cell.regime.removeprefix(DIRTY))]
    return [train[index] for index in chosen], [test[index] for index in sorted(chosen_test.tolist())]


def write(cell: Cell, rows: Rows, folder: Path) -> Drawn:
    """Writes the rows of a draw as a user would have them."""
    folder.mkdir(parents=True, exist_ok=True)
    task, columns = cell.source.task, dict[str, str]()
    if cell.regime.startswith(DIRTY):
        files, form = _write_dirty(rows, folder), "csv"
        columns = {"text": "comentario", "label": "opiniao"}
    elif "doc_text" in rows[0][0]:
        files = _write(rows, folder, "json", lambda part: json.dumps(part, ensure_ascii=False))
        form = "spans"
    elif task == ENTITIES:
        files, form = _write(rows, folder, "conll", _conll), "conll"
    elif task == SUMMARIES:
        files = _write(
            rows,
            folder,
            "jsonl",
            lambda part: "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in part),
        )
        form = "jsonl"
        columns = {"document": "text"} if "text" in rows[0][0] else {}
    else:
        files, form = _write_csv(rows, folder), "csv"
    words = tuple(f"dataset.columns.{role}={column}" for role, column in columns.items())
    return Drawn(task, *files, (f"task={task}", f"dataset={form}", f"dataset.path={files[0]}"), words, rows)


def _write(rows: Rows, folder: Path, suffix: str, text: Callable[[list[Row]], str]) -> tuple[Path, Path]:
    paths = folder / f"train.{suffix}", folder / f"test.{suffix}"
    for path, part in zip(paths, rows, strict=True):
        path.write_text(text(part), encoding="utf-8")
    return paths


def _conll(rows: list[Row]) -> str:
    lines = (
        "".join(f"{token} {tag}\n" for token, tag in zip(row["tokens"], row["tags"], strict=True))
        for row in rows
    )
    return "\n".join(lines)


def _write_csv(rows: Rows, folder: Path) -> tuple[Path, Path]:
    paths = folder / "train.csv", folder / "test.csv"
    for path, part in zip(paths, rows, strict=True):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(part)
    return paths


def _write_dirty(rows: Rows, folder: Path) -> tuple[Path, Path]:
    """Writes what a spreadsheet exports: semicolons, Windows characters, ids, dates, titles, stars that resemble the class."""
    generator = np.random.default_rng(1)
    paths = folder / "train.csv", folder / "test.csv"
    number = 1000
    for path, part in zip(paths, rows, strict=True):
        with path.open("w", encoding="cp1252", errors="replace", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(["id", "data", "estrelas", "titulo", "comentario", "opiniao"])
            for row in part:
                number += 1
                stars = int(generator.integers(1, 4)) + 2 * (row["label"] == "positivo")
                day, month = generator.integers(1, 29), generator.integers(1, 13)
                title = " ".join(row["text"].split()[:3])
                writer.writerow(
                    [number, f"{day:02}/{month:02}/2025", stars, title, row["text"], row["label"]]
                )
    return paths


def _content(row: Row) -> str:
    """Returns what makes two rows the same."""
    return str(
        row.get("text") or row.get("doc_text") or row.get("document") or " ".join(row.get("tokens", ()))
    )
