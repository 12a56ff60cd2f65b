"""scripts/benchmark: runs the cells and writes a table, JSON and plots."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.cells import (
    AUTOTUNE,
    COMPETITORS,
    GENERATION,
    GROUPED,
    QUICK,
    TRAINER,
    Cell,
    Competitor,
    all_cells,
    chosen,
    competes,
)

Results = dict[str, Any]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark",
        description="The same optimizer steps done by transformers.Trainer, AutoTrain's recipe and autotune, in turns.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two cells, two steps each: some two minutes where nothing else runs",
    )
    parser.add_argument(
        "--cells",
        nargs="+",
        metavar="WORDS",
        help="cells whose names hold these words: ner, full-minilm, sentiment-lora-t5, generation",
    )
    parser.add_argument("--competitors", nargs="+", choices=[one.name for one in COMPETITORS], metavar="NAME",
                        help="some of: " + ", ".join(one.name for one in COMPETITORS))  # fmt: skip
    parser.add_argument("--repeats", type=int, help="rounds; each competitor runs once a round (3)")
    parser.add_argument("--steps", type=int, help="optimizer steps of a run (8; summarization 4)")
    parser.add_argument("--held-out", type=int, default=64, help="rows that are scored (64)")
    parser.add_argument("--threads", type=int, default=1, help="of each process (1: CPU time then counts)")
    parser.add_argument(
        "--made-up", action="store_true", help="made-up words even where there are real texts"
    )
    parser.add_argument("--profile", action="store_true", help="also where the time of two steps goes")
    parser.add_argument("--output", type=Path, help="folder of the results (a new temporary one)")
    parser.add_argument("--list", action="store_true", help="names of the cells")
    return parser.parse_args()


class Process:
    """A competitor at work on a cell."""

    def __init__(self, order: Results, threads: int) -> None:
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",
            "MKL_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        }
        self.log = Path(order["folder"]) / f"{order['cell']['task']}-{order['competitor']}.log"
        with self.log.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "benchmarks.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment,
            )  # fmt: skip
        self._send(order)

    def _send(self, what: Results) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def ask(self, do: str, **options: Any) -> Results:
        """The answer to a command."""
        assert self.process.stdout is not None
        self._send({"do": do, **options})
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            said = self.log.read_text().splitlines()[-30:]
            killed = [f"{self.log.stem} ended with exit code {code}" + " (memory?)" * (code == -9)]
            raise SystemExit("\n".join([*killed, *said]))
        answer: Results = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def say(text: str) -> None:
    """Progress, beside the results."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def measure(cell: Cell, asked: argparse.Namespace, folder: Path, data: Path | None) -> Results:
    """Runs all competitors of a cell in turns."""
    steps = asked.steps or (4 if cell.task == "summarization" else 8)
    names = asked.competitors or [one.name for one in COMPETITORS]
    competitors = [one for one in COMPETITORS if one.name in names and competes(one, cell)]
    result: Results = {"cell": vars(cell), "steps": steps, "runs": {}, "gemm": []}
    with ExitStack() as stack:
        processes = {}
        for one in competitors:
            process = Process(_order(one, cell, steps, asked, folder, data), asked.threads)
            stack.callback(process.close)
            processes[one.name] = process
        for process in processes.values():
            process.ask("open")
        if cell == GENERATION:
            return result | _predictions(processes, asked.repeats)
        say(f"{cell.name}: without dropout")
        same = min(steps - 1, 3) or 1
        result["without_dropout"] = {
            name: process.ask("run", dropout=False, score=False, steps=same)
            for name, process in processes.items()
            if name in (TRAINER, AUTOTUNE)
        }
        for round_ in range(asked.repeats):
            result["gemm"].append(_gemm(asked.threads))
            for name, process in processes.items():
                run = process.ask("run", dropout=True, score=round_ == 0)
                result["runs"].setdefault(name, []).append(run)
                say(f"{cell.name}, round {round_ + 1}, {name}: {run['cpu']:.1f} CPU s, {run['wall']:.1f} s")
        result["gemm"].append(_gemm(asked.threads))
        if asked.profile:
            result["profiles"] = {
                name: processes[name].ask("profile", steps=2)
                for name in (TRAINER, AUTOTUNE)
                if name in processes
            }
    return result


def _predictions(processes: dict[str, Process], repeats: int) -> Results:
    runs: Results = {}
    for round_ in range(repeats):
        for name, process in processes.items():
            run = process.ask("predict")
            runs.setdefault(name, []).append(run)
            say(f"generation, round {round_ + 1}, {name}: {run['cpu']:.1f} CPU s, {run['wall']:.1f} s")
    return {"runs": runs}


def _order(
    one: Competitor, cell: Cell, steps: int, asked: argparse.Namespace, folder: Path, data: Path | None
) -> Results:
    return {
        "cell": vars(cell),
        "competitor": one.name,
        "steps": max(1, round(steps * one.share)),
        "steps_of_all": steps,
        "held_out": asked.held_out,
        "threads": asked.threads,
        "folder": str(folder),
        "data": None if data is None else str(data),
    }


def _gemm(threads: int) -> Results:
    """The machine's matrix products now, in both arithmetics; others may use it, too."""
    import torch

    from benchmarks.flops import gemm_rates

    torch.set_num_threads(threads)
    return {"fp32": gemm_rates(), "bf16": gemm_rates(dtype=torch.bfloat16)}


def main() -> int:
    """Measures what was asked for, and writes it down after every cell."""
    asked = arguments()
    if asked.list:
        sys.stdout.write("".join(f"{cell.name}\n" for cell in all_cells()))
        return 0
    cells = chosen(asked.cells) if asked.cells else list(QUICK) if asked.quick else all_cells()
    if not cells:
        sys.stderr.write("no cell has these words in its name; --list shows them\n")
        return 2
    if asked.quick:
        asked.steps, asked.held_out = asked.steps or 2, min(asked.held_out, 16)
        asked.competitors = asked.competitors or [TRAINER, GROUPED, AUTOTUNE]
    asked.repeats = asked.repeats or (1 if asked.quick else 3)
    output = asked.output or Path(tempfile.mkdtemp(prefix="autotune-benchmark-"))
    output.mkdir(parents=True, exist_ok=True)
    from benchmarks.rows import real_data  # needs numpy, which --help does not wait for

    data = None if asked.made_up else real_data()
    whole: Results = {
        "command": sys.argv[1:],
        "began": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": {**_machine(), "threads": asked.threads, "load": os.getloadavg()[0]},
        "texts": "real" if data is not None else "made up, of the same lengths",
        "cells": {},
    }
    with tempfile.TemporaryDirectory(prefix="autotune-benchmark-work-") as folder:
        for cell in cells:
            whole["cells"][cell.name] = measure(cell, asked, Path(folder), data)
            report.write(whole, output)
    sys.stdout.write((output / report.TABLE).read_text("utf-8"))
    sys.stdout.write(f"\nIn {output}: {', '.join(sorted(file.name for file in output.iterdir()))}\n")
    return 0


def _machine() -> Results:
    from importlib.metadata import version

    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        **{name: version(name) for name in ("torch", "transformers", "accelerate", "autotune")},
    }


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text("utf-8").splitlines() if file.exists() else []


if __name__ == "__main__":
    sys.exit(main())
