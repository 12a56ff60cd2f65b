"""The rows that are learned from: real Portuguese texts where they are at hand, else made-up words of the same lengths.

`python -m benchmarks.rows FOLDER` measures the lengths of the real texts anew and writes lengths.json, which
holds only how many rows have which length.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autotune.config.schema import DatasetConfig, SplitsConfig
from autotune.tasks.base import padded_lengths
from benchmarks.shapes import word

LENGTHS = Path(__file__).with_name("lengths.json")
BUCKET = {"sentiment": (4,), "ner": (4,), "summarization": (32, 8)}
"""Width of the buckets of lengths.json, in tokens: of the text, or of the document and its summary."""
MADE_UP = {"sentiment": (3000, 500), "ner": (3000, 500), "summarization": (130, 28)}
"""Rows of train and test where there are no real ones."""
HELD_OUT = ("Covilha",)
"""Municipalities whose minutes are the test split of citilink: rows of one meeting resemble each other."""
MUNICIPAL = "citilink/citilink_summ_sample.jsonl"


def real_data() -> Path | None:
    """Folder of the real data sets, as the tests find it."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("AUTOTUNE_TEST_DATA", beside))
    return folder if folder.is_dir() else None


def dataset(task: str, folder: Path, data: Path | None) -> DatasetConfig:
    """Where the rows of a task are; made-up ones are written into `folder` first."""
    if data is None:
        train, test = _make_up(task, folder)
    elif task == "sentiment":
        train, test = data / "repro" / "repro_train.csv", data / "repro" / "repro_test.csv"
    elif task == "ner":
        train, test = data / "lener_br" / "train.conll", data / "lener_br" / "test.conll"
    else:
        train, test = _by_municipality(folder, data)
    return DatasetConfig(
        path=str(train),
        splits=SplitsConfig(train=str(train), validation=None, test=str(test)),
        validation_fraction=0.0,
    )


def _by_municipality(folder: Path, data: Path) -> tuple[Path, Path]:
    rows = [json.loads(line) for line in (data / MUNICIPAL).read_text("utf-8").splitlines()]
    files = folder / "minutes-train.jsonl", folder / "minutes-test.jsonl"
    for file, held_out in zip(files, (False, True), strict=True):
        chosen = [row for row in rows if (row["municipality"] in HELD_OUT) is held_out]
        _write(file, ({"document": row["text"], "summary": row["summary"]} for row in chosen))
    return files


def _make_up(task: str, folder: Path) -> tuple[Path, Path]:
    """Rows whose lengths are drawn from lengths.json; what is asked about them can be learned."""
    buckets = json.loads(LENGTHS.read_text("utf-8"))[task]
    lengths = np.asarray([bucket["tokens"] for bucket in buckets])
    share = np.asarray([bucket["rows"] for bucket in buckets], dtype=np.float64)
    generator = np.random.default_rng(7)
    files = folder / f"{task}-train.jsonl", folder / f"{task}-test.jsonl"
    for file, count in zip(files, MADE_UP[task], strict=True):
        drawn = lengths[generator.choice(len(lengths), size=count, p=share / share.sum())]
        _write(file, (_row(task, sizes, generator) for sizes in drawn))
    return files


def _row(task: str, sizes: Any, generator: np.random.Generator) -> dict[str, Any]:
    # Frequent words are frequent: numbers of words follow Zipf's law.
    words = [word(int(number) % 29000) for number in generator.zipf(1.3, size=max(1, int(sizes[0])))]
    if task == "sentiment":
        liked = bool(generator.random() < 0.5)
        return {"text": " ".join([word(100 + liked), *words[1:]]), "label": "bom" if liked else "mau"}
    if task == "ner":
        return {"tokens": words, "tags": ["B-COISA" if one in (word(3), word(5)) else "O" for one in words]}
    return {"document": " ".join(words), "summary": " ".join(words[: max(1, int(sizes[1]))])}


def _write(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _measure(folder: Path) -> None:
    """Writes lengths.json from real texts: how many rows fall into each bucket, and its middle."""
    from benchmarks.setting import open_cell  # opens what this module describes

    measured = {}
    for task, widths in BUCKET.items():
        shape = "t5" if task == "summarization" else "minilm"
        prepared = open_cell(task, shape, folder, real_data()).prepared
        lengths = padded_lengths(prepared.features["train"])
        counts = Counter(
            tuple(int(n) // width for n, width in zip(row, widths, strict=True)) for row in lengths
        )
        measured[task] = [
            {
                "tokens": [index * width + width // 2 for index, width in zip(key, widths, strict=True)],
                "rows": count,
            }
            for key, count in sorted(counts.items())
        ]
    lines = [
        f'  "{task}": [\n' + ",\n".join(f"    {json.dumps(bucket)}" for bucket in buckets) + "\n  ]"
        for task, buckets in measured.items()
    ]
    LENGTHS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
