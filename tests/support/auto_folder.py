"""An auto folder as a finished search leaves it, written by code: 600 s asked, TF-IDF against two neural models."""

import json
from pathlib import Path
from typing import Any

WORDS = ["task=sentiment", "dataset=csv", "dataset.path=reviews.csv", "model=bertimbau_base"]
DECISIONS: list[dict[str, Any]] = [
    {"id": "task", "value": "sentiment", "because": "one text column and one class column", "source": "data",
     "alternatives": ["classification"], "override": "task=classification"},
    {"id": "text", "value": "comentario", "because": "median 28 words, 99 % distinct", "source": "data",
     "alternatives": ["titulo"], "override": "dataset.columns.text=titulo"},
    {"id": "label", "value": "state", "because": "5 values, each in at least 2 rows", "source": "you",
     "alternatives": [], "override": None},
    {"id": "left_out", "value": ["id", "data"], "because": "unique; dates", "source": "data"},
    {"id": "folds", "value": 5, "because": "3,296 rows are fewer than 4,000", "source": "Varma & Simon 2006",
     "alternatives": ["one validation split"], "override": "auto.folds=3"},
    {"id": "learning_rate", "value": [2e-5, 5e-5, 1e-4], "because": "small encoders", "source": "Mosbach 2021"},
    {"id": "winner", "value": "bertimbau_base 5e-5", "because": "best mean", "source": "data"},
    {"id": "of_a_newer_version", "value": True, "because": "it is new", "source": "data"},
]  # fmt: skip
"""Lines of decisions.jsonl; keys that have defaults are left out in some."""


def measurement(trial: str, kind: str, score: float | None, fate: str, **more: Any) -> dict[str, Any]:
    """Returns a line of leaderboard.jsonl, with an interval of ± 0.02."""
    interval = None if score is None else [round(score - 0.02, 4), round(score + 0.02, 4)]
    line = {"seconds": None, "trial": trial, "run": None, "kind": kind, "share": 1.0, "folds": [1, 2, 3, 4, 5],
            "rows": 3296, "score": score, "interval": interval, "fate": fate, "because": None}  # fmt: skip
    return line | more


LEADERBOARD = [
    measurement("majority class", "trivial", 0.11, "finished", seconds=1.0),
    measurement("tfidf C=10", "cheap", 0.612, "leads", seconds=14.2),
    measurement("bertimbau_base 5e-5", "full", 0.64, "leads", seconds=120.5, share=0.25),
    measurement(
        "bertimbau_base 1e-4", "full", None, "failed", seconds=130.0, share=0.25, because="one class"
    ),
    measurement("tiny 2e-5", "full", 0.55, "dropped", seconds=131.0, share=0.25),
    measurement("bertimbau_base 5e-5", "full", 0.664, "leads", seconds=480.0, run="trials/a"),
]
"""Lines of leaderboard.jsonl."""

RESULT: dict[str, Any] = {
    "data": "reviews.csv", "task": "sentiment", "metric": "macro_f1", "greater_is_better": True,
    "winner": {"trial": "bertimbau_base 5e-5", "kind": "full", "run": "trials/a", "overrides": WORDS},
    "test": {"rows": 824, "score": 0.671, "interval": [0.637, 0.703]},
    "chosen": {"rows": 3296, "score": 0.664, "corrected": 0.6581, "interval": [0.64, 0.69], "candidates": 24,
               "chance_of_best": {"bertimbau_base 5e-5": 0.81, "tfidf C=10": 0.19}},
    "beside": [
        {"trial": "majority class", "score": 0.11, "interval": None, "difference": 0.561, "difference_interval": [0.5, 0.6]},
        {"trial": "tfidf C=10", "score": 0.618, "interval": [0.58, 0.65], "difference": 0.053,
         "difference_interval": [0.024, 0.083]},
    ],
    "seeds": {"count": 3, "standard_deviation": 0.009},
    "calibration": {"temperature": 1.31, "ece_before": 0.09, "ece_after": 0.03},
    "coverage": [{"error": 0.01, "threshold": 0.97, "coverage": 0.21}, {"error": 0.05, "threshold": 0.83, "coverage": 0.58}],
    "more_labels": {"factor": 2, "gain": 0.02, "interval": [0.001, 0.04]},
    "suspects": {"rows": 41, "file": "runs/auto-reviews-1f3a/suspects.csv"},
    "time": {"asked": 600, "used": 541.2},
    "commands": {"again": "autotune --config-dir runs/auto-reviews-1f3a/config experiment=winner",
                 "use": 'autotune predict runs/auto-reviews-1f3a/best --text "…"',
                 "push": "autotune push runs/auto-reviews-1f3a/best --repo ORG/NAME"},
}  # fmt: skip
"""Content of result.json."""


def write_auto(
    folder: Path,
    result: dict[str, Any] | None = RESULT,
    decisions: list[dict[str, Any]] = DECISIONS,
    leaderboard: list[dict[str, Any]] = LEADERBOARD,
) -> Path:
    """Writes an auto folder; without a result, one of a search that is not finished. Returns the folder."""
    folder.mkdir(parents=True)
    (folder / "auto.yaml").write_text("data: reviews.csv\ntime: 600\n", "utf-8")
    for name, lines in (("decisions", decisions), ("leaderboard", leaderboard)):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result, ensure_ascii=False), "utf-8")
    return folder
