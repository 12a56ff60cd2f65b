"""Does the ranking of trials after a part of their steps predict the final one? Kendall's tau-b of rates x seeds x decay.

    python -m benchmarks.rungs DATA.csv MODEL --runs FOLDER    (in scripts/, with autotune installed)

All trials are one sweep of autotune: validation is scored after each quarter of the steps, with the weights of that moment, as
`trainer.pause_at` does with `trainer.keep=last`.
"""

import argparse
import json
import math
import subprocess
import sys
from itertools import product
from pathlib import Path

from scipy.stats import kendalltau

LEARNING_RATES = ("2e-5", "5e-5", "1e-4", "2e-4")
SEEDS = (1, 2, 3)
DECAYS = ("1", "0.9")
QUARTERS = 4


def words(options: argparse.Namespace) -> list[str]:
    """Returns the command line of the sweep; a third of the rows compares the trials."""
    rates = options.learning_rates
    return [
        sys.executable, "-m", "autotune", "train", "--multirun", "task=sentiment", "dataset=csv",
        f"dataset.path={options.data}", f"dataset.validation_fraction={1 / 3}", "dataset.test_fraction=0",
        f"dataset.limit={options.rows}", *model_words(options.model), f"task.max_length={options.max_length}",
        "task.on_overflow=truncate", f"trainer.max_steps={options.steps}",
        f"trainer.epochs={math.ceil(options.steps * options.batch_size / options.rows * 1.5) + 1}",
        f"trainer.batch_size={options.batch_size}", f"trainer.evaluate_every={options.steps // QUARTERS}st",
        "trainer.keep=last", "trainer.pause_at=1", "check=none", "report=none", "guard=none", f"runs={options.runs}",
        f"trainer.learning_rate={','.join(rates)}", f"seed={','.join(map(str, SEEDS))}",
        f"trainer.layer_decay={','.join(DECAYS)}",
    ]  # fmt: skip


def model_words(model: str) -> list[str]:
    """Returns the overrides of a folder, or of an option of the group `model`."""
    return ["model=custom", f"model.name_or_path={model}"] if Path(model).is_dir() else [f"model={model}"]


def scores(runs: Path) -> list[list[float]]:
    """Returns macro-F1 on validation after each quarter of the steps: (trials, quarters)."""
    table = []
    for file in sorted(runs.glob("*/history.jsonl")):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        row = [line["validation"]["macro_f1"] for line in lines if "validation" in line]
        if len(row) == QUARTERS:
            table.append(row)
    return table


def report(table: list[list[float]]) -> str:
    """Returns a Markdown table: how well the ranking after each quarter predicts the final one."""
    final = [row[-1] for row in table]
    lines = ["| after | Kendall's tau-b | final rank of its best | final score lost | final best in its upper half |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for quarter in range(QUARTERS - 1):
        early = [row[quarter] for row in table]
        chosen = max(range(len(table)), key=lambda trial: early[trial])
        best = max(range(len(table)), key=lambda trial: final[trial])
        rank = 1 + sum(score > final[chosen] for score in final)
        kept = sum(score > early[best] for score in early) < len(table) / 2
        tau = kendalltau(early, final).statistic
        lines.append(f"| {(quarter + 1) / QUARTERS:.0%} | {tau:.2f} | {rank} of {len(table)} | "
                     f"{max(final) - final[chosen]:.3f} | {'yes' if kept else 'no'} |")  # fmt: skip
    lines.append(f"\nFinal scores: {min(final):.3f} to {max(final):.3f}.")
    return "\n".join(lines)


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.rungs", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="CSV with the columns text and label")
    parser.add_argument("model", help="folder of a base model, or an option of the group model")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--rows", type=int, default=900, help="rows, of which a third compares the trials")
    parser.add_argument("--steps", type=int, default=224, help="steps of each trial")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--learning-rates", nargs="+", default=LEARNING_RATES)
    options = parser.parse_args()
    command = words(options)
    subprocess.run(command, check=False)  # 75: the sweep is paused, as asked
    table = scores(options.runs)
    expected = len(list(product(options.learning_rates, SEEDS, DECAYS)))
    if len(table) < expected:
        sys.exit(f"{len(table)} of {expected} trials are done; the same command continues")
    sys.stdout.write(f"{report(table)}\n")


if __name__ == "__main__":
    main()
