"""scripts/scores: the score on test of whole runs, by autotune and by transformers.Trainer, over several seeds, in turns.

Both learn from the same features and are scored by the same code; Trainer gets dynamic padding and the run's epochs, batch
size, learning rate, warm-up and weight decay, and its last weights are scored.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from autotune.config.compose import compose
from autotune.training import device

AUTOTUNE, TRAINER = "autotune", "Trainer"


def arguments() -> argparse.Namespace:
    """Returns the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/scores",
        description="Trains with autotune and with transformers.Trainer and compares the scores on test.",
    )
    parser.add_argument(
        "overrides", nargs="+", help="of a run: task=ner dataset=lener_br dataset.path=FOLDER …"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--trainer", metavar="FILE", help=argparse.SUPPRESS)
    return parser.parse_args()


def train_with_trainer(overrides: list[str], result: Path) -> None:
    """Trains a run with transformers.Trainer and writes the score of test."""
    from transformers import Trainer, TrainingArguments

    from autotune.pipeline.prepare import run_preflight
    from benchmarks.peers import collator, rows_for_trainer
    from benchmarks.setting import Opened

    (config,) = compose(overrides)
    prepared = run_preflight(config, Path(config.runs) / ".cache").result()
    config = prepared.sizes.config
    opened = Opened(config, prepared, (prepared.features["test"], prepared.rows.splits["test"]))
    settings = config.trainer
    model = prepared.load_model(config)
    assert settings.batch_size is not None and settings.epochs is not None, "the rows have decided"
    steps = -(-len(prepared.features["train"]) // settings.batch_size) * settings.epochs
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            config.runs,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate or config.model.learning_rate,
            weight_decay=settings.weight_decay,
            warmup_steps=int(steps * settings.warmup_ratio),
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            report_to="none",
            seed=config.seed,
        ),
        train_dataset=rows_for_trainer(opened, prepared.features["train"]),
        data_collator=collator(opened, model, True),
    )
    trainer.train()
    evaluator = prepared.evaluator(config, device.accelerator(prepared.precision))
    scores = evaluator.score(model, *opened.held_out)
    result.write_text(json.dumps({"main": scores.main, "score": scores.best}))


def run(command: list[str]) -> float:
    """Runs a command and returns the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Runs each seed with both and prints a table."""
    asked = arguments()
    if asked.trainer:
        train_with_trainer(asked.overrides, Path(asked.trainer))
        return
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    folder = Path(tempfile.mkdtemp(prefix="autotune-scores-"))
    results: dict[str, list[tuple[float, float]]] = {AUTOTUNE: [], TRAINER: []}
    for seed in asked.seeds:
        words = [*asked.overrides, f"seed={seed}", f"runs={folder}", f"name={seed}"]
        seconds = run([sys.executable, "-P", "-m", "autotune", *words])
        metrics: dict[str, Any] = json.loads((folder / str(seed) / "metrics.json").read_text())
        file = folder / f"{seed}.json"
        peer = run([sys.executable, "-P", "-m", "benchmarks.scores", *words, "--trainer", str(file)])
        trained = json.loads(file.read_text())
        results[AUTOTUNE].append((metrics["test"][trained["main"]], seconds))
        results[TRAINER].append((trained["score"], peer))
        for name, values in results.items():
            score, cpu = values[-1]
            sys.stdout.write(f"seed {seed}, {name}: {trained['main']} {score:.4f}, {cpu:.0f} CPU s\n")
        sys.stdout.flush()
    sys.stdout.write("\n| on test | mean | standard deviation | CPU s |\n| --- | --- | --- | --- |\n")
    for name, values in results.items():
        scores = [score for score, _ in values]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        cpu = statistics.median(cpu for _, cpu in values)
        sys.stdout.write(f"| {name} | {statistics.mean(scores):.4f} | {spread:.4f} | {cpu:.0f} |\n")


if __name__ == "__main__":
    main()
