"""Searches of seconds on reviews that are written by code, and what they leave."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.forks import forks

PLUGIN = Path(__file__).parent / "plugin.py"
GOOD, BAD = (
    ["ótimo", "excelente", "adorei", "recomendo", "perfeito"],
    ["péssimo", "ruim", "horrível", "odiei", "quebrou"],
)
FILL = ["o", "produto", "chegou", "hoje", "em", "casa", "pela", "loja", "com", "caixa", "aberta", "dias", "na"]  # fmt: skip
CHEAP = ("auto.candidates=[cheap]", "auto.space.C=[10]", "trials=1")
"""A search of seconds: one model without a neural network."""
QUICK = ("report=none", "check=none", "guard=none")
"""Overrides without which each run takes longer."""


def reviews(rows: int, first: int = 0) -> str:
    """Reviews with a class of two, one of ten with the wrong one."""
    lines = ["comentario;sentimento;id"]
    for number in range(first, first + rows):
        good = number % 2 == 0
        words = [FILL[(number * step) % len(FILL)] for step in (1, 3, 5, 7)]
        words.insert(number % 5, (GOOD if good else BAD)[number // 2 % 5])
        lines.append(f"{' '.join(words)} {number};{'bom' if good != (number % 10 == 3) else 'ruim'};{number}")
    return "\n".join(lines) + "\n"


def auto(
    place: Path, *words: object, code: int = 0, faults: Mapping[str, str] | None = None, **how: Any
) -> str:
    """Runs a search in a fork; returns what it prints.

    Args:
        place: working folder.
        words: of the command line.
        code: exit code.
        faults: what happens to its runs, see `plugin`.
        how: see `Forks.start`.
    """
    files = {name: str(place / name.lower()) for name in ("COUNT", "ONCE", "JUMP")}
    env = {**files, "FAULTS": json.dumps(faults or {})}
    done = forks().start("auto", *words, "--plugin", PLUGIN, cwd=place, **env, **how).ended()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found


def decision(folder: Path, name: str) -> dict[str, Any]:
    return next(line for line in lines(folder / "decisions.jsonl") if line["id"] == name)


def reasons(folder: Path) -> dict[str, tuple[str, str]]:
    """Fate and reason of each trial that did not come to its end."""
    board = lines(folder / "leaderboard.jsonl")
    return {line["trial"]: (line["fate"], line["because"]) for line in board if line["because"]}


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def steps_of(runs: Iterable[Path]) -> int:
    return sum("loss" in line for run in runs for line in lines(run / "history.jsonl"))
