"""Whether the score of a run can be believed, and what to do next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune import registry
from autotune.config.enums import Keep
from autotune.errors import format_override, shell_words
from autotune.evaluation.rivals import BETTER, CHANCE
from autotune.publishing.card.facts import Facts
from autotune.reporting.curves import Curves

GOOD, NOTE, BAD = "good", "note", "bad"
FEW_ROWS = 200
"""With fewer scored rows, the interval is wide and says so."""


@dataclass(frozen=True)
class Remark:
    """A sentence of the page: the key of its text, with the values in it."""

    level: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    """An override or command that can be pasted."""

    def shown(self, message: Callable[[Any], str]) -> dict[str, Any]:
        """Returns the values, of which texts are translated."""
        return {
            name: message(value) if isinstance(value, str) else value for name, value in self.values.items()
        }


def remarks(facts: Facts) -> list[Remark]:
    """Returns what speaks for and against the score, the most serious first."""
    found = [
        *_split_remarks(facts),
        *_baseline_remarks(facts),
        *_leaks(facts),
        *_lengths(facts),
        *_check(facts),
    ]
    return sorted(found, key=lambda remark: (BAD, NOTE, GOOD).index(remark.level))


def next_steps(facts: Facts, curves: Curves, name: str) -> list[Remark]:
    """Returns what to do next, in the order of its likely gain; `name` is that of the run folder."""
    config = facts.config
    steps = []
    if config.model.tiny is not None:
        run = registry.task(config.task.name).examples.run
        steps.append(
            Remark(
                NOTE, "next_real_model", command=f"autotune {format_override('task', config.task.name)} {run}"
            )
        )
    if config.dataset.limit is not None:
        steps.append(Remark(NOTE, "next_all_rows", command="dataset.limit=null"))
    if any(_leaked(facts)):
        steps.append(Remark(NOTE, "next_dedup", command="dataset.dedup=leaks"))
    if facts.split != "test":
        steps.append(Remark(NOTE, "next_test_split", command="dataset.test_fraction=0.1"))
    training = facts.metrics["training"]
    chosen = training.get("kept", Keep.best) == Keep.best
    if curves.validation and chosen and training["best_step"] == training["steps"] and training["steps"] > 1:
        steps.append(
            Remark(NOTE, "next_more_epochs", command=f"trainer.epochs={2 * (config.trainer.epochs or 1):g}")
        )
    proposed = tuple(step.command for step in steps)
    steps += [
        Remark(NOTE, "next_finding", {"what": finding["what"]}, command=finding["fix"])
        for finding in _findings(facts, "warning")
        if finding.get("fix") and not finding["fix"].startswith(proposed)
    ][:3]
    steps.append(
        Remark(
            NOTE,
            "next_predict",
            command=f'autotune predict {shell_words(Path(config.runs) / name)} --text "..."',
        )
    )
    return steps


def _split_remarks(facts: Facts) -> Iterator[Remark]:
    rows = facts.data["rows"][facts.split]
    if facts.selection is not None:
        rows, candidates = facts.selection["rows"], facts.selection["candidates"]
        text = "score_of_choice" if candidates > 1 else "score_out_of_sample"
        yield Remark(
            NOTE,
            "score_before_test" if facts.selection.get("learned") else text,
            {"rows": rows, "candidates": candidates},
        )
    elif facts.split != "test":
        known = {"train": "score_on_train", "validation": "score_on_validation"}
        if facts.metrics["training"].get("kept") == Keep.last:
            known["validation"] = "score_on_unused_validation"
        yield Remark(BAD, known.get(facts.split, "score_on_other"))
    if facts.config.dataset.limit is not None:
        yield Remark(BAD, "trial", {"rows": facts.config.dataset.limit})
    if facts.config.model.tiny is not None:
        yield Remark(BAD, "tiny")
    if (fold := facts.config.dataset.fold) is not None:
        yield Remark(NOTE, "fold", {"fold": fold})
    if rows < FEW_ROWS:
        yield Remark(NOTE, "few_rows", {"rows": rows})


def _baseline_remarks(facts: Facts) -> Iterator[Remark]:
    against = facts.metrics.get("against_baseline", {}).get(facts.split)
    if against is None or facts.selection is not None:
        return
    level = {BETTER: GOOD, CHANCE: NOTE}.get(against["verdict"], BAD)
    low, high = against["interval"]
    values = {
        "name": against["name"],
        "value": against["value"],
        "difference": against["difference"],
        "low": low,
        "high": high,
    }
    yield Remark(level, {GOOD: "above_baseline", NOTE: "near_baseline", BAD: "below_baseline"}[level], values)


def _leaked(facts: Facts) -> tuple[int, int]:
    """Returns how many rows of the scored split are in train, too: word for word or apart from case, and nearly."""
    counts = facts.data.get("check", {}).get("duplicates", {}).get(f"{facts.split} in train", {})
    return int(counts.get("exact", 0)) + int(counts.get("alike", 0)), int(counts.get("near", 0))


def _leaks(facts: Facts) -> Iterator[Remark]:
    duplicates = facts.data.get("check", {}).get("duplicates", {})
    if facts.split == "train" or facts.selection is not None:
        return
    if f"{facts.split} in train" not in duplicates:
        yield Remark(NOTE, "leaks_unknown")
        return
    same, near = _leaked(facts)
    if not same + near:
        yield Remark(GOOD, "no_leaks")
        return
    rows = facts.data["rows"][facts.split]
    yield Remark(
        BAD if same + near > 0.01 * rows else NOTE, "leaks", {"same": same, "near": near, "rows": rows}
    )


def _lengths(facts: Facts) -> Iterator[Remark]:
    lengths = facts.data.get("check", {}).get("lengths", {})
    of_split = lengths.get("splits", {}).get(facts.split)
    if of_split is None:
        if facts.baseline is None:
            yield Remark(NOTE, "lengths_unknown")
    elif of_split.get("rows_beyond"):
        # Rows that are read in windows are a note of the check, rows that are cut a warning.
        cut = any(
            finding["area"] == "lengths" and finding["what"].startswith(f"{facts.split}:")
            for finding in _findings(facts, "warning")
        )
        values = {"rows": of_split["rows_beyond"], "limit": lengths.get("max_length")}
        yield Remark(BAD if cut else GOOD, "rows_cut" if cut else "rows_in_windows", values)
    else:
        yield Remark(GOOD, "nothing_cut", {"limit": lengths.get("max_length")})


def _check(facts: Facts) -> Iterator[Remark]:
    count = len(_findings(facts, "warning"))
    if count:
        yield Remark(NOTE, "warnings", {"count": count})
    troubles = len(facts.metrics["training"].get("troubles", []))
    if troubles:
        yield Remark(BAD, "anomalies", {"count": troubles})


def _findings(facts: Facts, severity: str) -> list[dict[str, Any]]:
    return [
        finding
        for finding in facts.data.get("check", {}).get("findings", [])
        if finding.get("severity") == severity
    ]
