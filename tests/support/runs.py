"""Short runs and what they leave."""

import json
from pathlib import Path

from tests.support.forks import Fork

WORDS = [
    "dataset.limit=24", "trainer.epochs=4", "checkpoint.every=3st", "trainer.batch_size=8",
    "trainer.keep=best", "check=none",
]  # fmt: skip
"""A run of twelve steps."""


def ended(process: Fork) -> tuple[int, str]:
    done = process.ended()
    return done.returncode, done.stdout + done.stderr


def result(run: Path) -> dict[str, object]:
    """What must not depend on how often a run was killed: everything but times and the addresses of folders."""
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["training"].pop("seconds")
    return {
        "weights": (run / "model" / "model.safetensors").read_bytes(),
        "adapter": [path.read_bytes() for path in sorted((run / "adapter").glob("*.safetensors"))],
        "history": [{key: value for key, value in line.items() if key != "seconds"} for line in history],
        "metrics": metrics,
        "predictions": [path.read_bytes() for path in sorted(run.glob("predictions_*.jsonl"))],
    }


def status(run: Path) -> dict[str, str]:
    return json.loads((run / "status.json").read_text())


def checkpoints(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").glob("step-*"))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
