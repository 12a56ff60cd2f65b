"""Mutated inputs, run folders and configurations through the command line, each in one process; only Hydra's part
is done once a door, for it takes longer than everything behind it.

`python -c "from tests.integration.fuzz.corpus import main; main()" KIND FOLDER FIRST LAST` writes a line for each case into
FOLDER/results.jsonl.
"""

import contextlib
import io
import json
import random
import re
import resource
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.integration.fuzz.mutations import WEIRD, mutated

TOO_LONG = 20
"""CPU seconds of a case, after which it hangs."""
ALLOWED = (0, 2, 65)
RESULTS = "results.jsonl"
LABELS = ("bom", "ruim")
ROWS = [{"id": str(n), "text": f"a obra número {n} foi boa", "label": LABELS[n % 2]} for n in range(12)]
SPANS = [
    {"id": n, "text": f"Ana viu São Luís {n}", "spans": [{"start": 0, "end": 3, "label": "PESSOA", "text": "Ana"},
                                                        {"start": 8, "end": 16, "label": "LOCAL"}]}
    for n in range(8)
]  # fmt: skip
DOCCANO = [
    {"id": n, "text": f"Ana viu Belém {n}", "label": [[0, 3, "PESSOA"], [8, 13, "LOCAL"]]} for n in range(8)
]
PRODIGY = [
    {**row, "tokens": [{"text": "Ana", "start": 0, "end": 3, "id": 0}, {"text": "viu", "start": 4, "end": 7, "id": 1}],
     "answer": "accept", "_task_hash": n}
    for n, row in enumerate(SPANS)
]  # fmt: skip
STUDIO = [
    {"id": n, "data": {"text": f"Ana viu Belém {n}"},
     "annotations": [{"result": [{"value": {"start": 0, "end": 3, "text": "Ana", "labels": ["PESSOA"]}}]}]}
    for n in range(8)
]  # fmt: skip
TAGGED = "\n".join(f"Ana B-PESSOA\nviu O\nSão B-LOCAL\nLuís I-LOCAL\n{n} O\n" for n in range(8))


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _sheet() -> bytes:
    """A workbook, with no time in it."""
    from openpyxl import Workbook

    book, sink, timeless = Workbook(), io.BytesIO(), io.BytesIO()
    book.active.append(list(ROWS[0]))
    for row in ROWS:
        book.active.append(list(row.values()))
    book.save(sink)
    with zipfile.ZipFile(sink) as old, zipfile.ZipFile(timeless, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = re.sub(rb"20\d\d-[\d-]+T[\d:]+Z", b"2024-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return timeless.getvalue()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue()


def _arrow(new: str) -> bytes:
    import pyarrow as pa

    table, sink = pa.Table.from_pylist(ROWS), io.BytesIO()
    with getattr(pa.ipc, new)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _table(mark: str) -> bytes:
    return "".join(
        mark.join(cells) + "\n" for cells in ([*ROWS[0]], *(row.values() for row in ROWS))
    ).encode()


DOORS: dict[str, tuple[str, Callable[[], dict[str, bytes]]]] = {
    "r.csv": ("sentiment", lambda: {"r.csv": _table(",")}),
    "r.tsv": ("sentiment", lambda: {"r.tsv": _table("\t")}),
    "r.json": ("sentiment", lambda: {"r.json": json.dumps(ROWS).encode()}),
    "r.jsonl": ("sentiment", lambda: {"r.jsonl": jsonl(ROWS)}),
    "r.xlsx": ("sentiment", lambda: {"r.xlsx": _sheet()}),
    "r.parquet": ("sentiment", lambda: {"r.parquet": _parquet()}),
    "r.arrow": ("sentiment", lambda: {"r.arrow": _arrow("new_stream")}),
    "f.arrow": ("sentiment", lambda: {"f.arrow": _arrow("new_file")}),
    "r.conll": ("ner", lambda: {"r.conll": TAGGED.encode()}),
    "spans.jsonl": ("ner", lambda: {"spans.jsonl": jsonl(SPANS)}),
    "doccano.jsonl": ("ner", lambda: {"doccano.jsonl": jsonl(DOCCANO)}),
    "prodigy.jsonl": ("ner", lambda: {"prodigy.jsonl": jsonl(PRODIGY)}),
    "studio.json": ("ner", lambda: {"studio.json": json.dumps(STUDIO).encode()}),
    "brat": ("ner", lambda: {
        **{f"brat/{n}.txt": f"Ana viu São Luís {n}".encode() for n in range(4)},
        **{f"brat/{n}.ann": "T1\tPESSOA 0 3\tAna\nT2\tLOCAL 8 16\tSão Luís\n".encode() for n in range(4)},
    }),
}  # fmt: skip
"""Path of the data, the task that reads it, and its files."""


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


class Cases:
    """Runs cases one by one.

    Args:
        folder: scratch; `runs` in it holds finished runs.
    """

    def __init__(self, folder: Path) -> None:
        from autotune.config import compose as module

        self.folder, self.real = folder, module.members
        self.composed: dict[tuple[str, ...], Any] = {}
        self.whole: dict[Path, bytes] = {}

    def members(self, words: list[str]) -> list[Any]:
        """What Hydra would compose, with the path of the data set put in afterwards."""
        path = next(word for word in words if word.startswith("dataset.path="))
        rest = tuple(word for word in words if word != path)
        if rest not in self.composed:
            self.composed[rest] = self.real([*rest, "dataset.path=r.csv"])[0]
        member = self.composed[rest]
        dataset = replace(member.config.dataset, path=path.partition("=")[2])
        return [member._replace(config=replace(member.config, dataset=dataset))]

    def run(self, words: list[str], case: dict[str, Any]) -> dict[str, Any]:
        """The case with its exit code and what was said."""
        from autotune.cli.main import main

        said = io.StringIO()
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, TOO_LONG)
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code: int | str = main(words)
        except BaseException as error:  # noqa: BLE001 - whatever leaves the command line is a finding
            code = repr(error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = round(time.process_time() - began, 3)
        return {**case, "words": words, "code": code, "said": said.getvalue()[-3000:], "seconds": seconds}

    def inputs(self, seed: int) -> dict[str, Any]:
        """`check` on a mutated input."""
        from autotune.config import compose as module

        rng = random.Random(f"inputs {seed}")
        door = list(DOORS)[seed % len(DOORS)]
        task, make = DOORS[door]
        files = make()
        name = rng.choice(list(files))
        scratch = self.folder / "input"
        shutil.rmtree(scratch, ignore_errors=True)
        write(scratch, {**files, name: mutated(rng, files[name])})
        model = self.folder / "runs" / "sentiment" / "model"
        words = ["check", f"task={task}", "model=custom", f"model.name_or_path={model}", f"runs={scratch / 'runs'}",
                 "check.level=warn", f"dataset.path={scratch / door}"]  # fmt: skip
        module.members = self.members  # type: ignore[assignment]
        return self.run(words, {"seed": seed, "file": name})

    def runs(self, seed: int) -> dict[str, Any]:
        """A verb on a mutated run folder."""
        rng = random.Random(f"runs {seed}")
        source = rng.choice(sorted((self.folder / "runs").glob("[a-z]*")))
        copy = self.folder / "tampered" / source.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        if rng.random() < 0.8:  # who tampers with files can write their sums, too
            status = json.loads((copy / "status.json").read_text())
            (copy / "status.json").write_text(json.dumps({**status, "saved": {}}))
        verb = rng.choice(("predict", "predict", "predict", "push", "evaluate"))
        files = [
            path
            for path in sorted(copy.rglob("*"))
            if path.is_file() and path.name not in (".lock", "log.txt", "README.md")
        ]
        read = [path for path in files if path.parent != copy] if verb != "push" else files
        chosen = rng.choice(
            [path for path in read if path.suffix != ".jsonl"] + [copy / "status.json", copy / "config.yaml"]
        )
        way = rng.random()
        if way < 0.03:
            chosen.unlink()
            chosen.mkdir()
        elif way < 0.06:
            chosen.unlink()
        else:
            chosen.write_bytes(mutated(rng, chosen.read_bytes()))
        text = ["--text", "a obra de São Luís não foi boa", "--text", "oi " * 300]
        words = {
            "predict": ["predict", str(copy), *text],
            "push": ["push", str(copy), "--dry-run"],
            "evaluate": ["evaluate", str(copy), "--data", str(self.folder / f"{source.name}.jsonl")],
        }[verb]
        return self.run(words, {"seed": seed, "file": f"{source.name}/{chosen.relative_to(copy)}"})

    def tables(self, seed: int) -> dict[str, Any]:
        """`check` with a damaged table in its cache; what is learned from afterwards has to be what it was."""
        from autotune.config import compose as module

        module.members = self.members  # type: ignore[assignment]
        rng = random.Random(f"tables {seed}")
        scratch = self.folder / "table"
        model = self.folder / "runs" / "sentiment" / "model"
        words = ["check", "task=sentiment", "model=custom", f"model.name_or_path={model}", f"runs={scratch / 'runs'}",
                 "check.level=none", f"dataset.path={scratch / 'r.csv'}"]  # fmt: skip
        if not self.whole:
            write(scratch, DOORS["r.csv"][1]())
            self.run(words, {})
            self.whole = {path: path.read_bytes() for path in sorted(scratch.rglob("*.arrow"))}
        chosen = rng.choice(list(self.whole))
        chosen.write_bytes(mutated(rng, self.whole[chosen]))
        untouched = chosen.read_bytes() == self.whole[chosen]
        result = self.run(words, {"seed": seed, "file": chosen.name})
        learned = {path: path.read_bytes() for path in scratch.rglob("*.arrow")}
        told = result["said"].count("cannot be used") == 1
        return {**result, "right": result["code"] == 0 and learned == self.whole and told != untouched}

    def configs(self, seed: int) -> dict[str, Any]:
        """`show` of a mutated command line or YAML of somebody's."""
        from autotune.config import compose as module

        module.members = self.real
        rng = random.Random(f"configs {seed}")
        folder = self.folder / "configs"
        shutil.rmtree(folder, ignore_errors=True)
        words = ["show", rng.choice(("task=sentiment", "task=ner", "task=summarization"))]
        if rng.random() < 0.4:
            yaml = b"defaults:\n  - csv\npath: r.csv\nlabels: [bom, ruim]\nlabel_map: {a: bom}\nsplits:\n  test: null\n"
            write(folder, {"dataset/mine.yaml": mutated(rng, yaml)})
            words += ["dataset=mine", f"--config-dir={folder}"]
        else:
            words += [_override(rng) for _ in range(rng.choice((1, 1, 2)))]
        return self.run(words, {"seed": seed, "file": ""})


def _override(rng: random.Random) -> str:
    """A word that people or programs may give."""
    from autotune.config.keys import keys

    groups = ("task", "dataset", "model", "peft", "trainer", "hub", "check", "report", "debug", "experiment")
    key = rng.choice((rng.choice(list(keys())), rng.choice(list(keys())), rng.choice(groups), "x", "x.y", "seed.x", "peft.r",
                      "dataset.label_map.a", "dataset.path.x", "", "@", "a@b", "model@x", "trainer.x.y.z"))  # fmt: skip
    depth = rng.choice((1, 5, 60, 2000))
    value = rng.choice(
        (
            *(str(json.dumps(value)) for value in rng.sample(WEIRD, 4)), "lora", "none", "tiny", "[" * depth, "{" * depth,
            "[" * depth + "]" * depth, "{a:" * depth + "1" + "}" * depth, "${x}", "${seed}", "${.}", "${" * depth, "a,b", "[a,b",
            "'", '"', "\\", "\n", "&a [*a]", "[&a [*a]]", "!!python/name:os.system",
            "choice(1,2)", "range(1,1e9)", "interval(0,1)",
            "glob(*)", "sort(3,2)", "shuffle(a)", "extend_list(1)", "int(x)",
            "json_str(x)", "cast(", "null", "???", "\u2028", "é" * 300,
        )
    )  # fmt: skip
    prefix = rng.choice(("", "", "", "+", "++", "~"))
    return f"{prefix}{key}={value}" if rng.random() < 0.95 else f"{prefix}{key}"


def _faults(result: dict[str, Any]) -> str | None:
    """What is wrong with how a case ended; None where it is right."""
    if result["code"] not in ALLOWED:
        return f"exit {result['code']}"
    if "Traceback (most recent call last)" in result["said"]:
        return "traceback"
    if result["code"] and "error: " not in result["said"]:
        return "no sentence"
    if not result.get("right", True):
        return "other bytes, or nothing said of them"
    return None


def results(kind: str, folder: Path, first: int, last: int) -> Iterator[dict[str, Any]]:
    """The cases of one kind by number, with `fault`."""
    cases = Cases(folder)
    for seed in range(first, last):
        result = getattr(cases, kind)(seed)
        yield {**result, "fault": _faults(result)}


class Hang(BaseException):
    """A case takes too long; no handler of errors takes it."""


def _hang(*_: object) -> None:
    raise Hang


def main() -> None:
    """Writes the results of the cases that the command line names into `results.jsonl` of their folder."""
    kind, folder, first, last = sys.argv[1:]
    signal.signal(signal.SIGPROF, _hang)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not to stdout, where code in Rust and C says what it likes.
    with Path(folder, RESULTS).open("w", encoding="utf-8") as out:
        for result in results(kind, Path(folder), int(first), int(last)):
            out.write(json.dumps(result) + "\n")
            out.flush()
